// Package consoles reads the serial consoles of machines over SSH to their BMCs, and decides which consoles are read:
// those of hosts with something under way or wrong, and those that a person looks at.
//
// NewReader makes a Reader; Reader.Run reads until its context ends; Reader.ReadSerial and Reader.ReadText give the
// kept text of a console. Code that opens a Secret adds the values to Config.Secrets before using them: a console is
// masked before it is kept.
package consoles
