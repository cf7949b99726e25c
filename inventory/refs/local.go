package refs

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// localFields are the fields of Butane that name files of the author's machine. Here these are files of the same
// commit.
var localFields = []string{"local", "contents_local", "ssh_authorized_keys_local"}

// FindLocalNames finds the scalars of a config that name files or directories of the author's machine.
func FindLocalNames(root *yaml.Node) []*yaml.Node {
	var names []*yaml.Node
	yamltext.WalkNodes(root, func(node *yaml.Node) { // noteReferences reports the nodes that Walk refuses
		if node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !slices.Contains(localFields, node.Content[i].Value) {
				continue
			}
			for _, value := range append([]*yaml.Node{node.Content[i+1]}, node.Content[i+1].Content...) {
				if value.Kind == yaml.ScalarNode {
					names = append(names, value)
				}
			}
		}
	})
	return names
}
