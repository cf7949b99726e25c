// Package redfish talks to one machine's BMC: power, boot override, virtual media, a light inventory, and a read-only
// check of what a BMC offers. Open gives a Client; Client.System reads the machine, and Client.Close ends the session.
// gofish decodes documents and sends actions; the HTTP client below is package conn, because a BMC is untrusted, slow
// and fragile:
//
//   - one request is in flight per BMC (host and port) in the whole process, with a deadline;
//   - at most MaxBody bytes of an answer are read, links lead only to the BMC itself, there is no redirect elsewhere
//     and no proxy;
//   - a session is reused, with a single new login after it expired; after a refused login the same credentials are
//     not tried again until LoginBackoff has passed, so that ingot locks no account out;
//   - every failure is an *Error of one of four kinds, and is never read as "off" or "empty".
//
// Calls are short: a call asks, or requests a change and reads the result back. Do not wait in a call until a machine
// is off: the caller looks again. Faults of BMCs are handled where they show (a parameter named by an error is added, a
// refused ETag is left out); only faults that no answer shows are in the table of package vendors.
package redfish
