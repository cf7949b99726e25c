package discovery

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
)

// Bounds of the facts in a record. The whole report is kept beside the record.
const (
	MaxFacts = 16 << 10 // bytes of JSON
	maxText  = 256      // bytes of any text
	maxList  = 64       // entries of any list
)

// Bound gives the part of an agent's facts that a record keeps, and says in its Errors what was left out. Every value is a
// stranger's: texts are cut, and characters that could steer a terminal are replaced. Facts themselves are not changed.
func Bound(f inventory.Facts) inventory.Facts {
	data, err := format.Marshal(f)
	var bounded inventory.Facts
	if err == nil {
		err = format.Unmarshal(data, &bounded) // a copy that shares nothing
	}
	if err != nil {
		return inventory.Facts{At: f.At, Errors: []string{"the facts are not readable"}}
	}
	lists := 0
	boundValue(reflect.ValueOf(&bounded).Elem(), &lists)
	var left []string
	if lists > 0 {
		left = append(left, fmt.Sprintf("%d lists with more than %d entries were cut", lists, maxList))
	}
	for _, part := range smaller {
		if sizeOf(bounded) <= MaxFacts-maxText {
			break
		}
		part.leaveOut(&bounded)
		left = append(left, part.what+" left out: the facts are larger than 16 KiB")
	}
	bounded.Errors = append(bounded.Errors, left...)
	return bounded
}

// smaller are the parts that are left out of facts that are too large, one after the other.
var smaller = []struct {
	what     string
	leaveOut func(*inventory.Facts)
}{
	{"partitions", func(f *inventory.Facts) {
		for i := range f.Disks {
			f.Disks[i].Table, f.Disks[i].Superblocks = nil, nil
		}
	}},
	{"addresses of cards", func(f *inventory.Facts) {
		for i := range f.NICs {
			f.NICs[i].Addresses = nil
		}
	}},
	{"links of disks", func(f *inventory.Facts) {
		for i := range f.Disks {
			f.Disks[i].Links, f.Disks[i].Holders = nil, nil
		}
	}},
	{"all but 16 disks and 16 NICs", func(f *inventory.Facts) {
		f.Disks, f.NICs = f.Disks[:min(16, len(f.Disks))], f.NICs[:min(16, len(f.NICs))]
	}},
	{"errors", func(f *inventory.Facts) { f.Errors = nil }},
	{"all but the system", func(f *inventory.Facts) {
		*f = inventory.Facts{At: f.At, Epoch: f.Epoch, System: f.System, Memory: f.Memory, NICs: f.NICs[:min(4, len(f.NICs))]}
	}},
}

func sizeOf(f inventory.Facts) int {
	data, err := format.Marshal(f)
	if err != nil {
		return 0
	}
	return len(data)
}

// boundValue cuts the texts and lists of a value, and drops the members that no struct has.
func boundValue(v reflect.Value, cut *int) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[format.Unknown]() {
			v.SetString("")
			return
		}
		v.SetString(boundText(v.String()))
	case reflect.Slice:
		if v.Len() > maxList {
			v.Set(v.Slice(0, maxList))
			*cut++
		}
		for i := range v.Len() {
			boundValue(v.Index(i), cut)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				boundValue(v.Field(i), cut)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			boundValue(v.Elem(), cut)
		}
	default: // numbers and truth values
	}
}

// boundText is a text of at most maxText bytes without characters that do not print.
func boundText(text string) string {
	text = strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text[:min(len(text), maxText)])
	return strings.TrimSpace(text)
}
