// Package bmc is the lab's virtual baseboard management controller: a Redfish service over HTTPS in front of a Machine,
// real or simulated. A BMC keeps the state of firmware (power, boot override, virtual media), speaks Redfish with
// accounts, sessions, ETags and tasks, logs every operation for the assertions of tests, and can misbehave like real
// BMCs: by switches (Faults), and by rules that are data (Rules).
//
//	b, err := bmc.New(bmc.Config{...}, machine)
//	go b.Serve(ctx, listener)          // HTTPS on a loopback port
//	b.URL(), b.Fingerprint()           // for a Host file
//	b.Log()                            // ordered operations and totals, package oplog
package bmc
