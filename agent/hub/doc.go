// Package hub is the daemon's side of the agent protocol. A Hub lets in exactly the agents that the daemon booted,
// hands out their jobs, and keeps their reports. The package decides nothing about machines.
//
// Call New, then Expect for the boot whose agent may enrol and Assign for a job of the agent; State is what the agent
// said. Serve the Hub with Identity.ServerTLS. Do not store a token or a job body: a document in the Store holds no
// secret.
//
// Three secrets carry the protocol, all derived from the daemon's Identity: the token on a boot medium (machine, boot,
// epoch), the client certificate that an agent gets for the token, and the token of an installed system's call home
// (machine, install, epoch). Tokens are computed, never stored, so a lost journal loses no token. A Store holds one
// small document per machine, which survives a restart. Job bodies hold secrets and stay in memory: after a restart the
// caller assigns its jobs again.
package hub
