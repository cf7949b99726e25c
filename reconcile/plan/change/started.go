package change

import "github.com/gitmetal/ingot/inventory"

// Started reports whether a record says that a daemon started the machine, or wrote the system that may run on the
// machine. Such a machine is not held when it is found running.
//
//	the record has                                                    a daemon started it
//	a system installed                                                yes
//	an operation that may have written                                yes
//	an operation that ended, unless it was superseded unwritten       yes
//	a boot that was powered on, unless the machine was found on       yes
//	anything else                                                     no
func Started(rec inventory.Record) bool {
	op, last, boot := rec.Operation, rec.Last, rec.Boot
	begun := op != nil && (op.HasBegun() || op.Stage == inventory.Confirming)
	wrote := last != nil && last.HasBegun() && last.Outcome != inventory.Superseded
	booted := boot != nil && (boot.Ours || boot.Stage != inventory.Preparing && !boot.Found)
	return rec.Installed != nil || begun || wrote || booted
}
