package yamltext

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrNotEdited means that the value cannot be changed without touching more of the text. A person must edit the text.
var ErrNotEdited = errors.New("the text cannot be edited in place")

// SetValue gives the text with one value changed, at a path of mappings below root, a node that ParseDocuments gave for
// the text. A single text is written as a quoted scalar, several as a list on one line. Every other byte stays: comments,
// order, line ends. Missing mappings of the path are added, in a block mapping above the last key.
func SetValue(data []byte, root *yaml.Node, path []string, values ...string) ([]byte, error) {
	if len(values) == 1 {
		return edit(data, root, change{root.Line, path, values[0]}, fmt.Sprintf("%q", values[0]))
	}
	return SetList(data, root, path, values)
}

// SetList is SetValue for a field that is a list, also with one text.
func SetList(data []byte, root *yaml.Node, path, values []string) ([]byte, error) {
	quoted, list := make([]string, len(values)), make([]any, len(values))
	for i, value := range values {
		quoted[i], list[i] = fmt.Sprintf("%q", value), value
	}
	return edit(data, root, change{root.Line, path, list}, "["+strings.Join(quoted, ", ")+"]")
}

// edit gives the text with a change, which is written as value.
func edit(data []byte, root *yaml.Node, c change, value string) ([]byte, error) {
	path := c.path
	node, rest := followPath(root, path)
	if node.Kind != yaml.MappingNode && len(rest) > 0 {
		return nil, fmt.Errorf("%w: %s is no mapping", ErrNotEdited, strings.Join(path[:len(path)-len(rest)], "."))
	}
	e := editor{lines: bytes.SplitAfter(data, []byte("\n"))}
	switch {
	case len(rest) == 0 && node.Kind == yaml.SequenceNode && node.Style&yaml.FlowStyle != 0:
		e.replaceFlow(node, value)
	case len(rest) == 0 && node.Kind == yaml.SequenceNode:
		e.replaceBlock(node, value)
	case len(rest) == 0:
		e.replaceScalar(node, value)
	case node.Style&yaml.FlowStyle != 0:
		e.insertInFlow(node, nestValue(rest, value))
	case len(node.Content) > 0:
		e.insertLine(node, nestValue(rest, value))
	default:
		e.failed = true
	}
	edited := bytes.Join(e.lines, nil)
	if e.failed || !c.describes(data, edited) {
		return nil, ErrNotEdited
	}
	return edited, nil
}

// followPath follows a path as far as the mappings go.
func followPath(node *yaml.Node, path []string) (*yaml.Node, []string) {
	for len(path) > 0 && node.Kind == yaml.MappingNode {
		next := findMember(node, path[0])
		if next == nil {
			break
		}
		node, path = next, path[1:]
	}
	return node, path
}

func findMember(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// nestValue writes a: {b: value}.
func nestValue(path []string, value string) string {
	text := path[len(path)-1] + ": " + value
	for i := len(path) - 2; i >= 0; i-- {
		text = path[i] + ": {" + text + "}"
	}
	return text
}

type editor struct {
	lines  [][]byte // with line ends
	failed bool
}

// splitLine splits the line of a node before the node's first character.
func (e *editor) splitLine(node *yaml.Node) (before, after string) {
	if node.Line < 1 || node.Line > len(e.lines) {
		e.failed = true
		return "", ""
	}
	runes := []rune(string(e.lines[node.Line-1]))
	at := min(max(node.Column-1, 0), len(runes))
	return string(runes[:at]), string(runes[at:])
}

func (e *editor) replaceLine(line int, text string) {
	if !e.failed {
		e.lines[line-1] = []byte(text)
	}
}

// replaceScalar replaces a scalar on one line by a quoted value.
func (e *editor) replaceScalar(node *yaml.Node, value string) {
	before, after := e.splitLine(node)
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
	e.replaceLine(node.Line, before+value+after[end:])
}

// replaceFlow replaces a list of scalars in brackets on one line.
func (e *editor) replaceFlow(list *yaml.Node, value string) {
	before, after := e.splitLine(list)
	from := 0
	for _, item := range list.Content {
		from = item.Column - list.Column + len(item.Value)
		e.failed = e.failed || item.Kind != yaml.ScalarNode || item.Line != list.Line
	}
	if from > len(after) || !strings.HasPrefix(after, "[") {
		e.failed = true
	}
	if e.failed {
		return
	}
	end := strings.IndexByte(after[from:], ']')
	if end < 0 {
		e.failed = true
		return
	}
	e.replaceLine(list.Line, before+value+after[from+end+1:])
}

// replaceBlock replaces a list of scalars with a line each by a value behind the list's key.
func (e *editor) replaceBlock(list *yaml.Node, value string) {
	first := list.Content[0].Line
	for i, item := range list.Content {
		before, _ := e.splitLine(item)
		e.failed = e.failed || item.Kind != yaml.ScalarNode || item.Line != first+i || strings.TrimSpace(before) != "-" ||
			item.LineComment != ""
	}
	if e.failed || first < 2 {
		e.failed = true
		return
	}
	key := string(e.lines[first-2])
	text := strings.TrimRight(key, " \r\n")
	if !strings.HasSuffix(text, ":") {
		e.failed = true
		return
	}
	e.lines[first-2] = []byte(text + " " + value + key[len(text):])
	e.lines = slices.Delete(e.lines, first-1, first-1+len(list.Content))
}

func (e *editor) insertInFlow(mapping *yaml.Node, text string) {
	before, after := e.splitLine(mapping)
	inside, ok := strings.CutPrefix(after, "{")
	if !ok {
		e.failed = true
		return
	}
	if len(mapping.Content) > 0 {
		text += ", "
	}
	e.replaceLine(mapping.Line, before+"{"+text+inside)
}

// insertLine inserts a line above the mapping's last key and above the key's comments.
func (e *editor) insertLine(mapping *yaml.Node, text string) {
	last := mapping.Content[len(mapping.Content)-2]
	indent, _ := e.splitLine(last)
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

// change is a value at a path of the document with its root on a line.
type change struct {
	line  int
	path  []string
	value any // a text, or a list of texts
}

// describes reads both texts again, and reports whether the edited text differs by exactly this change.
func (c change) describes(before, after []byte) bool {
	rootsBefore, problemBefore := ParseDocuments(before, len(before))
	rootsAfter, problemAfter := ParseDocuments(after, len(after))
	if problemBefore != nil || problemAfter != nil || len(rootsBefore) != len(rootsAfter) {
		return false
	}
	for i := range rootsBefore {
		var a, b any
		if rootsBefore[i].Decode(&a) != nil || rootsAfter[i].Decode(&b) != nil {
			return false
		}
		if rootsBefore[i].Line == c.line {
			mapping, ok := a.(map[string]any)
			if !ok {
				return false
			}
			setMember(mapping, c.path, c.value)
		}
		if !reflect.DeepEqual(a, b) {
			return false
		}
	}
	return true
}

func setMember(mapping map[string]any, path []string, value any) {
	if len(path) == 1 {
		mapping[path[0]] = value
		return
	}
	next, ok := mapping[path[0]].(map[string]any)
	if !ok {
		next = map[string]any{}
		mapping[path[0]] = next
	}
	setMember(next, path[1:], value)
}
