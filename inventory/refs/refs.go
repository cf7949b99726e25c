// Package refs replaces the references ${vars.x} and ${secret.name.key} in Butane configs, and finds the files that a
// config names. Call ParseFile and ReplaceReferences to look at references, ExpandReferences to replace them. Do not
// replace text before parsing: a value could then become YAML. The package is pure.
package refs

import (
	"cmp"
	"errors"
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

// String is the reference as written in a config.
func (r Ref) String() string {
	if r.Var != "" {
		return "${vars." + r.Var + "}"
	}
	return "${secret." + r.Secret.Name + "." + r.Secret.Key + "}"
}

// reference matches $${ (an escaped ${), a reference, and texts that were probably meant as one.
var reference = regexp.MustCompile(`\$\$\{|` +
	`\$\{(?:vars\.([A-Za-z_][A-Za-z0-9_]*)|secret\.([a-z0-9][-a-z0-9]*)\.([A-Za-z0-9_][-A-Za-z0-9_.]*))\}|` +
	`(?i:\$\{\s*(?:vars?|secrets?|machine)\.[^}\n]*\}?)`)

// ExpandReferences replaces the references in a YAML document by the results of lookup, in the parsed nodes and never
// in the text: a value stays one value, and a text, whatever the result contains. $${ stands for ${; any other ${…}
// stays. In the resulting YAML every value keeps its line. Aliases are refused: a value has one place. Problems, with
// the errors of lookup, are findings at the value's place in file, without results of lookup. A literal $ right before
// a reference cannot be written.
func ExpandReferences(file string, source []byte, lookup func(Ref) (string, error)) ([]byte, []schemas.Finding) {
	root, findings := ParseFile(file, source)
	if len(findings) > 0 {
		return nil, findings
	}
	if root == nil {
		return source, nil
	}
	changed, findings := ReplaceReferences(file, root,
		func(ref Ref, _ schemas.Position) (string, error) { return lookup(ref) })
	switch {
	case len(findings) > 0:
		return nil, findings
	case !changed:
		return source, nil
	default:
		return yamltext.PrintNodes(root), nil
	}
}

// ReplaceReferences is ExpandReferences on the nodes of ParseFile. lookup also gets the position of each reference. The
// result reports whether a value changed.
func ReplaceReferences(
	file string, root *yaml.Node, lookup func(Ref, schemas.Position) (string, error),
) (changed bool, findings []schemas.Finding) {
	e := expander{file: file, lookup: lookup}
	e.expandNodes(root)
	return e.changed, e.findings
}

// ParseFile gives the root node of a Butane file, nil for an empty file.
func ParseFile(file string, source []byte) (*yaml.Node, []schemas.Finding) {
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

func (e *expander) expandNodes(root *yaml.Node) {
	problems := yamltext.WalkNodes(root, func(node *yaml.Node) {
		if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "${") {
			e.expandScalar(node)
		}
	})
	for _, problem := range problems {
		e.findings = append(e.findings, schemas.YAMLFinding(e.file, problem))
	}
}

// ReplaceInText replaces the references in one text by the results of lookup. $${ stands for ${; any other ${…} stays.
// The error is the first of lookup, or about a text that was probably meant as a reference.
func ReplaceInText(text string, lookup func(Ref) (string, error)) (string, error) {
	var failed error
	replaced := reference.ReplaceAllStringFunc(text, func(match string) string {
		if match == "$${" {
			return "${"
		}
		ref, ok := parseRef(match)
		if !ok {
			failed = cmp.Or(failed, errors.New(refuse(match)))
			return match
		}
		value, err := lookup(ref)
		if err == nil && !utf8.ValidString(value) {
			err = fmt.Errorf("the value of %s is not UTF-8 text", ref)
		}
		failed = cmp.Or(failed, err)
		return value
	})
	return replaced, failed
}

// FindReferences lists the references in a text, in order.
func FindReferences(text string) (found []Ref) {
	for _, match := range reference.FindAllString(text, -1) {
		if ref, ok := parseRef(match); ok {
			found = append(found, ref)
		}
	}
	return found
}

func (e *expander) expandScalar(node *yaml.Node) {
	before := node.Value
	after := reference.ReplaceAllStringFunc(before, func(match string) string {
		if match == "$${" {
			return "${"
		}
		ref, ok := parseRef(match)
		if !ok {
			e.addFinding(node, "%s", refuse(match))
			return match
		}
		value, err := e.lookup(ref, e.positionOf(node))
		if err != nil {
			e.addFinding(node, "%v", err)
		}
		if !utf8.ValidString(value) {
			e.addFinding(node, "the value of %s is not UTF-8 text", ref)
		}
		return value
	})
	if after == before {
		return
	}
	e.changed = true
	node.Value, node.Tag, node.Style = after, "!!str", yaml.DoubleQuotedStyle
}

func (e *expander) positionOf(node *yaml.Node) schemas.Position {
	return schemas.Position{File: e.file, Line: node.Line, Col: node.Column}
}

func (e *expander) addFinding(node *yaml.Node, format string, args ...any) {
	e.findings = append(e.findings, schemas.Finding{Position: e.positionOf(node), Severity: schemas.Error,
		Message: fmt.Sprintf(format, args...)})
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
