package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// checkBytes refuses what a YAML parser would read in surprising ways, or not explain.
func checkBytes(file string, data []byte) (Finding, bool) {
	bad := func(at Position, message, hint string) (Finding, bool) {
		return Finding{Position: at, Severity: Error, Message: message, Hint: hint}, false
	}
	at := Position{File: file}
	if len(data) > MaxFile {
		return bad(at, fmt.Sprintf("the file has %d bytes, at most %d are read", len(data), MaxFile), "split it")
	}
	at.Line, at.Col = 1, 1
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return bad(at, "the file starts with a byte order mark", "save it as UTF-8 without BOM")
	}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return bad(at, "the file is not UTF-8", "save it as UTF-8")
		case (r < ' ' && r != '\n' && r != '\r' && r != '\t') || r == 0x7f:
			return bad(at, fmt.Sprintf("a control character (0x%02x)", r), "take it out")
		case r == '\n':
			at.Line, at.Col = at.Line+1, 1
		default:
			at.Col++
		}
		rest = rest[size:]
	}
	return Finding{}, true
}

// parse gives the root nodes of a file's documents, without empty ones. After a syntax error nothing more is read.
func parse(file string, data []byte) ([]*yaml.Node, []Finding) {
	var nodes []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nodes, []Finding{SyntaxFinding(file, data, err)}
		}
		if node.Kind != yaml.DocumentNode || len(node.Content) == 0 {
			continue
		}
		root := node.Content[0]
		if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Style&yaml.TaggedStyle == 0 && root.Anchor == "" {
			continue // an empty document, or one of comments only
		}
		nodes = append(nodes, root)
	}
}

// parserErrors are messages for which yaml/v3 counts lines from 0 (parserc.go; its scanner counts from 1).
var parserErrors = []string{
	"did not find expected key", "did not find expected node content", "did not find expected '-' indicator",
	"did not find expected ',' or", "did not find expected <document start>",
}

// syntaxHints are what people most often meant.
var syntaxHints = []struct{ message, hint string }{
	{"mapping values are not allowed", "a value that holds a colon and a space is written in quotes; fields of one mapping stand in one column"},
	{"did not find expected key", "fields of one mapping stand in one column"},
	{"found character that cannot start any token", "a value that starts with @, ` or % is written in quotes"},
	{"found unexpected end of stream", "a quote was not closed"},
	{"did not find expected ',' or", "a bracket was not closed"},
}

// SyntaxFinding says at which line yaml/v3 gave up, without a word of the file: what it quotes may be a secret.
func SyntaxFinding(file string, data []byte, err error) Finding {
	f := Finding{Position: Position{File: file, Line: 1}, Severity: Error}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if n, scanErr := fmt.Sscanf(message, "line %d:", &f.Line); scanErr == nil && n == 1 {
		_, message, _ = strings.Cut(message, ": ")
	}
	for _, prefix := range parserErrors {
		if strings.HasPrefix(message, prefix) {
			f.Line++
		}
	}
	for _, known := range syntaxHints {
		if strings.HasPrefix(message, known.message) {
			f.Hint = known.hint
		}
	}
	if strings.HasPrefix(message, "unknown anchor") {
		f.Line, message, f.Hint = 0, "a value starts with *: aliases are not read", "a text that starts with * is written in quotes"
	}
	f.Message = "not YAML: " + message
	if tab, ok := indentingTab(file, data); ok {
		return tab
	}
	return f
}

// indentingTab finds the first tab in an indentation: the usual reason why a file is not YAML.
func indentingTab(file string, data []byte) (Finding, bool) {
	for i, line := range strings.Split(string(data), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		if strings.HasPrefix(trimmed, "\t") && strings.TrimSpace(line) != "" {
			at := Position{File: file, Line: i + 1, Col: len(line) - len(trimmed) + 1}
			return Finding{Position: at, Severity: Error, Message: "a tab in the indentation", Hint: "YAML takes spaces only"}, true
		}
	}
	return Finding{}, false
}
