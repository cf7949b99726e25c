// Package inventory turns an accepted commit into what every host shall be: references, selectors, consent and the one disk picker.
// The vocabulary lives here. It is pure.
//
// Words, one each:
//
//   - Fleet: the Git repository, and what its accepted commit says, resolved.
//   - Trunk: its one branch of desired state. Release: the commit a ring runs. Snapshot: the tree at one accepted commit.
//   - Host, Workload, Step, Secret: the kinds of documents.
//   - Machine id: who a machine is to ingot, for ever; the name of its host is for people. Standing: under which other id a host's machine is known.
//   - Desired: what the snapshots ask of a host. Observed: what BMC, agent and journal say.
//   - Plan: the actions for a host, with reasons.
//   - Facts: the machine as an agent in the ramdisk saw it.
//   - Operation: one erase-and-install with its retries, from armed to ended.
//   - Boot: one boot attempt, with its own token, medium and epoch. Epoch: a host's counter, raised by every boot.
//   - Consent: permission for one operation, written in the fleet.
//   - Journal: what the daemon must not forget. Record: its part about one machine.
//   - Board: the README that the status branch shows.
//   - Other disk: a block device, not known to be the root disk, that Ignition writes to when an installed system starts for the first time.
//   - Inputs: the digest over all that makes an installed host differ from its workload.
package inventory
