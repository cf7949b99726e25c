package strict

import "strings"

// Fields records the fields of a document that was read.
type Fields struct {
	Places   map[string]Place // of every written field
	spoiled  map[string]bool  // fields with an unreadable value
	misspelt map[string]bool  // mappings with an unknown field: a missing field may be misspelt
}

// FindPlace is the place of a field, named as spec.bmc.address or spec.identity.macs[0]: of the value for texts,
// numbers and booleans, otherwise of the field's name. A field that is not written has the place of the nearest field
// above.
func (f Fields) FindPlace(field string) Place {
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

// IsSpoiled reports whether the field is written but could not be read.
func (f Fields) IsSpoiled(field string) bool { return f.spoiled[field] }

// IsSpoiledBelow reports whether a field below could not be read.
func (f Fields) IsSpoiledBelow(field string) bool {
	for at := range f.spoiled {
		if strings.HasPrefix(at, field+".") {
			return true
		}
	}
	return false
}

// IsMisspelt reports whether a mapping has an unknown field. The mapping "" is the document.
func (f Fields) IsMisspelt(mapping string) bool { return f.misspelt[mapping] }
