package ruleset

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/schemas"
)

// settable are the fields that a rule may set: a field, or everything below a field.
var settable = []string{"metadata.name", "metadata.labels.", "spec.workload", "spec.power", "spec.vars.", "spec.rootDisk.",
	"spec.disks.", "spec.network.", "spec.bmc.credentials", "spec.boot."}

// Places in a list.
const (
	noIndex = -1
	each    = -2 // []: one entry for each item of a list of texts
	maxItem = 63 // the highest index
)

// part is one name of a path, with the place in the list of that name.
type part struct {
	name  string
	index int
}

// field is a field of a Host file that a rule may set.
type field struct {
	path  string
	parts []part
	kind  rules.Kind
}

var partGrammar = regexp.MustCompile(`^([A-Za-z][-A-Za-z0-9_]*)(?:\[([0-9]{0,2})\])?$`)

// findField finds a field by its path, or says why a rule cannot set the field.
func findField(path string) (f field, problem string) {
	f.path = path
	if key, is := strings.CutPrefix(path, "metadata.labels."); is && key != "" {
		f.parts = []part{{"metadata", noIndex}, {"labels", noIndex}, {key, noIndex}} // a key may hold dots and slashes
		return f, ""
	}
	if !isSettable(path) {
		return f, "a rule does not set this field"
	}
	listed := false
	for text := range strings.SplitSeq(path, ".") {
		match := partGrammar.FindStringSubmatch(text)
		if match == nil {
			return f, fmt.Sprintf("%q is no name of a field", text)
		}
		p := part{match[1], noIndex}
		switch {
		case strings.HasSuffix(text, "[]") && listed:
			return f, "[] stands once in a path"
		case strings.HasSuffix(text, "[]"):
			p.index, listed = each, true
		case match[2] != "":
			p.index, _ = strconv.Atoi(match[2]) // two digits
			if p.index > maxItem {
				return f, fmt.Sprintf("a list has at most %d entries", maxItem+1)
			}
		}
		f.parts = append(f.parts, p)
	}
	return f, f.findKind(listed)
}

func isSettable(path string) bool {
	for _, allowed := range settable {
		if path == allowed || strings.HasSuffix(allowed, ".") && strings.HasPrefix(path, allowed) && path != allowed {
			return true
		}
	}
	return false
}

// findKind finds the kind of the field's value by the types of package schemas.
func (f *field) findKind(listed bool) (problem string) {
	t := reflect.TypeFor[schemas.Host]()
	for _, p := range f.parts {
		if t = childType(t, p.name); t == nil {
			return fmt.Sprintf("there is no field %s here", p.name)
		}
		switch list := t.Kind() == reflect.Slice; {
		case p.index == noIndex:
		case !list:
			return p.name + " is no list"
		default:
			t = directType(t.Elem())
		}
	}
	switch {
	case listed && t.Kind() != reflect.String:
		return "behind [] stands a field that is a text"
	case listed, t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		f.kind = rules.Texts
	case t.Kind() == reflect.String:
		f.kind = rules.Text
	case t.Kind() == reflect.Bool:
		f.kind = rules.Truth
	case t.Kind() == reflect.Int:
		f.kind = rules.Number
	default:
		return "name a field below: a text, a number, or true or false"
	}
	return ""
}

// childType is the type of a field, nil where there is none.
func childType(t reflect.Type, name string) reflect.Type {
	switch t.Kind() {
	case reflect.Map:
		return directType(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag == name {
				return directType(t.Field(i).Type)
			}
		}
	}
	return nil
}

func directType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// owns reports whether a finding about a field of a Host file is about this field: about the field itself, an entry of
// its list, or the mapping around the field.
func (f field) owns(found string) bool {
	found = indexes.ReplaceAllString(found, "[]")
	own := indexes.ReplaceAllString(f.path, "[]")
	return found == own || strings.HasPrefix(found, own+".") || strings.HasPrefix(found, own+"[") ||
		strings.HasPrefix(own, found+".") || strings.HasPrefix(own, found+"[")
}

var indexes = regexp.MustCompile(`\[[0-9]+\]`)

// Fill gives a Host with values, by the paths of their fields. Values are as Verdict has them.
func Fill(host schemas.Host, values map[string]any) (schemas.Host, error) {
	body, err := json.Marshal(host)
	if err != nil {
		return host, fmt.Errorf("fill a host: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(body, &tree); err != nil {
		return host, fmt.Errorf("fill a host: %w", err)
	}
	for _, path := range slices.Sorted(maps.Keys(values)) { // a list, then its entries
		f, problem := findField(path)
		if problem != "" {
			return host, fmt.Errorf("fill %s: %s", path, problem)
		}
		putValue(tree, f.parts, values[path])
	}
	if body, err = json.Marshal(tree); err != nil {
		return host, fmt.Errorf("fill a host: %w", err)
	}
	filled := schemas.Host{}
	if err := json.Unmarshal(body, &filled); err != nil {
		return host, fmt.Errorf("fill a host: %w", err)
	}
	return filled, nil
}

// putValue puts a value into a tree of mappings and lists.
func putValue(tree map[string]any, parts []part, value any) {
	p, rest := parts[0], parts[1:]
	child := func(have any, value any) any {
		if len(rest) == 0 {
			return value
		}
		below, is := have.(map[string]any)
		if !is {
			below = map[string]any{}
		}
		putValue(below, rest, value)
		return below
	}
	if p.index == noIndex {
		if _, is := value.([]string); is && len(rest) == 0 {
			value = listTexts(value)
		}
		tree[p.name] = child(tree[p.name], value)
		return
	}
	items, at := []any{value}, p.index
	if p.index == each {
		items, at = listTexts(value), 0
	}
	list, _ := tree[p.name].([]any)
	for len(list) < at+len(items) {
		list = append(list, map[string]any{})
	}
	for i, item := range items {
		list[at+i] = child(list[at+i], item)
	}
	tree[p.name] = list
}

// listTexts gives the texts of a value that is a list of texts.
func listTexts(value any) (items []any) {
	texts, _ := value.([]string)
	for _, text := range texts {
		items = append(items, text)
	}
	return items
}
