// Package account makes, and takes away, an account of the machine's own BMC from inside the machine. Carry does what
// an order of the daemon says, and reports it.
//
// An account is made so that no account of anybody is touched, and that a procedure which ends anywhere (the agent
// dies, the BMC refuses) leaves no account that works and that nobody knows of:
//
//	survey   reads only: the network channels, every slot's name, status and access; chooses the first slot that is free
//	create   reads again; then name, password, test of the password, access on the network, enable: the last command is
//	         the one that makes the account work. After a failure: disable, no access, another password, no name, read back
//	remove   the same undoing
//
// A create may be repeated after it ended at any point, with the name and the slot of its survey. The decisions are
// pure functions in choose.go; the other files talk to the BMC. Do not log an order: it holds a password.
package account
