// Package conn is a conversation with one BMC: HTTPS to it alone, credentials, and documents read through gofish. It knows
// nothing of machines; package redfish does. What it guarantees is listed there.
package conn
