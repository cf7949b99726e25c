package inventory

import "time"

// Ages says how long the parts of a machine's present work have lasted, in attended time: the time in which the machine
// could have been heard and was asked. Attended time is measured by a monotonic clock and goes on after a restart of
// the daemon. Every deadline counts ages; no deadline compares wall-clock times. The age of something that is not there
// is 0.
type Ages struct {
	Start   time.Duration // since the daemon's start, or since the wall clock left the monotonic clock
	Opened  time.Duration // since the opening of the boot
	Started time.Duration // since the boot's power-on was accepted
	Silent  time.Duration // since the last message of the boot's agent
	Job     time.Duration // since the agent's job came into its state
	// Enrolled is how long the last boot that reached its agent took from the power-on to the agent; zero if unknown.
	Enrolled time.Duration
	// Interrupted is set when, since the opening of the boot, the daemon started or the machine could not be heard for
	// longer than a short while: what ran before the gap proves nothing about what runs now.
	Interrupted bool
}

// PowerEvidence is what a row of looks proves of a machine's power, beyond the last reading. A BMC may say Off for a
// while of a machine that came on, and accepts requests that change nothing. All times are attended. A gap in the
// attention, and a start of the daemon, end every row.
type PowerEvidence struct {
	// Off is how long every reading said Off without a sign of life; 0 at the first such reading.
	Off time.Duration
	// WentOff is set when ingot powered a machine off that a reading had shown on, and the next reading said Off.
	WentOff bool
	// Asks counts the requests to shut down in a row, Asked is the time since the first of them, and AskedLast since the
	// last.
	Asks             int
	Asked, AskedLast time.Duration
	// Cuts counts the hard power-offs in a row, and CutLast is the time since the last of them.
	Cuts    int
	CutLast time.Duration
	// CameBack is set when the machine was off after a hard power-off and is on again, and ingot did not power it on.
	CameBack bool
	// Ejects counts the ejects of the present boot.
	Ejects int
}
