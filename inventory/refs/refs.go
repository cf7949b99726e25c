// Package refs replaces the references ${vars.x} and ${secret.name.key} in Butane configs. It is pure.
package refs

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Secret names one value of a Secret.
type Secret struct{ Name, Key string }

// Ref is one ${vars.x} or ${secret.name.key} in a Butane config.
type Ref struct {
	Var    string // set for ${vars.x}
	Secret Secret
}

// String is the reference as it is written.
func (r Ref) String() string {
	if r.Var != "" {
		return "${vars." + r.Var + "}"
	}
	return "${secret." + r.Secret.Name + "." + r.Secret.Key + "}"
}

// reference matches $${ (an escaped ${), a reference, or what was probably meant as one.
var reference = regexp.MustCompile(`\$\$\{|\$\{(?:vars\.([A-Za-z_][A-Za-z0-9_]*)|secret\.([a-z0-9][-a-z0-9]*)\.([A-Za-z0-9_][-A-Za-z0-9_.]*))\}|\$\{(?:vars?|secrets?)\.[^}]*\}?`)

// Expand replaces the references in a YAML document by what lookup gives, on the values of its parsed nodes and never on its text: a value
// stays one value, and a text, whatever it contains. $${ stands for ${; any other ${…} is left as it is. The result is YAML in which every
// value stands in the line it had. Aliases are refused: a value has one place. Problems, the errors of lookup included, are findings at the
// place of the value in file; what lookup gave is in none of them. A literal $ right before a reference cannot be written.
func Expand(file string, source []byte, lookup func(Ref) (string, error)) ([]byte, []schemas.Finding) {
	root, findings := Parse(file, source)
	if len(findings) > 0 {
		return nil, findings
	}
	if root == nil {
		return source, nil
	}
	changed, findings := Replace(file, root, func(ref Ref, _ schemas.Position) (string, error) { return lookup(ref) })
	switch {
	case len(findings) > 0:
		return nil, findings
	case !changed:
		return source, nil
	default:
		return yamltext.PrintNodes(root), nil
	}
}

// Replace is Expand on the nodes that Parse gave; lookup is told where each reference stands. It reports whether a value was changed.
func Replace(file string, root *yaml.Node, lookup func(Ref, schemas.Position) (string, error)) (changed bool, findings []schemas.Finding) {
	e := expander{file: file, lookup: lookup}
	e.walk(root)
	return e.changed, e.findings
}

// Parse gives the root node of a Butane file; it is nil for an empty one.
func Parse(file string, source []byte) (*yaml.Node, []schemas.Finding) {
	roots, problem := yamltext.ParseDocuments(source, schemas.MaxFile)
	if len(roots) > 1 && problem == nil {
		problem = &yamltext.Problem{Line: roots[1].Line, Message: "a second document: Butane would not read it"}
	}
	if problem != nil {
		return nil, []schemas.Finding{schemas.YAMLFinding(file, problem)}
	}
	if len(roots) == 0 {
		return nil, nil
	}
	return roots[0], nil
}

// expander replaces references in nodes, in place.
type expander struct {
	file     string
	lookup   func(Ref, schemas.Position) (string, error)
	findings []schemas.Finding
	changed  bool
}

func (e *expander) walk(root *yaml.Node) {
	problems := yamltext.WalkNodes(root, func(node *yaml.Node) {
		if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "${") {
			e.scalar(node)
		}
	})
	for _, problem := range problems {
		e.findings = append(e.findings, schemas.YAMLFinding(e.file, problem))
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
		value, err := e.lookup(ref, e.at(node))
		if err != nil {
			e.find(node, "%v", err)
		}
		if !utf8.ValidString(value) {
			e.find(node, "the value of %s is not UTF-8 text", ref)
		}
		return value
	})
	if after == before {
		return
	}
	e.changed = true
	node.Value, node.Tag, node.Style = after, "!!str", yaml.DoubleQuotedStyle
}

func (e *expander) at(node *yaml.Node) schemas.Position {
	return schemas.Position{File: e.file, Line: node.Line, Col: node.Column}
}

func (e *expander) find(node *yaml.Node, format string, args ...any) {
	e.findings = append(e.findings, schemas.Finding{Position: e.at(node), Severity: schemas.Error, Message: fmt.Sprintf(format, args...)})
}

func parseRef(match string) (Ref, bool) {
	parts := reference.FindStringSubmatch(match)
	switch {
	case parts[1] != "":
		return Ref{Var: parts[1]}, true
	case parts[2] != "":
		return Ref{Secret: Secret{Name: parts[2], Key: parts[3]}}, true
	default:
		return Ref{}, false
	}
}
