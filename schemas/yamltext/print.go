package yamltext

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes nodes as YAML in flow style (that of JSON), each in the line and, where there is room, in the column it was read from, so
// that what a later reader finds is at the writer's line. Texts are quoted, so that they stay what they are.
func Print(root *yaml.Node) []byte {
	p := printer{line: 1, col: 1}
	p.node(root)
	p.text("\n")
	return []byte(p.out.String())
}

type printer struct {
	out       strings.Builder
	line, col int
}

func (p *printer) text(s string) {
	p.out.WriteString(s)
	p.col += len([]rune(s))
}

// moveTo goes on to a node's place; there is no way back.
func (p *printer) moveTo(node *yaml.Node) {
	for ; p.line < node.Line; p.line++ {
		p.out.WriteByte('\n')
		p.col = 1
	}
	for ; p.line == node.Line && p.col < node.Column; p.col++ {
		p.out.WriteByte(' ')
	}
}

func (p *printer) node(node *yaml.Node) {
	p.moveTo(node)
	if Tagged(node) {
		p.text(node.Tag + " ")
	}
	switch node.Kind {
	case yaml.MappingNode:
		p.text("{")
		for i := 0; i+1 < len(node.Content); i += 2 {
			p.node(node.Content[i])
			p.text(": ")
			p.node(node.Content[i+1])
			p.text(",")
		}
		p.text("}")
	case yaml.SequenceNode:
		p.text("[")
		for _, item := range node.Content {
			p.node(item)
			p.text(",")
		}
		p.text("]")
	case yaml.ScalarNode:
		p.text(scalarText(node))
	}
}

// scalarText quotes texts. Numbers and their like stay as they were written; what stands for null becomes null.
func scalarText(node *yaml.Node) string {
	switch {
	case Quoted(node) || Tagged(node) || node.ShortTag() == "!!str":
		return quote(node.Value)
	case node.ShortTag() == "!!null":
		return "null"
	default:
		return node.Value
	}
}

// quote writes a text in double quotes, in one line of ASCII (YAML 1.2.2, 5.7: \x, \u and \U take 2, 4 and 8 hex digits).
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
