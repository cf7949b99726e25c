package refs

import (
	"go.yaml.in/yaml/v3"
)

// FindWholeTexts gives the places of the texts that a config writes into files (storage.files[].contents.inline and
// append[].inline) and that are one reference, whole. There a secret may be bytes.
func FindWholeTexts(root *yaml.Node) map[[2]int]bool {
	places := map[[2]int]bool{}
	eachWhole(root, func(_, text *yaml.Node, _ Ref) { places[[2]int{text.Line, text.Column}] = true })
	return places
}

// ReplaceBinary has a config write the bytes of secrets into files: inline: ${secret.x.y} becomes a source with the
// bytes, which the value gives as base64. Every value keeps its line. changed is false where no such text was found.
func ReplaceBinary(root *yaml.Node, binary map[Secret]bool) (changed bool) {
	eachWhole(root, func(name, text *yaml.Node, ref Ref) {
		if binary[ref.Secret] {
			name.Value, text.Value, text.Style, changed = "source", "data:;base64,"+ref.String(), yaml.DoubleQuotedStyle, true
		}
	})
	return changed
}

// eachWhole visits the texts of FindWholeTexts: the field's name, the text, and the reference.
func eachWhole(root *yaml.Node, visit func(name, text *yaml.Node, ref Ref)) {
	inline := func(content *yaml.Node) {
		for i := 0; content != nil && content.Kind == yaml.MappingNode && i+1 < len(content.Content); i += 2 {
			name, text := content.Content[i], content.Content[i+1]
			if name.Value != "inline" || text.Kind != yaml.ScalarNode {
				continue
			}
			if found := FindReferences(text.Value); len(found) == 1 && found[0].String() == text.Value {
				visit(name, text, found[0])
			}
		}
	}
	files := fieldOf(fieldOf(root, "storage"), "files")
	if files == nil || files.Kind != yaml.SequenceNode {
		return
	}
	for _, file := range files.Content {
		inline(fieldOf(file, "contents"))
		if appended := fieldOf(file, "append"); appended != nil && appended.Kind == yaml.SequenceNode {
			for _, content := range appended.Content {
				inline(content)
			}
		}
	}
}

// fieldOf gives the value of a mapping's field, or nil.
func fieldOf(node *yaml.Node, name string) *yaml.Node {
	for i := 0; node != nil && node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}
