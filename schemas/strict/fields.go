package strict

import "strings"

// Fields is what is known of the fields of a document that was read.
type Fields struct {
	Places   map[string]Place // of every field that is written
	spoiled  map[string]bool  // fields whose value could not be read
	misspelt map[string]bool  // mappings with a field that does not exist: what is missing there may be that one
}

// At is where a field stands: spec.bmc.address, spec.identity.macs[0]. It is the place of the value for texts, numbers and booleans, of the
// field's name otherwise. For a field that is not written it is the place of the nearest one above it.
func (f Fields) At(field string) Place {
	for {
		if p, ok := f.Places[field]; ok {
			return p
		}
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			return f.Places[""]
		}
		field = field[:cut]
	}
}

// Spoiled reports whether the field is written but could not be read.
func (f Fields) Spoiled(field string) bool { return f.spoiled[field] }

// SpoiledBelow reports whether something below the field could not be read.
func (f Fields) SpoiledBelow(field string) bool {
	for at := range f.spoiled {
		if strings.HasPrefix(at, field+".") {
			return true
		}
	}
	return false
}

// Misspelt reports whether a mapping has a field that does not exist; "" is the document.
func (f Fields) Misspelt(mapping string) bool { return f.misspelt[mapping] }
