package steps

import (
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// Policies of the step erase-disks.
const (
	EraseMetadata = schemas.EraseMetadata
	EraseClear    = schemas.EraseClear
	ErasePurge    = schemas.ErasePurge
)

// EraseTimeout bounds a step erase-disks where its use says no timeout. Each disk has a deadline of its own, from its size.
const EraseTimeout = "720h"

// Erase is what a step erase-disks is asked for.
type Erase struct {
	Policy  string
	OrClear bool
}

// ReadErase reads the arguments of a step erase-disks, which its schema has checked.
func (s Step) ReadErase() Erase {
	policy, _ := s.Args["policy"].(string)
	orClear, _ := s.Args["orClear"].(bool)
	return Erase{Policy: policy, OrClear: orClear}
}

// eraseSchema is the schema of erase-disks.
func eraseSchema() map[string]any {
	return map[string]any{"type": "object", "required": []any{"disks", "policy"}, "properties": map[string]any{
		"disks": map[string]any{"type": "array", "minItems": 1, "uniqueItems": true,
			"items": map[string]any{"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}},
		"policy":  map[string]any{"type": "string", "enum": []any{EraseMetadata, EraseClear, ErasePurge}},
		"orClear": map[string]any{"type": "boolean", "default": false},
	}}
}

// listErased are the names of the disks in the arguments of erase-disks.
func listErased(s Step) (names []string) {
	listed, _ := s.Args["disks"].([]any)
	for _, item := range listed {
		if name, ok := item.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// FindErasedSystem gives a step that would erase the root disk behind the step that writes the system.
func FindErasedSystem(list []Step) (Step, bool) {
	install := slices.IndexFunc(list, func(s Step) bool { return schemas.InstallsSystem(s.Name) })
	for i, s := range list {
		if install >= 0 && i > install && slices.Contains(s.Writes, schemas.RootDiskName) {
			return s, true
		}
	}
	return Step{}, false
}

// MaxErased is how many receipts a step keeps, the newest.
const MaxErased = 1024

// AddErased adds the receipts of an attempt to those of the attempts before.
func AddErased(before, erased []Erased, attempt int) []Erased {
	all := slices.Clone(before)
	for _, r := range erased {
		r.Attempt = attempt
		all = append(all, r)
	}
	return all[max(0, len(all)-MaxErased):]
}

// Erased is the receipt of a disk that a step erased and read back.
type Erased struct {
	Name         string    `json:"name"` // in spec.disks, or root
	Serial       string    `json:"serial,omitempty"`
	WWN          string    `json:"wwn,omitempty"`
	Model        string    `json:"model,omitempty"`
	Size         uint64    `json:"size"` // bytes
	Policy       string    `json:"policy"`
	Method       string    `json:"method"`
	Passed       []string  `json:"passed,omitempty"`       // methods that were not used, and why
	Capabilities []string  `json:"capabilities,omitempty"` // the words that the disk declares
	Begun        time.Time `json:"begun"`                  // by the machine's clock
	Ended        time.Time `json:"ended"`
	Samples      int       `json:"samples"`         // blocks of 4 KiB that were read back
	Known        int       `json:"known,omitempty"` // samples that were not zero before: none was found again
	Agent        string    `json:"agent"`           // version
	// Attempt is the operation's attempt; 0 in a receipt of an earlier ingot.
	Attempt int `json:"attempt,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}
