// Package redfish talks to one machine's BMC: power, boot override, virtual media, a light inventory, and a read-only
// check of what a BMC offers. Decoding and actions are gofish's; the client underneath is ours, because a BMC is
// untrusted, slow and fragile:
//
//   - one request in flight per BMC (host and port) in the whole process, each with a deadline;
//   - at most MaxBody bytes of an answer, links only to the BMC itself, no redirect elsewhere, no proxy;
//   - one session, reused, with one new login when it has expired; after a refused login nothing is tried again with the
//     same credentials until LoginBackoff has passed, so that ingot locks no account out;
//   - every failure is an *Error of one of four kinds, and never reads as "off" or "empty".
//
// Calls are short: they ask, or request a change and read it back. Waiting for a machine to be off is the caller's loop.
// What BMCs get wrong is met where it shows (a parameter an error names is added, an ETag that is refused is left out);
// only what cannot be seen in an answer is in the table of vendors, quirks.go.
package redfish
