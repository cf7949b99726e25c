// Package inventory is the vocabulary of ingot: the desired state of machines, the knowledge about machines, and the
// comparisons of the two. The package is pure.
//
// Read Desired, Record and Observed first. Package pick is the only way to choose a disk, IdentifyDisks the
// only way to name one, SameMachine the only way to recognise a machine: do not compare serials, WWNs or MACs directly.
//
// Words, each with one meaning:
//
//   - Fleet: the Git repository, and the resolved content of its accepted commit.
//   - Trunk: the fleet's one branch of desired state. Release: the commit of a ring. Snapshot: the tree of one commit.
//   - Host, Workload, Step, Secret, Ring, Rule, Defaults: the kinds of documents.
//   - Machine id: a machine's permanent identity in ingot; the name of the host is for people. Standing: a second id
//     under which a host's machine is known.
//   - Desired: the state of a host in the snapshots. Observed: the reports of BMC, agent and journal.
//   - Plan: the actions for a host, with reasons. Hold: the reason why a host stays untouched until a person acts.
//   - Phase: the state of a host on the board. Verdict: the effect of a change on a host.
//   - Cause: why a machine is where it is, with one thing to do. Evidence: what the daemon saw or did, with times.
//   - Facts: the machine as an agent in the ramdisk saw the hardware.
//   - Operation: an ordered list of steps on one machine under one permission, with retries, from intended to ended.
//   - Boot: one boot attempt, with a token, medium and epoch of its own. Epoch: a host's counter, raised by every boot.
//   - Life: one start of a daemon. Revision: how often a record was written.
//   - Attended time: time in which a machine could have been heard and was asked. Age: how long something lasts, in
//     attended time; every deadline counts ages.
//   - Pinned: the identity of a machine, each value by its source.
//   - Recovered: read from a page of the status branch, so hearsay. Forgotten: dropped by an operator or a takeover.
//   - Consent: permission for one operation, written in the fleet. Leave: the daemon's permission for a step to begin.
//   - Mark: the disk GUID by which an install is recognised on its disk. Found: on a disk without being proved ours.
//   - Journal: the daemon's memory. Record: the journal's part about one machine.
//   - Discovery record: what is known of a machine that no host file names (package discovery).
//   - Proposal: a branch with one commit that a person may merge: a discovered machine, a repair or a rotation.
//   - Repair: a known machine came back with another part. Rotation: the change of a BMC account's password on request.
//   - Board: the README of the status branch.
//   - Notice: what people outside are told: a notification by webhook, or a commit's status on the forge.
//   - Other disk: a block device, not known to be the root disk, that Ignition writes to at the first start of an
//     installed system.
//   - Inputs: the digest over everything by which an installed host can differ from its workload.
package inventory
