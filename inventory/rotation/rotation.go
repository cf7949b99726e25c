// Package rotation decides how the password of a BMC account is changed on request: the ciphertext of the new password is
// on a proposal branch before anything is changed at the BMC, both passwords are kept sealed until the merge, and no crash
// leaves a password that nobody knows. The package is pure.
//
// Call Next with what is known; do the step, store what became of the Rotation, and call Next again. A Rotation belongs to
// a Secret and its one BMC service: Accounts.Refuse says where that is not so, and WhyWaits what a request waits for. Both
// answer the daemon and the plan of a pull request.
package rotation

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/requests"
)

// Stage of a rotation.
type Stage string

// Stages.
const (
	Sealed   Stage = "Sealed"   // the new password is drawn and sealed, and nothing is changed
	Changing Stage = "Changing" // the BMC may have either password
	Changed  Stage = "Changed"  // the daemon logged in with the new password
	Failed   Stage = "Failed"   // the BMC keeps the old password
)

// Rotation is the change of the password of one Secret. Both documents are sealed.
type Rotation struct {
	Secret string              `json:"secret"`
	File   string              `json:"file"` // of the Secret, in the fleet
	Host   inventory.MachineID `json:"host"` // that asked
	Value  string              `json:"value"`
	Stage  Stage               `json:"stage"`
	// Document is the Secret with the new password, Before the Secret with the old one.
	Document string `json:"document"`
	Before   string `json:"before"`
	// Form is the form of the new password, as package account counts forms.
	Form  int    `json:"form,omitempty"`
	Error string `json:"error,omitempty"` // of the last try
	// Adopted says that Document was found on the branch, where others may push, too: it is looked for at the BMC, and never
	// set there.
	Adopted bool `json:"adopted,omitempty"`
	// Ended says that nothing is left to do: an open proposal is taken back, and then the record goes.
	Ended bool `json:"ended,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Branch is the name of the proposal of a rotation: the same for the same Secret and value, so that a daemon that lost
// everything finds the ciphertext again.
func Branch(secret, value string) string {
	return inventory.Digest("ingot rotation v1", secret, value)[:12]
}

// Holder says which password the daemon uses.
type Holder string

// Holders.
const (
	Trunk   Holder = "Trunk"   // the trunk's Secret
	Newer   Holder = "Newer"   // Rotation.Document
	Neither Holder = "Neither" // nobody logs in until the rotation knows which password the BMC has
)

// Uses says which password the daemon uses for the Secret.
func (r *Rotation) Uses() Holder {
	switch {
	case r == nil || r.Ended || r.Stage == Sealed || r.Stage == Failed:
		return Trunk
	case r.Stage == Changed:
		return Newer
	default:
		return Neither
	}
}

// Holds reports whether the trunk's Secret has the old password, the new one, or another.
type Holds string

// What the trunk's Secret has.
const (
	HasOld   Holds = "Old"
	HasNew   Holds = "New"
	HasOther Holds = "Other"
	Unknown  Holds = "Unknown" // it could not be opened now
)

// Seen is what is known before a step.
type Seen struct {
	Due    bool  // the file asks for the value, which is not done
	Pushed bool  // the proposal branch has Document
	Left   bool  // a branch of this rotation is there, and no rotation is known: its ciphertext was lost here
	Trunk  Holds // of the trunk's Secret
}

// Step is what is done next.
type Step string

// Steps.
const (
	Nothing Step = ""
	Seal    Step = "Seal"    // draw a password, and seal it
	Adopt   Step = "Adopt"   // take the ciphertext from the branch; the BMC may have either password
	Push    Step = "Push"    // wait until the branch has the ciphertext
	Begin   Step = "Begin"   // log in with the old password, note Changing, change the password
	Resolve Step = "Resolve" // find out which password the BMC has: the newer first; change it where it is the old
	Drop    Step = "Drop"    // nothing was changed, or nothing is left to do: branch and rotation go
)

// Next decides what is done for a rotation; r is nil for none.
//
//	the rotation  seen                                    step
//	none          a branch with its ciphertext            Adopt
//	none          due                                     Seal
//	Sealed        not due any more, or the trunk's Secret
//	              is not the one that was sealed          Drop
//	Sealed        not on the branch                       Push
//	Sealed        on the branch                           Begin
//	Changing      anything                                Resolve
//	Changed       the trunk has the new password          Drop
//	Changed       the trunk has another than both         Drop: a person wrote the password by hand
//	Changed       anything else                           Nothing: the daemon uses the new password
//	Failed        not due any more                        Drop
//	has ended     anything                                Drop
//	Failed        due                                     Nothing: the host's page says why
func (r *Rotation) Next(s Seen) Step {
	switch {
	case r == nil && s.Left:
		return Adopt
	case r == nil && s.Due:
		return Seal
	case r == nil:
		return Nothing
	case r.Ended:
		return Drop
	case r.Stage == Sealed && (!s.Due || s.Trunk == HasOther || s.Trunk == HasNew):
		return Drop
	case r.Stage == Sealed && !s.Pushed:
		return Push
	case r.Stage == Sealed:
		return Begin
	case r.Stage == Changing:
		return Resolve
	case r.Stage == Changed && (s.Trunk == HasNew || s.Trunk == HasOther), r.Stage == Failed && !s.Due:
		return Drop
	default:
		return Nothing
	}
}

// Told is what the page of the host says of a request.
func (r *Rotation) Told(value, branch, refused string) inventory.Rotation {
	told := inventory.Rotation{Value: value}
	switch {
	case refused != "":
		told.Ended, told.Note = true, refused
	case r == nil || r.Ended || r.Value != value:
		told.Note = "its turn"
	case r.Stage == Changed:
		told.Ended = true
		told.Note = fmt.Sprintf("the BMC has the new password, and the daemon uses the Secret of the proposal: merge %s", branch)
	case r.Stage == Failed:
		told.Ended, told.Note = true, "the BMC keeps the old password: "+r.Error
	case r.Stage == Sealed:
		told.Note = "the push of the new Secret to " + branch
	default:
		told.Note = strings.TrimSuffix("the BMC, which may have either password; both are kept: "+r.Error, ": ")
	}
	return told
}

// IsAsked reports whether a host's file asks for a rotation that is not done, and for which value.
func IsAsked(d inventory.Desired, rec inventory.Record) (value string, asked bool) {
	for _, r := range requests.Open(d.Requests, rec.Done) {
		if r.Kind == requests.Rotate {
			return r.Value, true
		}
	}
	return "", false
}
