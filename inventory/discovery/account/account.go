// Package account decides how a BMC account is made for a discovered machine: in-band by the machine's waiting agent,
// with a password that nobody can lose. Account is kept in the machine's discovery record. The package is pure.
//
// Read Account.Next first: it says what is due. Every other method is what happened: it gives the account afterwards,
// to be stored before anything else is done. The order is what makes a crash between any two steps harmless:
//
//	survey           the agent reads, and finds a slot that is free
//	seal, push       a password is made and encrypted; the ciphertext is on the proposal branch
//	create           only then the agent is told the password, and makes the account
//	log in           the daemon logs in over the network: proof that the agent runs on the machine behind this BMC
//
// After a failure the account is taken away again, and read back as gone, before its ciphertext may be forgotten.
package account

import (
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Stage is how far an account is.
type Stage string

// Stages. The zero Stage has nothing done.
const (
	Surveying Stage = "Surveying" // the agent is asked what the BMC has
	Chosen    Stage = "Chosen"    // a free slot is known
	Sealed    Stage = "Sealed"    // the ciphertext of the password is in the record
	Pushed    Stage = "Pushed"    // and on the proposal branch
	Creating  Stage = "Creating"  // the agent is told, or was
	Made      Stage = "Made"      // the agent says that the account is there
	Changing  Stage = "Changing"  // the BMC wants another password first
	Verified  Stage = "Verified"  // the daemon logged in, and saw the machine
	Undoing   Stage = "Undoing"   // the agent is asked to take the account away
	Failed    Stage = "Failed"    // nothing works, and nothing more is tried by itself
	Deleting  Stage = "Deleting"  // the proposal was declined: the account goes, over the network
	Deleted   Stage = "Deleted"
)

// Account is a BMC account of ours, from the intent to make it on.
type Account struct {
	Stage Stage `json:"stage,omitempty"`
	// Address is the BMC's IP address as the agent found it in-band.
	Address string `json:"address,omitempty"`
	Name    string `json:"name,omitempty"` // "ingot-" and 6 hex digits
	Slot    int    `json:"slot,omitempty"` // the BMC's place of the account
	Form    Form   `json:"form,omitempty"` // of the password
	// Sealed is the Secret's document with the password, encrypted. It is the password of the account at the BMC, but
	// while Stage is Changing: then Before is.
	Sealed string `json:"sealed,omitempty"`
	Before string `json:"before,omitempty"`
	// Agent is Agent.Key of the record's agent that was told the password.
	Agent string `json:"agent,omitempty"`
	Order string `json:"order,omitempty"` // id of the agent's order
	// Tested says that the BMC itself confirmed that it keeps the whole password.
	Tested bool      `json:"tested,omitempty"`
	Since  time.Time `json:"since,omitzero"` // of the stage
	// Logins are when a login was tried and not answered with a session, since the account was made. Tried is when the last
	// one was tried, answered or not.
	Logins []time.Time `json:"logins,omitempty"`
	Tried  time.Time   `json:"tried,omitzero"`
	// Problem is one of the Problems, of the last failure; Error says it to a person.
	Problem string `json:"problem,omitempty"`
	Error   string `json:"error,omitempty"`
	// Left is what the slot was read back as after a failure; "" where nothing had been changed.
	Left string `json:"left,omitempty"`
	// System is the URI of the Redfish system, and Fingerprint the certificate's, as the login saw them.
	System      string `json:"system,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Problems beside those of the agent's reports.
const (
	LoginRefused = "LoginRefused" // the BMC does not let the account in over the network
	NoLogin      = "NoLogin"      // nobody answers at the BMC's address
	OtherMachine = "OtherMachine" // the account lets in, and the machine there is another one
	Cancelled    = "Cancelled"    // nobody asks for an account any more, or something speaks against the record
	AgentGone    = "AgentGone"    // the agent that was told the password is another one now
	NoPush       = "NoPush"       // the ciphertext cannot be made or pushed
)

// Values of Left: see wire.AccountReport.
const (
	Free     = "Free"
	Disabled = "Disabled"
	Unclear  = "Unknown"
)

// Limits of logins with a new account.
const (
	MaxLogins  = 3                // refused logins
	LoginPause = 20 * time.Second // between two: 3 in 60 s
	// AnswerWait is how long a BMC may give no answer: it may restart its service for a new account.
	AnswerWait = 10 * time.Minute
)

// Holds reports whether the credentials hold: the daemon logged in with them.
func (a *Account) Holds() bool { return a != nil && a.Stage == Verified }

// IsUnderWay reports whether an account is being made or taken away: until then nothing is proposed that would have the
// daemon power or boot the machine.
func (a *Account) IsUnderWay() bool {
	if a == nil {
		return false
	}
	switch a.Stage {
	case Verified, Failed, Deleted:
		return false
	default:
		return true
	}
}

// NeedsCiphertext reports whether the ciphertext may not be forgotten: an account may be at the BMC that only it opens.
func (a *Account) NeedsCiphertext() bool {
	if a == nil || a.Sealed+a.Before == "" {
		return false
	}
	switch a.Stage {
	case Failed:
		return a.Left != Free && a.Left != ""
	case Deleted:
		return false
	default:
		return true
	}
}
