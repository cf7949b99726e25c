// Package hub is the daemon's side of the agent protocol: it lets exactly the agents in that the daemon booted, hands them their
// jobs and keeps what they say. It decides nothing about machines.
//
// Three secrets carry it, all derived from the daemon's Identity: the token on a boot medium (machine, boot, epoch), the client
// certificate an agent trades it for, and the token an installed system phones home with (machine, install, epoch). Tokens are
// computed, never stored, so a lost journal loses none of them. What must survive a restart is one small document per machine
// in a Store; job bodies hold secrets and stay in memory: whoever assigned a job assigns it again after a restart.
package hub
