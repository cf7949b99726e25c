package yamltext

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrNotEdited means that a text cannot be changed without touching more of it: a person must.
var ErrNotEdited = errors.New("the text cannot be edited in place")

// Set gives the text with one value at a path of mappings below root, one of the nodes that Parse gave for it. The value is quoted. Every
// other byte stays: comments, order, line ends. What is missing of the path is added: in a block mapping above its last key.
func Set(data []byte, root *yaml.Node, path []string, value string) ([]byte, error) {
	node, rest := descend(root, path)
	if node.Kind != yaml.MappingNode && len(rest) > 0 {
		return nil, fmt.Errorf("%w: %s is no mapping", ErrNotEdited, strings.Join(path[:len(path)-len(rest)], "."))
	}
	e := editor{lines: bytes.SplitAfter(data, []byte("\n"))}
	switch {
	case len(rest) == 0:
		e.replace(node, value)
	case node.Style&yaml.FlowStyle != 0:
		e.insertInFlow(node, nested(rest, value))
	case len(node.Content) > 0:
		e.insertLine(node, nested(rest, value))
	default:
		e.failed = true
	}
	edited := bytes.Join(e.lines, nil)
	if e.failed || !(change{root.Line, path, value}).is(data, edited) {
		return nil, ErrNotEdited
	}
	return edited, nil
}

// descend follows a path as far as it goes.
func descend(node *yaml.Node, path []string) (*yaml.Node, []string) {
	for len(path) > 0 && node.Kind == yaml.MappingNode {
		next := member(node, path[0])
		if next == nil {
			break
		}
		node, path = next, path[1:]
	}
	return node, path
}

func member(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// nested is a: {b: "value"}.
func nested(path []string, value string) string {
	text := fmt.Sprintf("%s: %q", path[len(path)-1], value)
	for i := len(path) - 2; i >= 0; i-- {
		text = path[i] + ": {" + text + "}"
	}
	return text
}

type editor struct {
	lines  [][]byte // with their ends
	failed bool
}

// at splits the line of a node before its first character.
func (e *editor) at(node *yaml.Node) (before, after string) {
	if node.Line < 1 || node.Line > len(e.lines) {
		e.failed = true
		return "", ""
	}
	runes := []rune(string(e.lines[node.Line-1]))
	at := min(max(node.Column-1, 0), len(runes))
	return string(runes[:at]), string(runes[at:])
}

func (e *editor) put(line int, text string) {
	if !e.failed {
		e.lines[line-1] = []byte(text)
	}
}

// replace puts a quoted value where a scalar on one line is.
func (e *editor) replace(node *yaml.Node, value string) {
	before, after := e.at(node)
	end := -1
	switch {
	case node.Kind != yaml.ScalarNode || node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || after == "":
	case node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		end = strings.IndexByte(after[1:], after[0]) + 2
	default:
		end = len(node.Value)
	}
	if end < 2 && node.Value != "" || end < 0 || end > len(after) {
		e.failed = true
		return
	}
	e.put(node.Line, fmt.Sprintf("%s%q%s", before, value, after[end:]))
}

func (e *editor) insertInFlow(mapping *yaml.Node, text string) {
	before, after := e.at(mapping)
	inside, ok := strings.CutPrefix(after, "{")
	if !ok {
		e.failed = true
		return
	}
	if len(mapping.Content) > 0 {
		text += ", "
	}
	e.put(mapping.Line, before+"{"+text+inside)
}

// insertLine puts a line above the mapping's last key and the comments that belong to it.
func (e *editor) insertLine(mapping *yaml.Node, text string) {
	last := mapping.Content[len(mapping.Content)-2]
	indent, _ := e.at(last)
	if strings.TrimLeft(indent, " ") != "" {
		e.failed = true
		return
	}
	line := last.Line
	for line > 1 && bytes.HasPrefix(bytes.TrimLeft(e.lines[line-2], " "), []byte("#")) {
		line--
	}
	end := "\n"
	if bytes.HasSuffix(e.lines[line-1], []byte("\r\n")) {
		end = "\r\n"
	}
	if !e.failed {
		e.lines[line-1] = []byte(indent + text + end + string(e.lines[line-1]))
	}
}

// change is a value at a path of the document whose root is on a line.
type change struct {
	line  int
	path  []string
	value string
}

// is reads both texts again: the edited one says the value at the path, and otherwise the same.
func (c change) is(before, after []byte) bool {
	was, problem := Parse(before, len(before))
	is, again := Parse(after, len(after))
	if problem != nil || again != nil || len(was) != len(is) {
		return false
	}
	for i := range was {
		var a, b any
		if was[i].Decode(&a) != nil || is[i].Decode(&b) != nil {
			return false
		}
		if was[i].Line == c.line {
			mapping, ok := a.(map[string]any)
			if !ok {
				return false
			}
			put(mapping, c.path, c.value)
		}
		if !reflect.DeepEqual(a, b) {
			return false
		}
	}
	return true
}

func put(mapping map[string]any, path []string, value string) {
	if len(path) == 1 {
		mapping[path[0]] = value
		return
	}
	next, ok := mapping[path[0]].(map[string]any)
	if !ok {
		next = map[string]any{}
		mapping[path[0]] = next
	}
	put(next, path[1:], value)
}
