// Package made says what a system was made from, and whether two systems are the same one.
//
// From.Is compares what is installed, or being installed, with what a workload asks for. From.Targets gives the digests
// that consents name. Do not compare the fields of a From yourself: a Butane file has many spellings.
package made

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory/digest"
)

// From is what a system was made from. The digests are 16 hex digits.
type From struct {
	Inputs string            // over everything, the Butane file byte by byte
	Parts  map[string]string // the digests behind Inputs by name
	// Config is the digest of the parsed Butane document with values as they are written; "" without Butane, and for what
	// an early version of ingot recorded.
	Config string
	// Meaning is the digest of what the Butane document means (package butane); "" without Butane, and for what an
	// earlier version of ingot recorded.
	Meaning string
}

// butane is the part of a system that the spelling of the Butane file changes.
const butane = "butane"

// Is reports whether two systems are the same: the inputs are equal, or nothing but the spelling of the Butane file
// differs.
func (f From) Is(other From) bool {
	return f.Inputs == other.Inputs || f.IsSpelling(other) && maps.Equal(f.withoutButane(), other.withoutButane())
}

// IsSpelling reports whether the Butane files of two systems say the same.
func (f From) IsSpelling(other From) bool {
	return f.Config != "" && f.Config == other.Config || f.Meaning != "" && f.Meaning == other.Meaning
}

func (f From) withoutButane() map[string]string {
	parts := maps.Clone(f.Parts)
	delete(parts, butane)
	return parts
}

// Differs reports whether a part of the systems differs in more than spelling.
func (f From) Differs(part string, other From) bool {
	return f.Parts[part] != other.Parts[part] && (part != butane || !f.IsSpelling(other))
}

// Targets are what consents name as the system, the one to write first: a digest of the parts with the meaning of the
// config in place of the Butane file, so that another spelling there is no other target. Earlier versions of ingot wrote
// the others: with Config in its place, and Inputs. None of them changes between versions, because fleets hold consents
// over them. A system without Butane has Inputs alone.
func (f From) Targets() []string {
	var targets []string
	for _, form := range []struct{ title, config string }{{"ingot target v2", f.Meaning}, {"ingot target v1", f.Config}} {
		if form.config != "" {
			targets = append(targets, f.digestTarget(form.title, form.config))
		}
	}
	return append(targets, f.Inputs)
}

func (f From) digestTarget(title, config string) string {
	texts, parts := []string{title, config}, f.withoutButane()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		texts = append(texts, name, parts[name])
	}
	return digest.Texts(texts...)
}

// LacksDigest reports whether what was recorded of a system has no digest where a workload has one: an earlier version of
// ingot recorded it.
func (f From) LacksDigest(asked From) bool {
	return f.Config == "" && asked.Config != "" || f.Meaning == "" && asked.Meaning != ""
}
