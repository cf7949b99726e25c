// Package bmc is the lab's virtual baseboard management controller: a Redfish service over HTTPS in front of one
// Machine, real or simulated. It keeps what firmware keeps (power, boot override, virtual media), speaks Redfish
// with accounts, sessions, ETags and tasks, writes every operation to a log that tests assert on, and can be told
// to misbehave the way shipped BMCs do (Faults).
//
//	b, err := bmc.New(bmc.Config{...}, machine)
//	go b.Serve(ctx, listener)          // HTTPS on a loopback port
//	b.URL(), b.Fingerprint()           // what a Host file needs
//	b.Log()                            // ordered operations and totals, package oplog
package bmc
