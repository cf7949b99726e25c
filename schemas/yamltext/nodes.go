package yamltext

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth is the deepest level that WalkNodes visits.
const maxDepth = 64

const quotedStyle = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// ambiguous matches plain scalars that YAML 1.1 and 1.2 read differently, or that are rarely meant as they are read.
var ambiguous = regexp.MustCompile(`^([yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF|` +
	`[-+]?0[0-9_]+|[-+]?0[xXoObB][0-9a-fA-F_]+|[-+]?[0-9]+_[0-9_]*|[-+]?[0-9]+(:[0-5]?[0-9])+)$`)

// IsQuoted reports whether a scalar is in quotes, or a block.
func IsQuoted(node *yaml.Node) bool { return node.Style&quotedStyle != 0 }

// IsTagged reports whether a node has an explicit tag.
func IsTagged(node *yaml.Node) bool { return node.Style&yaml.TaggedStyle != 0 }

// IsText reports whether every YAML reader takes a scalar for a text.
func IsText(node *yaml.Node) bool {
	return IsQuoted(node) || (node.ShortTag() == "!!str" && !ambiguous.MatchString(node.Value))
}

// ReadBool reads true or false. Words such as yes and on are not ok.
func ReadBool(node *yaml.Node) (value, ok bool) {
	return node.Value == "true", !IsQuoted(node) && (node.Value == "true" || node.Value == "false")
}

// ReadInt reads a plain decimal number of at most 32 bits.
func ReadInt(node *yaml.Node) (int, bool) {
	n, err := strconv.ParseInt(node.Value, 10, 32)
	return int(n), !IsQuoted(node) && node.ShortTag() == "!!int" && !ambiguous.MatchString(node.Value) && err == nil
}

// decimal is a number as JSON writes numbers (RFC 8259, 6).
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// ReadExact reads a scalar that every YAML reader takes for the same text, number or truth value; not ok for others.
func ReadExact(node *yaml.Node) (any, bool) {
	if value, ok := ReadBool(node); ok {
		return value, true
	}
	if IsText(node) {
		return node.Value, true
	}
	tag := node.ShortTag()
	if !decimal.MatchString(node.Value) || tag != "!!int" && tag != "!!float" {
		return nil, false
	}
	return json.Number(node.Value), true
}

// ReadAny reads a scalar of a foreign document as JSON would. Floats stay texts.
func ReadAny(node *yaml.Node) any {
	if IsQuoted(node) {
		return node.Value
	}
	switch node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(node.Value, "true")
	case "!!int":
		if n, err := strconv.ParseInt(node.Value, 10, 64); err == nil {
			return n
		}
	}
	return node.Value
}

// WalkNodes visits every node, parents first, and stops at aliases and at maxDepth.
func WalkNodes(root *yaml.Node, visit func(*yaml.Node)) []*Problem { return walkBelow(root, visit, 0) }

// WalkTexts visits the scalars below a node in their order, each with the path of its field, such as spec.steps[0].step.
func WalkTexts(node *yaml.Node, visit func(path string, text *yaml.Node)) { walkTexts(node, "", visit) }

func walkTexts(node *yaml.Node, path string, visit func(string, *yaml.Node)) {
	switch node.Kind {
	case yaml.ScalarNode:
		visit(path, node)
	case yaml.SequenceNode:
		for i, item := range node.Content {
			walkTexts(item, fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			walkTexts(node.Content[i+1], strings.TrimPrefix(path+"."+node.Content[i].Value, "."), visit)
		}
	}
}

func walkBelow(node *yaml.Node, visit func(*yaml.Node), depth int) []*Problem {
	if depth > maxDepth {
		return []*Problem{{Line: node.Line, Col: node.Column,
			Message: fmt.Sprintf("nested deeper than %d levels", maxDepth)}}
	}
	if node.Kind == yaml.AliasNode {
		return []*Problem{{Line: node.Line, Col: node.Column, Message: "aliases are not read",
			Hint: "write the value where it is used"}}
	}
	visit(node)
	var problems []*Problem
	for _, child := range node.Content {
		problems = append(problems, walkBelow(child, visit, depth+1)...)
	}
	return problems
}
