package yamltext

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// PrintNodes writes nodes as YAML in flow style (JSON's style), each in its original line and, where there is room, in
// its original column, so that findings of a later reader name the author's line. Texts are quoted, so that they stay
// texts.
func PrintNodes(root *yaml.Node) []byte {
	p := printer{line: 1, col: 1}
	p.writeNode(root)
	p.writeText("\n")
	return []byte(p.out.String())
}

type printer struct {
	out       strings.Builder
	line, col int
}

func (p *printer) writeText(s string) {
	p.out.WriteString(s)
	p.col += len([]rune(s))
}

// moveTo writes spaces and line ends up to a node's place, never back.
func (p *printer) moveTo(node *yaml.Node) {
	for ; p.line < node.Line; p.line++ {
		p.out.WriteByte('\n')
		p.col = 1
	}
	for ; p.line == node.Line && p.col < node.Column; p.col++ {
		p.out.WriteByte(' ')
	}
}

func (p *printer) writeNode(node *yaml.Node) {
	p.moveTo(node)
	if IsTagged(node) {
		p.writeText(node.Tag + " ")
	}
	switch node.Kind {
	case yaml.MappingNode:
		p.writeText("{")
		for i := 0; i+1 < len(node.Content); i += 2 {
			p.writeNode(node.Content[i])
			p.writeText(": ")
			p.writeNode(node.Content[i+1])
			p.writeText(",")
		}
		p.writeText("}")
	case yaml.SequenceNode:
		p.writeText("[")
		for _, item := range node.Content {
			p.writeNode(item)
			p.writeText(",")
		}
		p.writeText("]")
	case yaml.ScalarNode:
		p.writeText(scalarText(node))
	}
}

// scalarText quotes texts. Numbers and booleans stay as written; every null becomes null.
func scalarText(node *yaml.Node) string {
	switch {
	case IsQuoted(node) || IsTagged(node) || node.ShortTag() == "!!str":
		return quoteText(node.Value)
	case node.ShortTag() == "!!null":
		return "null"
	default:
		return node.Value
	}
}

// quoteText writes a text in double quotes, in one line of ASCII (YAML 1.2.2, 5.7: \x, \u and \U take 2, 4 and 8 hex
// digits).
func quoteText(text string) string {
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
