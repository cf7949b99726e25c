// Package heap keeps the heap of a daemon small. Call KeepSmall once at the start, and run GiveBack.
package heap

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much of the live heap may be added before garbage is collected. The daemon of a large fleet makes
// little garbage at rest, and the usual 100 would double its memory for the seconds in which it makes much.
const gcPercent = 25

// KeepSmall has garbage collected early. The environment's GOGC goes before.
func KeepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
