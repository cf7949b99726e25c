package butane

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
)

// hintHead is how a Butane document begins.
const hintHead = "begin with variant: fcos and a version, such as version: 1.6.0"

// CheckDocument reports what Butane could not begin with, each at its line: a document that is empty or no mapping, a
// missing variant or version, fields that are written twice. The root is nil for an empty file.
func CheckDocument(file string, root *yaml.Node) (findings []schemas.Finding) {
	report := func(node *yaml.Node, field, hint, message string) {
		at := schemas.Position{File: file, Line: 1, Col: 1}
		if node != nil {
			at.Line, at.Col = node.Line, node.Column
		}
		findings = append(findings, schemas.Finding{Position: at, Severity: schemas.Error, Field: field, Message: message, Hint: hint})
	}
	switch {
	case root == nil:
		report(nil, "", hintHead, "the Butane file is empty")
		return findings
	case root.Kind != yaml.MappingNode:
		report(root, "", hintHead, "a Butane document is a mapping")
		return findings
	}
	for _, field := range []string{"variant", "version"} {
		switch nodes := SelectNodes([]*yaml.Node{root}, field); {
		case len(nodes) == 0:
			report(root, field, hintHead, "the field is missing")
		case nodes[0].Kind != yaml.ScalarNode:
			report(nodes[0], field, hintHead, "want a text")
		case nodes[0].Value == "":
			report(nodes[0], field, hintHead, "the field is empty")
		}
	}
	findDuplicates(root, report)
	return findings
}

// findDuplicates reports the fields that a mapping has twice.
func findDuplicates(node *yaml.Node, report func(node *yaml.Node, field, hint, message string)) {
	if node.Kind == yaml.MappingNode {
		first := map[string]int{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if line, twice := first[key.Value]; twice {
				report(key, key.Value, fmt.Sprintf("the first is in line %d", line), "the field is written twice")
				continue
			}
			first[key.Value] = key.Line
		}
	}
	for _, child := range node.Content {
		findDuplicates(child, report)
	}
}
