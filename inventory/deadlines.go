package inventory

import "time"

// Deadlines are how long the daemon waits, in attended time. All defaults are generous: a machine may be emulated in
// software on a busy host, and the memory test of a server takes minutes.
type Deadlines struct {
	Start   time.Duration // after a start of the daemon: no deadline ends before; 5 m
	Medium  time.Duration // from power on to the first read of the boot medium; 5 m
	Agent   time.Duration // from power on to the agent in the ramdisk; 20 m
	Silence time.Duration // without a word from an agent; 5 m
	Lost    time.Duration // until a machine that is on counts as found running, without a word from its agent; 1 h
	Home    time.Duration // from power on to the call of the installed system; 30 m
	Off     time.Duration // for which a machine found off must be seen off; 30 s
}
