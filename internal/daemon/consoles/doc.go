// Package consoles reads the serial consoles of machines over SSH to their BMCs, and decides whose console is read: those of hosts for which
// something is under way or wrong, or that somebody looks at.
//
// NewReader makes a Reader; Reader.Run reads until its context ends; Reader.ReadSerial and Reader.ReadText give what is kept of one console. Whoever
// opens a Secret adds the values to Config.Secrets before the values are used: a console is masked before it is kept.
package consoles
