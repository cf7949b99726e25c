// Package strict reads YAML nodes into the JSON value of a Go type: unknown and duplicate fields, anchors, tags and scalars that YAML versions read
// differently are problems, told all at once, and every field that is written keeps its place. Pure.
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

// maxDepth is how deep a document may nest.
const maxDepth = 32

// Place is where something stands, both counted from 1; zero is nowhere.
type Place struct{ Line, Col int }

// Problem is what is wrong at a place. It never repeats a value: the document may hold secrets.
type Problem struct {
	Place
	Field, Message, Hint string
	LeftOut              bool // the value is not in what was read
}

// Rules are what a contract wants beyond its types.
type Rules struct {
	// Word lets a value stand without quotes in a text field although YAML versions read it differently.
	Word func(field, value string) bool
}

// Read reads a whole document into target, a pointer to a struct with json tags. What does not fit is left out of target and told.
func (rules Rules) Read(node *yaml.Node, target any) (Fields, []Problem) {
	r := reader{Fields: Fields{Places: map[string]Place{"": {node.Line, node.Column}}, spoiled: map[string]bool{}, misspelt: map[string]bool{}}, rules: rules}
	value, ok := r.value(node, field{want: reflect.TypeOf(target)})
	if !ok {
		value = map[string]any{}
	}
	if err := fill(value, target); err != nil {
		r.find(node, "", "cannot be read: "+err.Error(), "")
	}
	return r.Fields, r.problems
}

// fill puts the read values into the struct. The reader left out what does not fit, so that nothing is left to refuse: an error here means
// that reader and types disagree.
func fill(value, target any) error {
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
	problems []Problem
}

// field is its path, the Go type it is read into, and how deep it is.
type field struct {
	path  string
	want  reflect.Type
	depth int
}

func (r *reader) find(node *yaml.Node, field, message, hint string) {
	r.problems = append(r.problems, Problem{Place: Place{node.Line, node.Column}, Field: field, Message: message, Hint: hint})
}

// spoil finds a value that is left out.
func (r *reader) spoil(node *yaml.Node, field, message, hint string) (any, bool) {
	r.spoiled[field] = true
	r.find(node, field, message, hint)
	r.problems[len(r.problems)-1].LeftOut = true
	return nil, false
}

// value reads a node; it is not ok when the value does not fit and was found.
func (r *reader) value(node *yaml.Node, p field) (any, bool) {
	for p.want.Kind() == reflect.Pointer {
		p.want = p.want.Elem()
	}
	switch {
	case p.depth > maxDepth:
		return r.spoil(node, p.path, fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
	case node.Kind == yaml.AliasNode:
		return r.spoil(node, p.path, "aliases are not read", "write the value where it is used")
	case node.Anchor != "":
		r.find(node, p.path, "anchors are not read", "write the value where it is used")
	case yamltext.Tagged(node):
		return r.spoil(node, p.path, "tags are not read", "leave the tag out")
	}
	switch node.Kind {
	case yaml.MappingNode:
		return r.mapping(node, p)
	case yaml.SequenceNode:
		return r.sequence(node, p)
	default:
		return r.scalar(node, p)
	}
}

func (r *reader) mapping(node *yaml.Node, p field) (any, bool) {
	if kind := p.want.Kind(); kind != reflect.Struct && kind != reflect.Map && kind != reflect.Interface {
		return r.spoil(node, p.path, fmt.Sprintf("want %s, have a mapping", wanted(p.want)), "")
	}
	fields := make(map[string]any, len(node.Content)/2)
	seen := make(map[string]*yaml.Node, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if !r.fieldName(key, p) {
			continue
		}
		child := field{path: join(p.path, key.Value), want: fieldType(p.want, key.Value), depth: p.depth + 1}
		if first, twice := seen[key.Value]; twice {
			r.find(key, child.path, "the field is written twice", fmt.Sprintf("the first is in line %d", first.Line))
			continue
		}
		seen[key.Value] = key
		if child.want == nil {
			r.misspelt[p.path] = true
			r.find(key, child.path, "there is no such field here", yamltext.Suggest(key.Value, fieldNames(p.want)))
			continue
		}
		r.Places[child.path] = Place{key.Line, key.Column}
		if value.Kind == yaml.ScalarNode && value.Value != "" {
			r.Places[child.path] = Place{value.Line, value.Column}
		}
		if read, ok := r.value(value, child); ok {
			fields[key.Value] = read
		}
	}
	return fields, true
}

// fieldName reports whether a key can name a field.
func (r *reader) fieldName(key *yaml.Node, p field) bool {
	switch {
	case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge":
		r.find(key, p.path, "a field name is a plain text; merge keys are not read", "write the fields where they are used")
		return false
	case key.Anchor != "" || yamltext.Tagged(key):
		r.find(key, p.path, "field names have no anchors and tags", "")
		return false
	case p.want.Kind() == reflect.Map && !yamltext.IsText(key):
		r.find(key, join(p.path, key.Value), "other YAML readers do not read this name as a text", "write it in quotes")
		return false
	default:
		return true
	}
}

func (r *reader) sequence(node *yaml.Node, p field) (any, bool) {
	item := p.want
	switch p.want.Kind() {
	case reflect.Slice:
		item = p.want.Elem()
	case reflect.Interface:
	default:
		return r.spoil(node, p.path, fmt.Sprintf("want %s, have a list", wanted(p.want)), "")
	}
	list := make([]any, 0, len(node.Content))
	for i, child := range node.Content {
		at := field{path: fmt.Sprintf("%s[%d]", p.path, i), want: item, depth: p.depth + 1}
		r.Places[at.path] = Place{child.Line, child.Column}
		value, ok := r.value(child, at)
		if !ok {
			value = reflect.Zero(item).Interface() // keeps the numbers of the items behind it
		} else if value == "" {
			r.spoil(child, at.path, "the entry is empty", "leave it out")
		}
		list = append(list, value)
	}
	return list, true
}

func (r *reader) scalar(node *yaml.Node, p field) (any, bool) {
	kind := p.want.Kind()
	if kind == reflect.Interface {
		return yamltext.Any(node), true
	}
	if !yamltext.Quoted(node) && node.ShortTag() == "!!null" {
		return r.spoil(node, p.path, "the field has no value", "leave the field out, or give it a value")
	}
	if reflect.PointerTo(p.want).Implements(textual) {
		return r.text(node, p)
	}
	switch kind {
	case reflect.String:
		if yamltext.IsText(node) || (r.rules.Word != nil && r.rules.Word(p.path, node.Value)) {
			return node.Value, true
		}
		return r.spoil(node, p.path, "this is not a text to every YAML reader", "write it in quotes")
	case reflect.Bool:
		if value, ok := yamltext.Bool(node); ok {
			return value, true
		}
	case reflect.Int:
		if value, ok := yamltext.Int(node); ok {
			return value, true
		}
	}
	return r.spoil(node, p.path, "want "+wanted(p.want), "")
}

// textual are types that read themselves from a text.
var textual = reflect.TypeFor[encoding.TextUnmarshaler]()

// text asks a type whether it can read a text.
func (r *reader) text(node *yaml.Node, p field) (any, bool) {
	value, _ := reflect.New(p.want).Interface().(encoding.TextUnmarshaler)
	if err := value.UnmarshalText([]byte(node.Value)); err != nil {
		return r.spoil(node, p.path, err.Error(), "")
	}
	return node.Value, true
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
