// Package strict reads YAML nodes into Go types with json tags. Unknown and duplicate fields, anchors, tags, and
// scalars that YAML versions read differently are problems, reported all at once. Call Rules.ReadNode, then ask the
// Fields for places. Do not report values: a document may hold secrets. The package is pure.
package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// maxDepth is the deepest nesting of a document.
const maxDepth = 32

// Place is a place in a text. Line and Col count from 1; zero is no place.
type Place struct{ Line, Col int }

// Problem is a mistake at a place. A Problem never repeats a value: the document may hold secrets.
type Problem struct {
	Place
	Field, Message, Hint string
	LeftOut              bool // the value is not in the target
}

// Rules are demands of a contract beyond its types.
type Rules struct {
	// AllowsWord lets a value without quotes into a text field although YAML versions read the value differently.
	AllowsWord func(field, value string) bool
	// IsArgument reports fields whose values may be of any type, and must read the same to every YAML reader.
	IsArgument func(field string) bool
}

// ReadNode reads a whole document into target, a pointer to a struct with json tags. Values that do not fit are left
// out of target and reported.
func (rules Rules) ReadNode(node *yaml.Node, target any) (Fields, []Problem) {
	r := reader{places: map[string]Place{"": {node.Line, node.Column}}, rules: rules}
	value, ok := r.readValue(node, field{want: reflect.TypeOf(target)})
	if !ok {
		value = map[string]any{}
	}
	if err := fillTarget(value, target); err != nil {
		r.addProblem(node, "", "cannot be read: "+err.Error(), "")
	}
	r.written = sortPlaces(r.places)
	return r.Fields, r.problems
}

// fillTarget puts the read values into the struct. The reader has left out values that do not fit: an error means that
// reader and types disagree.
func fillTarget(value, target any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(body, target, kjson.DisallowUnknownFields)
	if err != nil {
		return err
	}
	if len(strict) > 0 {
		return strict[0]
	}
	return nil
}

type reader struct {
	Fields
	rules    Rules
	places   map[string]Place // of every written field
	problems []Problem
}

// field is a field's path, the Go type to read into, and the depth.
type field struct {
	path  string
	want  reflect.Type
	depth int
}

func (r *reader) addProblem(node *yaml.Node, field, message, hint string) {
	r.problems = append(r.problems, Problem{Place: Place{node.Line, node.Column}, Field: field, Message: message,
		Hint: hint})
}

// spoilField reports a value and leaves the value out.
func (r *reader) spoilField(node *yaml.Node, field, message, hint string) (any, bool) {
	r.spoiled = noteField(r.spoiled, field)
	r.addProblem(node, field, message, hint)
	r.problems[len(r.problems)-1].LeftOut = true
	return nil, false
}

// readValue reads a node. The result is not ok when the value does not fit; the problem is then reported.
func (r *reader) readValue(node *yaml.Node, p field) (any, bool) {
	for p.want.Kind() == reflect.Pointer {
		p.want = p.want.Elem()
	}
	switch {
	case p.depth > maxDepth:
		return r.spoilField(node, p.path, fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
	case node.Kind == yaml.AliasNode:
		return r.spoilField(node, p.path, "aliases are not read", "write the value where it is used")
	case node.Anchor != "":
		r.addProblem(node, p.path, "anchors are not read", "write the value where it is used")
	case yamltext.IsTagged(node):
		return r.spoilField(node, p.path, "tags are not read", "leave the tag out")
	}
	switch node.Kind {
	case yaml.MappingNode:
		return r.readMapping(node, p)
	case yaml.SequenceNode:
		return r.readSequence(node, p)
	default:
		return r.readScalar(node, p)
	}
}

func (r *reader) readMapping(node *yaml.Node, p field) (any, bool) {
	if kind := p.want.Kind(); kind != reflect.Struct && kind != reflect.Map && kind != reflect.Interface {
		return r.spoilField(node, p.path, fmt.Sprintf("want %s, have a mapping", nameType(p.want)), describeShape(p.want))
	}
	fields := make(map[string]any, len(node.Content)/2)
	seen := make(map[string]*yaml.Node, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if !r.isFieldName(key, p) {
			continue
		}
		child := field{path: joinPath(p.path, key.Value), want: fieldType(p.want, key.Value), depth: p.depth + 1}
		if first, twice := seen[key.Value]; twice {
			r.addProblem(key, child.path, "the field is written twice",
				fmt.Sprintf("the first is in line %d", first.Line))
			continue
		}
		seen[key.Value] = key
		if child.want == nil {
			r.misspelt = noteField(r.misspelt, p.path)
			r.addProblem(key, child.path, "there is no such field here",
				yamltext.SuggestWord(key.Value, fieldNames(p.want)))
			continue
		}
		r.places[child.path] = Place{key.Line, key.Column}
		if value.Kind == yaml.ScalarNode && value.Value != "" {
			r.places[child.path] = Place{value.Line, value.Column}
		}
		if item, ok := r.readValue(value, child); ok {
			fields[key.Value] = item
		}
	}
	return fields, true
}

// isFieldName reports whether a key can name a field.
func (r *reader) isFieldName(key *yaml.Node, p field) bool {
	switch {
	case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge":
		r.addProblem(key, p.path, "a field name is a plain text; merge keys are not read",
			"write the fields where they are used")
		return false
	case key.Anchor != "" || yamltext.IsTagged(key):
		r.addProblem(key, p.path, "field names have no anchors and tags", "")
		return false
	case (p.want.Kind() == reflect.Map || r.isArgument(p)) && !yamltext.IsText(key):
		r.addProblem(key, joinPath(p.path, key.Value), "other YAML readers do not read this name as a text",
			"write it in quotes")
		return false
	default:
		return true
	}
}

func (r *reader) readSequence(node *yaml.Node, p field) (any, bool) {
	item := p.want
	switch p.want.Kind() {
	case reflect.Slice:
		item = p.want.Elem()
	case reflect.Interface:
	default:
		return r.spoilField(node, p.path, fmt.Sprintf("want %s, have a list", nameType(p.want)), describeShape(p.want))
	}
	list := make([]any, 0, len(node.Content))
	for i, child := range node.Content {
		at := field{path: fmt.Sprintf("%s[%d]", p.path, i), want: item, depth: p.depth + 1}
		r.places[at.path] = Place{child.Line, child.Column}
		value, ok := r.readValue(child, at)
		if !ok {
			value = reflect.Zero(item).Interface() // keeps the indexes of later items
		} else if value == "" {
			r.spoilField(child, at.path, "the entry is empty", "leave it out")
		}
		list = append(list, value)
	}
	return list, true
}

func (r *reader) readScalar(node *yaml.Node, p field) (any, bool) {
	kind := p.want.Kind()
	if kind == reflect.Interface {
		return r.readAny(node, p)
	}
	if !yamltext.IsQuoted(node) && node.ShortTag() == "!!null" {
		return r.spoilField(node, p.path, "the field has no value", "leave the field out, or give it a value")
	}
	if reflect.PointerTo(p.want).Implements(unmarshalsText) {
		return r.readText(node, p)
	}
	switch kind {
	case reflect.String:
		if yamltext.IsText(node) || (r.rules.AllowsWord != nil && r.rules.AllowsWord(p.path, node.Value)) {
			return node.Value, true
		}
		return r.spoilField(node, p.path, "this is not a text to every YAML reader", "write it in quotes")
	case reflect.Bool:
		if value, ok := yamltext.ReadBool(node); ok {
			return value, true
		}
	case reflect.Int:
		if value, ok := yamltext.ReadInt(node); ok {
			return value, true
		}
	}
	return r.spoilField(node, p.path, "want "+nameType(p.want), describeShape(p.want))
}

// readAny reads a scalar of any type.
func (r *reader) readAny(node *yaml.Node, p field) (any, bool) {
	if !r.isArgument(p) {
		return yamltext.ReadAny(node), true
	}
	value, ok := yamltext.ReadExact(node)
	if !ok {
		return r.spoilField(node, p.path, "YAML readers do not agree on this value",
			"write a text in quotes, a number in decimal digits, or true or false")
	}
	return value, true
}

func (r *reader) isArgument(p field) bool {
	return p.want.Kind() == reflect.Interface && r.rules.IsArgument != nil && r.rules.IsArgument(p.path)
}

// unmarshalsText is implemented by types that read themselves from a text. A list that does so may be written as a
// single text.
var unmarshalsText = reflect.TypeFor[encoding.TextUnmarshaler]()

// readText makes a type read a text.
func (r *reader) readText(node *yaml.Node, p field) (any, bool) {
	value, _ := reflect.New(p.want).Interface().(encoding.TextUnmarshaler)
	if err := value.UnmarshalText([]byte(node.Value)); err != nil {
		return r.spoilField(node, p.path, err.Error(), "")
	}
	return node.Value, true
}

func joinPath(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
