package secrets

import (
	"errors"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/secrets/section"
	"github.com/gitmetal/ingot/schemas"
)

// IsScopeReviewed reports whether the MAC of a Secret's document leaves the scope out (mac_only_encrypted): the scope
// may then be changed without a key.
func IsScopeReviewed(document []byte) (bool, error) {
	_, m, err := section.Read(document)
	return m.MACOnlyEncrypted, err
}

// ReplaceScope gives a Secret's document, sealed or in clear, with another scope. In a sealed document the scope must
// be one that the MAC leaves out.
func ReplaceScope(document []byte, scope schemas.Scope) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil || len(root.Content) != 1 {
		return nil, errors.New("the Secret is not YAML")
	}
	spec := fieldOf(root.Content[0], "spec")
	if spec == nil {
		return nil, errors.New("the Secret has no spec")
	}
	if before := fieldOf(spec, "scope"); before != nil {
		after := encodeScope(scope)
		after.HeadComment, after.LineComment, after.FootComment = before.HeadComment, before.LineComment, before.FootComment
		*before = *after
		return encodeNode(&root)
	}
	spec.Content = append([]*yaml.Node{newText("scope"), encodeScope(scope)}, spec.Content...)
	return encodeNode(&root)
}

// fieldOf gives the value of a mapping's field, or nil.
func fieldOf(node *yaml.Node, name string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}
