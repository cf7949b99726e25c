// Package butane says whether two Butane documents mean the same system, however they are spelled.
//
// DigestConfig gives the digests to compare: two documents with an equal Config, or an equal Meaning, are the same. Do not
// compare the bytes of Butane files. Do not change how a digest is made: the records of every fleet hold them. A digest
// that sees through more spellings is a further field of Digests.
package butane

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/digest"
)

// Digests are the digests of a document and of the files that it names.
type Digests struct {
	// Config does not change with comments, quotes, styles, line endings and the order of fields. A number stays as it is
	// written, a file has its name and its bytes, and the tag of each value counts.
	Config string
	// Meaning does not change with the spelling of a number, of a boolean or of a file's name, with fields that are empty,
	// nor where bytes are written inline that were in a file before.
	Meaning string
}

// Files are the files that a document names, by their names relative to the directory of the document, as path.Clean
// writes them.
type Files struct {
	Data       map[string][]byte
	Executable map[string]bool
}

// DigestConfig digests a parsed document, with its references, such as ${vars.site}, as they are written.
func DigestConfig(root *yaml.Node, files Files) Digests {
	return Digests{Config: digestWritten(root, files), Meaning: digestMeaning(root, files)}
}

// digestWritten gives Digests.Config. The executable bit counts where Butane copies it from a file: below storage.trees.
func digestWritten(root *yaml.Node, files Files) string {
	texts := []string{"butane config v1", describeNode(root)}
	inTrees := findTreeNames(root)
	for _, name := range slices.Sorted(maps.Keys(files.Data)) {
		executable := files.Executable[name] && slices.ContainsFunc(inTrees, func(tree string) bool {
			_, inside := PathInside(path.Clean(tree), name)
			return inside
		})
		texts = append(texts, name, string(files.Data[name]), strconv.FormatBool(executable))
	}
	return digest.Texts(texts...)
}

// describeNode writes a node without its spelling: comments, quotes, styles, line endings and the order of fields are
// gone. Aliases are not read (refs.ReplaceReferences refuses them).
func describeNode(node *yaml.Node) string {
	switch node.Kind {
	case yaml.DocumentNode, yaml.SequenceNode:
		var items []string
		for _, child := range node.Content {
			items = append(items, describeNode(child))
		}
		return digest.Texts(append([]string{"list"}, items...)...)
	case yaml.MappingNode:
		var fields []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			fields = append(fields, digest.Texts(describeNode(node.Content[i]), describeNode(node.Content[i+1])))
		}
		slices.Sort(fields)
		return digest.Texts(append([]string{"map"}, fields...)...)
	default:
		return digest.Texts("value", node.ShortTag(), node.Value)
	}
}

// findTreeNames finds the directories that a config copies whole.
func findTreeNames(root *yaml.Node) (names []string) {
	for _, tree := range SelectNodes([]*yaml.Node{root}, "storage", "trees", "", "local") {
		names = append(names, tree.Value)
	}
	return names
}

// SelectNodes gives the nodes at a path. The field "" stands for every item of a list.
func SelectNodes(nodes []*yaml.Node, path ...string) []*yaml.Node {
	for _, field := range path {
		var next []*yaml.Node
		for _, node := range nodes {
			switch {
			case node.Kind == yaml.SequenceNode && field == "":
				next = append(next, node.Content...)
			case node.Kind == yaml.MappingNode && field != "":
				for i := 0; i+1 < len(node.Content); i += 2 {
					if node.Content[i].Value == field {
						next = append(next, node.Content[i+1])
					}
				}
			}
		}
		nodes = next
	}
	return nodes
}

// PathInside gives a file's path relative to a directory that holds the file.
func PathInside(dir, file string) (string, bool) {
	if dir == "." {
		return file, true
	}
	return strings.CutPrefix(file, dir+"/")
}
