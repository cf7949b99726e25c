// Package inventory is the vocabulary of ingot: what a fleet asks of machines, what is known about machines, and the
// comparisons between the two. The package is pure.
//
// Read Desired, Record and Observed first. PickDisk is the only way to choose a disk, SameMachine the only way to
// recognise a machine: do not compare serials, WWNs or MACs directly.
//
// Words, one each:
//
//   - Fleet: the Git repository, and the resolved content of its accepted commit.
//   - Trunk: the fleet's one branch of desired state. Release: the commit of a ring. Snapshot: the tree of one commit.
//   - Host, Workload, Step, Secret, Ring, Rule, Defaults: the kinds of documents.
//   - Machine id: who a machine is to ingot, for ever; the name of its host is for people. Standing: the other id under
//     which a host's machine is known, if any.
//   - Desired: what the snapshots ask of a host. Observed: what BMC, agent and journal say.
//   - Plan: the actions for a host, with reasons. Hold: why nothing may be done to a host until a person acts.
//   - Phase: where a host stands, as the board shows it. Verdict: what a change means for a host.
//   - Facts: the machine as an agent in the ramdisk saw it.
//   - Operation: one erase-and-install with its retries, from intended to ended.
//   - Boot: one boot attempt, with its own token, medium and epoch. Epoch: a host's counter, raised by every boot.
//   - Life: one start of a daemon. Revision: how often a record was written.
//   - Pinned: what identifies a machine, each value by who says it.
//   - Recovered: read from a page of the status branch, so hearsay. Forgotten: dropped by an operator or a takeover.
//   - Consent: permission for one operation, written in the fleet.
//   - Journal: what the daemon must not forget. Record: the journal's part about one machine.
//   - Board: the README of the status branch.
//   - Other disk: a block device, not known to be the root disk, that Ignition writes to at the first start of an
//     installed system.
//   - Inputs: the digest over everything by which an installed host can differ from its workload.
package inventory
