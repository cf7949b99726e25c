package ignition

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// placeFindings gives each finding about a config a line: where Butane names none, the line of the field that the
// finding is about, of a path that its message names, of the version, or the first line.
func placeFindings(b inventory.Butane, findings []schemas.Finding) {
	root, problems := refs.ParseFile(b.Path, b.Source)
	if root == nil || len(problems) > 0 {
		return // the finding is about the YAML, with its line
	}
	for i, f := range findings {
		if f.Line != 0 || f.File != b.Path {
			continue
		}
		node := findField(root, strings.Split(f.Field, "."))
		if f.Field == "" {
			node = findNamed(root, f.Message)
		}
		findings[i].Line, findings[i].Col = node.Line, node.Column
	}
}

// findField gives the node of a field, or the nearest node above.
func findField(node *yaml.Node, path []string) *yaml.Node {
	for _, name := range path {
		next := childOf(node, name)
		if next == nil {
			break
		}
		node = next
	}
	return node
}

func childOf(node *yaml.Node, name string) *yaml.Node {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i]
		}
	}
	return nil
}

// ours begin the values by which a workload's config clashes with the host's own part.
var ours = []string{"/etc/ingot", "/etc/hostname", "/etc/NetworkManager/", "ingot-"}

// findNamed gives the first value of an absolute path that a message names, else the version, else the root.
func findNamed(root *yaml.Node, message string) *yaml.Node {
	words := strings.FieldsFunc(message, func(r rune) bool { return strings.ContainsRune(" \t\"'`,:;()", r) })
	clash := strings.Contains(message, "clashes with what this host gets")
	var found *yaml.Node
	var visit func(*yaml.Node)
	visit = func(node *yaml.Node) {
		named := strings.HasPrefix(node.Value, "/") && slices.Contains(words, node.Value) ||
			clash && slices.ContainsFunc(ours, func(path string) bool { return strings.HasPrefix(node.Value, path) })
		if found == nil && node.Kind == yaml.ScalarNode && named {
			found = node
		}
		for _, child := range node.Content {
			visit(child)
		}
	}
	visit(root)
	if found != nil {
		return found
	}
	return findField(root, []string{"version"})
}
