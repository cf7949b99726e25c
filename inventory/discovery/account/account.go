// Package account is the vocabulary of a BMC account that is made in-band for a discovered machine. Account is kept in the
// machine's discovery record. The package is pure.
package account

import "github.com/gitmetal/ingot/inventory/format"

// Account is a BMC account of ours, from the intent to make it on.
type Account struct {
	// Address is the BMC's address as the agent found it in-band.
	Address string `json:"address,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}
