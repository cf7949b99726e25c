package schemas

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// maxDepth is how deep a document may nest.
const maxDepth = 32

// nodeReader turns YAML nodes into JSON values that fit the contract's types, notes where every field stands, and finds the rest. It never
// repeats a value: the document may be a Secret.
type nodeReader struct {
	document *Document
	findings []Finding
}

// place is a field: its path, the Go type it is read into, and how deep it is.
type place struct {
	path  string
	want  reflect.Type
	depth int
}

func (r *nodeReader) find(node *yaml.Node, field, message, hint string) {
	r.findings = append(r.findings, Finding{Position: r.at(node), Severity: Error, Field: field, Message: message, Hint: hint})
}

// spoil finds a value that is left out.
func (r *nodeReader) spoil(node *yaml.Node, field, message, hint string) (any, bool) {
	r.document.spoiled[field] = true
	if r.document.Kind == KindSecret && strings.HasPrefix(field, "spec.data.") {
		message, hint = inClear, inClearHint
	}
	r.find(node, field, message, hint)
	return nil, false
}

func (r *nodeReader) at(node *yaml.Node) Position {
	return Position{File: r.document.File, Line: node.Line, Col: node.Column}
}

// contract reads a whole document.
func (r *nodeReader) contract(node *yaml.Node, target any) any {
	value, ok := r.value(node, place{want: reflect.TypeOf(target)})
	if !ok {
		return map[string]any{}
	}
	return value
}

// value reads a node; it is not ok when the value does not fit and was found.
func (r *nodeReader) value(node *yaml.Node, p place) (any, bool) {
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

func (r *nodeReader) mapping(node *yaml.Node, p place) (any, bool) {
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
		field := place{path: join(p.path, key.Value), want: fieldType(p.want, key.Value), depth: p.depth + 1}
		if first, twice := seen[key.Value]; twice {
			r.find(key, field.path, "the field is written twice", fmt.Sprintf("the first is in line %d", first.Line))
			continue
		}
		seen[key.Value] = key
		if field.want == nil {
			r.document.misspelt[p.path] = true
			r.find(key, field.path, "there is no such field here", yamltext.Suggest(key.Value, fieldNames(p.want)))
			continue
		}
		r.document.places[field.path] = r.at(key)
		if value.Kind == yaml.ScalarNode && value.Value != "" {
			r.document.places[field.path] = r.at(value)
		}
		if read, ok := r.value(value, field); ok {
			fields[key.Value] = read
		}
	}
	return fields, true
}

// fieldName reports whether a key can name a field.
func (r *nodeReader) fieldName(key *yaml.Node, p place) bool {
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

func (r *nodeReader) sequence(node *yaml.Node, p place) (any, bool) {
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
		at := place{path: fmt.Sprintf("%s[%d]", p.path, i), want: item, depth: p.depth + 1}
		r.document.places[at.path] = r.at(child)
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

func (r *nodeReader) scalar(node *yaml.Node, p place) (any, bool) {
	kind := p.want.Kind()
	if kind == reflect.Interface {
		return yamltext.Any(node), true
	}
	if !yamltext.Quoted(node) && node.ShortTag() == "!!null" {
		return r.spoil(node, p.path, "the field has no value", "leave the field out, or give it a value")
	}
	switch kind {
	case reflect.String:
		if yamltext.IsText(node) || isPowerWord(p.path, node.Value) {
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

// isPowerWord lets On and Off, which YAML 1.1 reads as booleans, stand without quotes in the one field that wants these words.
func isPowerWord(path, value string) bool {
	return path == "spec.power" && (value == PowerOn || value == PowerOff)
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
