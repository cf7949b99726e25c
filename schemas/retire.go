package schemas

import (
	"encoding/json"
	"fmt"
)

// Retire says how a machine with lifecycle Retired leaves the fleet: its disks are erased, each under its own consent and
// leave, and read back; then the machine is powered off, and left alone. Without retire, Retired is hands off.
type Retire struct {
	// Disks are all, root, or a list of root and names of spec.disks. all is every disk that the agent's newest look
	// found, neither removable nor read-only.
	Disks RetireDisks `json:"disks"`
	// Policy is metadata, clear or purge, as of the step erase-disks.
	Policy string `json:"policy"`
	// Then is PowerOff (default).
	Then string `json:"then,omitempty"`
}

// Policies of an erase.
const (
	EraseMetadata = "metadata"
	EraseClear    = "clear"
	ErasePurge    = "purge"
)

// RetireAll is the value of Retire.Disks for every disk of the machine.
const RetireAll = "all"

// RetirePowerOff is the only value of Retire.Then.
const RetirePowerOff = "PowerOff"

// EveryDisk is the name of the disks besides the root disk in an erase of all disks. It is no name of spec.disks.
const EveryDisk = "*"

// RetireDisks are the disks to erase. A single word is written as a text, several names as a list.
type RetireDisks []string

// UnmarshalText reads a single word.
func (r *RetireDisks) UnmarshalText(text []byte) error {
	*r = RetireDisks{string(text)}
	return nil
}

// UnmarshalJSON reads a single word, or a list.
func (r *RetireDisks) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		return r.UnmarshalText([]byte(one))
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("want all, root or a list of names: %w", err)
	}
	*r = list
	return nil
}

// MarshalJSON writes a single word as a text.
func (r RetireDisks) MarshalJSON() ([]byte, error) {
	if len(r) == 1 {
		return json.Marshal(r[0])
	}
	return json.Marshal([]string(r))
}

// Writes are the names of the disks, as of a step.
func (r RetireDisks) Writes() []string {
	if len(r) == 1 && r[0] == RetireAll {
		return []string{RootDiskName, EveryDisk}
	}
	return r
}
