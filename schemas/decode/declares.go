package decode

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

var versionField, versionPrefix = []byte("apiVersion"), []byte("ingot.dev")

// versionLine is the usual first line of a document. versionPair is the same in any spelling, such as JSON. kindPair is a
// kind of the fleet.
var (
	versionLine = regexp.MustCompile(`(?m)^apiVersion:[ \t]*["']?ingot\.dev/`)
	versionPair = regexp.MustCompile(`["']?apiVersion["']?\s*:\s*["']?ingot\.dev`)
	kindPair    = regexp.MustCompile(`["']?kind["']?\s*:\s*["']?(?:` + strings.Join(schemas.Kinds, "|") + `)\b`)
)

// DeclaresDocument reports whether a file is meant as a document of the fleet: apiVersion: ingot.dev/… stands at the top
// of one of its YAML documents or of an item of a list, or a document has a kind of the fleet and no apiVersion. A file in
// another encoding, or one that cannot be parsed, counts too when it has the words of apiVersion: the reader then says
// what is wrong with the file.
func DeclaresDocument(data []byte) bool {
	data = readWords(data)
	if versionLine.Match(data) {
		return true
	}
	versioned := bytes.Contains(data, versionField) && bytes.Contains(data, versionPrefix)
	if !versioned && !kindPair.Match(data) {
		return false
	}
	roots, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	return problem != nil && versionPair.Match(data) || slices.ContainsFunc(roots, isMeant)
}

// isMeant reports whether a YAML document is meant as one of the fleet.
func isMeant(root *yaml.Node) bool {
	if root.Kind == yaml.SequenceNode {
		return slices.ContainsFunc(root.Content, declaresVersion)
	}
	if items := fieldOf(root, "items"); items != nil && slices.ContainsFunc(items.Content, declaresVersion) {
		return true
	}
	kind := fieldOf(root, "kind")
	return declaresVersion(root) || kind != nil && slices.Contains(schemas.Kinds, kind.Value) &&
		fieldOf(root, string(versionField)) == nil && fieldOf(root, "metadata") != nil && fieldOf(root, "spec") != nil
}

// declaresVersion reports whether a YAML document has an apiVersion of the fleet.
func declaresVersion(root *yaml.Node) bool {
	version := fieldOf(root, string(versionField))
	return version != nil && strings.HasPrefix(version.Value, string(versionPrefix))
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

// readWords gives the ASCII words of a text, also in UTF-16 or UTF-32, with and without a byte order mark.
func readWords(data []byte) []byte {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff", "\x00\x00\xfe\xff"} {
		data = bytes.TrimPrefix(data, []byte(mark))
	}
	if bytes.IndexByte(data[:min(len(data), 4)], 0) < 0 {
		return data
	}
	return bytes.ReplaceAll(data, []byte{0}, nil)
}
