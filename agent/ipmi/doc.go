// Package ipmi speaks to the machine's own BMC from inside the machine: IPMI 2.0 messages through Linux's /dev/ipmi0.
// The package holds the messages that an account at the BMC and the BMC's address need, and runs no program: a password
// never is an argument of a process.
//
//	device, err := ipmi.Open(ipmi.DefaultPath)
//	id, err := ipmi.Ask(ctx, device, ipmi.GetDeviceID())
//
// A Command is a value: the bytes of the request, and the function that reads the answer. Ask sends a Command and reads
// its answer; a completion code other than 0 is a *CodeError. Sections and tables in comments are those of the IPMI
// specification, v2.0 rev. 1.1. The package decides nothing: package agent/ipmi/account makes an account.
package ipmi
