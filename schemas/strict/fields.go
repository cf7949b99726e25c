package strict

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unique"
)

// Fields records the fields of a document that was read. A fleet of ten thousand documents keeps all of them.
type Fields struct {
	written  []place         // every written field, sorted
	spoiled  map[string]bool // fields with an unreadable value; nil for none
	misspelt map[string]bool // mappings with an unknown field: a missing field may be misspelt; nil for none
}

// place is the place of a field. Documents of a kind share the text of the field.
type place struct {
	field     unique.Handle[string]
	line, col int32
}

func sortPlaces(places map[string]Place) []place {
	sorted := make([]place, 0, len(places))
	for _, field := range slices.Sorted(maps.Keys(places)) {
		at := places[field]
		sorted = append(sorted, place{unique.Make(field), int32(at.Line), int32(at.Col)}) // a document has 256 KiB
	}
	return sorted
}

// noteField adds a field to a set.
func noteField(set map[string]bool, field string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[field] = true
	return set
}

// IsWritten reports whether a field is written.
func (f Fields) IsWritten(field string) bool {
	_, written := f.findField(field)
	return written
}

func (f Fields) findField(field string) (Place, bool) {
	i, found := slices.BinarySearchFunc(f.written, field, func(p place, field string) int {
		return cmp.Compare(p.field.Value(), field)
	})
	if !found {
		return Place{}, false
	}
	return Place{int(f.written[i].line), int(f.written[i].col)}, true
}

// FindPlace is the place of a field, named as spec.bmc.address or spec.identity.macs[0]: of the value for texts,
// numbers and booleans, otherwise of the field's name. A field that is not written has the place of the nearest field
// above.
func (f Fields) FindPlace(field string) Place {
	for {
		if p, ok := f.findField(field); ok {
			return p
		}
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			whole, _ := f.findField("")
			return whole
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
