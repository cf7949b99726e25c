// Package yamltext reads and writes YAML as text that people keep in Git. Call ParseDocuments to read, SetValue to
// change one value in place. YAML that readers disagree on is refused. Do not put words of a text into messages: a word
// may be a secret. The package is pure.
package yamltext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Problem says why a text, or a node, cannot be read. Line and Col count from 1, in characters; 0 is unknown.
type Problem struct {
	Line, Col     int
	Message, Hint string
}

// ParseDocuments gives the root nodes of a text's documents, without empty documents. Reading ends at the first
// problem. A text of more than limit bytes is a problem.
func ParseDocuments(data []byte, limit int) ([]*yaml.Node, *Problem) {
	if problem := checkBytes(data, limit); problem != nil {
		return nil, problem
	}
	var nodes []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nodes, explainError(data, err)
		}
		if node.Kind == yaml.DocumentNode && len(node.Content) > 0 && !isEmpty(node.Content[0]) {
			nodes = append(nodes, node.Content[0])
		}
	}
}

// isEmpty reports whether a document is empty, or holds comments only.
func isEmpty(root *yaml.Node) bool {
	return root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Style&yaml.TaggedStyle == 0 &&
		root.Anchor == ""
}

// checkBytes refuses bytes that a YAML parser would read in surprising ways, or not explain.
func checkBytes(data []byte, limit int) *Problem {
	if len(data) > limit {
		return &Problem{Message: fmt.Sprintf("the file has %d bytes, at most %d are read", len(data), limit),
			Hint: "split it"}
	}
	line, col := 1, 1
	problemHere := func(message, hint string) *Problem {
		return &Problem{Line: line, Col: col, Message: message, Hint: hint}
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return problemHere("the file starts with a byte order mark", "save it as UTF-8 without BOM")
	}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1, r == 0: // UTF-16 without a mark has 0 beside every letter
			return problemHere("the file is not UTF-8", "save it as UTF-8")
		case (r < ' ' && r != '\n' && r != '\r' && r != '\t') || r == 0x7f:
			return problemHere(fmt.Sprintf("a control character (0x%02x)", r), "take it out")
		case r == '\n':
			line, col = line+1, 1
		default:
			col++
		}
		rest = rest[size:]
	}
	return nil
}

// parserErrors are messages for which yaml/v3 counts lines from 0 (parserc.go; its scanner counts from 1).
var parserErrors = []string{
	"did not find expected key", "did not find expected node content", "did not find expected '-' indicator",
	"did not find expected ',' or", "did not find expected <document start>",
}

// hints name the most frequent mistakes.
var hints = []struct{ message, hint string }{
	{"mapping values are not allowed",
		"a value that holds a colon and a space is written in quotes; fields of one mapping stand in one column"},
	{"did not find expected key", "fields of one mapping stand in one column"},
	{"found character that cannot start any token", "a value that starts with @, ` or % is written in quotes"},
	{"found unexpected end of stream", "a quote was not closed"},
	{"did not find expected ',' or", "a bracket was not closed"},
}

// explainError says at which line yaml/v3 gave up.
func explainError(data []byte, err error) *Problem {
	if tab := indentingTab(data); tab != nil {
		return tab
	}
	p := &Problem{Line: 1}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if n, scanErr := fmt.Sscanf(message, "line %d:", &p.Line); scanErr == nil && n == 1 {
		_, message, _ = strings.Cut(message, ": ")
	}
	for _, prefix := range parserErrors {
		if strings.HasPrefix(message, prefix) {
			p.Line++
		}
	}
	for _, known := range hints {
		if strings.HasPrefix(message, known.message) {
			p.Hint = known.hint
		}
	}
	if strings.HasPrefix(message, "unknown anchor") { // the message would repeat the value
		p.Line, message, p.Hint = 0, "a value starts with *: aliases are not read",
			"a text that starts with * is written in quotes"
	}
	p.Message = "not YAML: " + message
	return p
}

// indentingTab finds the first tab in an indentation, the usual reason for unreadable YAML.
func indentingTab(data []byte) *Problem {
	for i, line := range strings.Split(string(data), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		if strings.HasPrefix(trimmed, "\t") && strings.TrimSpace(line) != "" {
			return &Problem{Line: i + 1, Col: len(line) - len(trimmed) + 1, Message: "a tab in the indentation",
				Hint: "YAML takes spaces only"}
		}
	}
	return nil
}
