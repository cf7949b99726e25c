package inventory

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
)

// Ref is one ${vars.x} or ${secret.name.key} in a Butane config.
type Ref struct {
	Var    string // set for ${vars.x}
	Secret SecretRef
}

// reference matches $${ (an escaped ${), a reference, or a ${ that is neither.
var reference = regexp.MustCompile(`\$\$\{|\$\{(vars\.([A-Za-z_][A-Za-z0-9_]*)|secret\.([a-z0-9][-a-z0-9]*)\.([A-Za-z0-9_][-A-Za-z0-9_.]*))\}|\$\{(vars|secret)[^}]*\}?`)

// Expand replaces the references in a YAML document by what lookup gives, on the values of its parsed nodes and never on its text: a value
// stays one value, whatever it contains. $${ stands for ${; any other ${…} is left as it is. The result is YAML.
// Problems, those of lookup included, are findings at the place of the value in file.
func Expand(file string, source []byte, lookup func(Ref) (string, error)) ([]byte, []schemas.Finding) {
	var node yaml.Node
	if err := yaml.Unmarshal(source, &node); err != nil {
		return nil, []schemas.Finding{{Position: schemas.Position{File: file}, Severity: schemas.Error, Message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	e := expander{file: file, lookup: lookup}
	e.walk(&node, 0)
	if len(e.findings) > 0 {
		return nil, e.findings
	}
	if !e.changed {
		return source, nil
	}
	out, err := yaml.Marshal(&node)
	if err != nil {
		return nil, []schemas.Finding{{Position: schemas.Position{File: file}, Severity: schemas.Error, Message: fmt.Sprintf("cannot be written: %v", err)}}
	}
	return out, nil
}

type expander struct {
	file     string
	lookup   func(Ref) (string, error)
	findings []schemas.Finding
	changed  bool
}

func (e *expander) walk(node *yaml.Node, depth int) {
	if depth > 64 || node.Kind == yaml.AliasNode {
		e.find(node, "aliases and very deep nesting are not read")
		return
	}
	if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "${") {
		e.scalar(node)
	}
	for _, child := range node.Content {
		e.walk(child, depth+1)
	}
}

func (e *expander) scalar(node *yaml.Node) {
	before := node.Value
	after := reference.ReplaceAllStringFunc(before, func(match string) string {
		if match == "$${" {
			return "${"
		}
		ref, ok := parseRef(match)
		if !ok {
			e.find(node, "%s is not a reference: write ${vars.name} or ${secret.name.key}, or $${ for the two characters", match)
			return match
		}
		value, err := e.lookup(ref)
		if err != nil {
			e.find(node, "%v", err)
		}
		return value
	})
	if after == before {
		return
	}
	e.changed = true
	node.Value = after
	// The value is a text, whatever it looks like now.
	node.Tag = "!!str"
	if node.Style == 0 {
		node.Style = yaml.DoubleQuotedStyle
	}
}

func (e *expander) find(node *yaml.Node, format string, args ...any) {
	e.findings = append(e.findings, schemas.Finding{
		Position: schemas.Position{File: e.file, Line: node.Line, Col: node.Column}, Severity: schemas.Error, Message: fmt.Sprintf(format, args...),
	})
}

func parseRef(match string) (Ref, bool) {
	parts := reference.FindStringSubmatch(match)
	switch {
	case parts[2] != "":
		return Ref{Var: parts[2]}, true
	case parts[3] != "":
		return Ref{Secret: SecretRef{Name: parts[3], Key: parts[4]}}, true
	default:
		return Ref{}, false
	}
}
