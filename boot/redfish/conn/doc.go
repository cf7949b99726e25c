// Package conn talks HTTPS to a single BMC: credentials, sessions, and documents read through gofish. Open gives a
// Conn, Conn.Call begins a Call, and Get reads a document. Package conn knows nothing of machines: callers outside of
// package redfish use package redfish, whose documentation lists the guarantees.
package conn
