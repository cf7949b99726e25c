package schemas

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// nodeReader turns YAML nodes into JSON values and notes where every field stands.
type nodeReader struct {
	file     string
	places   map[string]Position
	findings []Finding
}

// ambiguous are plain scalars that YAML 1.1 and 1.2 read differently, or that are rarely meant as they are read.
var ambiguous = regexp.MustCompile(`^([yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF|[-+]?0[0-9_]+|[-+]?0[xXoObB][0-9a-fA-F_]+|[-+]?[0-9][0-9]*_[0-9_]*|[-+]?[0-9]+(:[0-5]?[0-9])+)$`)

func (r *nodeReader) find(node *yaml.Node, field, hint, format string, args ...any) {
	r.findings = append(r.findings, Finding{Position: r.at(node), Severity: Error, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *nodeReader) at(node *yaml.Node) Position {
	return Position{File: r.file, Line: node.Line, Col: node.Column}
}

func (r *nodeReader) value(node *yaml.Node, path string, depth int) any {
	if _, known := r.places[path]; !known {
		r.places[path] = r.at(node)
	}
	if depth > maxDepth {
		r.find(node, path, "", "nested deeper than %d levels", maxDepth)
		return nil
	}
	if node.Anchor != "" {
		r.find(node, path, "write the value where it is used", "anchors are not read")
	}
	switch node.Kind {
	case yaml.MappingNode:
		return r.mapping(node, path, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for i, item := range node.Content {
			list = append(list, r.value(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return list
	case yaml.ScalarNode:
		return r.scalar(node, path)
	default:
		r.find(node, path, "write the value where it is used", "aliases are not read")
		return nil
	}
}

func (r *nodeReader) mapping(node *yaml.Node, path string, depth int) map[string]any {
	fields := make(map[string]any, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.find(key, path, "", "a field name is a plain string; merge keys are not read")
			continue
		}
		field := key.Value
		if path != "" {
			field = path + "." + key.Value
		}
		if first, twice := r.places[field]; twice {
			r.find(key, field, fmt.Sprintf("the first is in line %d", first.Line), "the field is written twice")
			continue
		}
		r.places[field] = r.at(key)
		fields[key.Value] = r.value(value, field, depth+1)
	}
	return fields
}

func (r *nodeReader) scalar(node *yaml.Node, path string) any {
	if node.Style&yaml.TaggedStyle != 0 {
		r.find(node, path, "leave the tag out", "tags such as %s are not read", node.Tag)
		return nil
	}
	if node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return node.Value
	}
	if ambiguous.MatchString(node.Value) {
		r.find(node, path, fmt.Sprintf("write %q in quotes if it is a text, or true, false or a plain number", node.Value), "%s means different things to different YAML readers", node.Value)
		return nil
	}
	switch node.Tag {
	case "!!null":
		r.find(node, path, "leave the field out, or give it a value", "the field has no value")
		return nil
	case "!!bool":
		return node.Value == "true" || node.Value == "True" || node.Value == "TRUE"
	case "!!int":
		if n, err := strconv.ParseInt(node.Value, 10, 64); err == nil {
			return n
		}
		r.find(node, path, "write it in quotes if it is a text", "the number is too large")
		return nil
	case "!!float":
		if f, err := strconv.ParseFloat(node.Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
		r.find(node, path, "write it in quotes if it is a text", "not a number this contract knows")
		return nil
	default:
		return node.Value // strings and timestamps
	}
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text (write it in quotes)"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "a mapping"
	default:
		return t.String()
	}
}

func jsonName(value string) string {
	switch value {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "bool":
		return "true or false"
	default:
		return "a " + value
	}
}

func lastField(path string) string {
	return path[strings.LastIndex(path, ".")+1:]
}

// suggestField finds the field of the struct at the path's parent that the writer may have meant.
func suggestField(path string, target any) string {
	t := reflect.TypeOf(target)
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		t = fieldType(t, strings.Split(step, "[")[0])
		if t == nil {
			return ""
		}
	}
	return suggest(steps[len(steps)-1], fieldNames(t))
}

func fieldType(t reflect.Type, name string) reflect.Type {
	t = structOf(t)
	if t == nil {
		return nil
	}
	for i := range t.NumField() {
		if jsonField(t.Field(i)) == name {
			return t.Field(i).Type
		}
	}
	return nil
}

func fieldNames(t reflect.Type) []string {
	t = structOf(t)
	if t == nil {
		return nil
	}
	var names []string
	for i := range t.NumField() {
		names = append(names, jsonField(t.Field(i)))
	}
	return names
}

func structOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

func jsonField(f reflect.StructField) string {
	return strings.Split(f.Tag.Get("json"), ",")[0]
}

// suggest is "did you mean X?" for the candidate nearest to word, or lists the candidates when none is near.
func suggest(word string, candidates []string) string {
	best, distance := "", len(word)/2+1
	for _, candidate := range candidates {
		if len(word) > 63 {
			break
		}
		if d := editDistance(strings.ToLower(word), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(candidates) == 0 {
		return ""
	}
	return "one of " + strings.Join(candidates, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		previous := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			previous, row[j] = row[j], min(row[j]+1, row[j-1]+1, previous+cost)
		}
	}
	return row[len(b)]
}
