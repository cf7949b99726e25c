package decode

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/strict"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

const (
	versionField = "apiVersion"
	ownGroup     = "ingot.dev"
)

// versionLine is the usual first line of a document. versionPair is the same in any spelling, such as JSON, and with any
// end. kindPair is a kind of the fleet.
var (
	versionLine = regexp.MustCompile(`(?m)^apiVersion:[ \t]*["']?ingot\.dev/`)
	versionPair = regexp.MustCompile(`(?i)["']?apiVersion["']?\s*:\s*["']?ingot\.dev`)
	kindPair    = regexp.MustCompile(`(?i)["']?kind["']?\s*:\s*["']?(?:` + strings.Join(schemas.Kinds, "|") + `)\b`)
)

// DeclaresDocument reports whether a file is meant as a document of the fleet: apiVersion: ingot.dev/… stands at the top
// of one of its YAML documents or of an item of a list, or a document has a kind of the fleet and no apiVersion, or a
// misspelt one. A file in another encoding, or one that cannot be parsed, counts too when it has the words of apiVersion:
// the reader then says what is wrong with the file.
func DeclaresDocument(data []byte) bool {
	data = readWords(data)
	if versionLine.Match(data) {
		return true
	}
	if !hasWords(data) {
		return false
	}
	roots, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	return problem != nil && (versionPair.Match(data) || len(findByLines(data)) > 0) || slices.ContainsFunc(listItems(roots), isMeant)
}

// hasWords reports whether a text has words that each document has in one spelling or another.
func hasWords(data []byte) bool { return versionPair.Match(data) || kindPair.Match(data) }

// listItems gives the documents with the items of those that are lists, also of a List of Kubernetes.
func listItems(roots []*yaml.Node) []*yaml.Node {
	all := slices.Clone(roots)
	for _, root := range roots {
		if root.Kind == yaml.SequenceNode {
			all = append(all, root.Content...)
		} else if items := fieldOf(root, "items"); items != nil && items.Kind == yaml.SequenceNode {
			all = append(all, items.Content...)
		}
	}
	return all
}

// isMeant reports whether a YAML document is meant as one of the fleet.
func isMeant(root *yaml.Node) bool {
	version := fieldOf(root, versionField)
	if version != nil && strings.HasPrefix(strings.ToLower(version.Value), ownGroup) {
		return true
	}
	return hasKind(root) && (version == nil || isMisspelt(version.Value))
}

// hasKind reports whether a YAML document has the outline of a document of the fleet: a kind of the fleet's, metadata and
// spec.
func hasKind(root *yaml.Node) bool {
	kind := fieldOf(root, "kind")
	return kind != nil && slices.ContainsFunc(schemas.Kinds, func(known string) bool { return strings.EqualFold(known, kind.Value) }) &&
		fieldOf(root, "metadata") != nil && fieldOf(root, "spec") != nil
}

// bareVersion is the version of an API whose group a person forgot. Of Kubernetes only v1 has no group.
var bareVersion = regexp.MustCompile(`^v[0-9]+(alpha|beta)[0-9]+$`)

// isMisspelt reports whether an apiVersion was plainly meant as the fleet's: ingot is a word of its group, the group is
// two letters away from ingot.dev, or there is none.
func isMisspelt(version string) bool {
	group, _, _ := strings.Cut(strings.ToLower(version), "/")
	words := strings.FieldsFunc(group, func(r rune) bool { return r < 'a' || r > 'z' })
	return bareVersion.MatchString(group) || slices.Contains(words, "ingot") || yamltext.EditDistance(group, ownGroup) <= 2
}

// ListForeign lists the documents of a YAML file that have an apiVersion of others, but a kind of the fleet and nothing
// that this kind does not have: they may be meant for the fleet, and are not read.
func ListForeign(data []byte) (found []Unread) {
	if !kindPair.Match(data) {
		return nil
	}
	roots, _ := yamltext.ParseDocuments(data, schemas.MaxFile) // as far as the file can be parsed
	for _, root := range listItems(roots) {
		if hasKind(root) && fitsKind(root) {
			found = append(found, describeUnread(root))
		}
	}
	return found
}

// fitsKind reports whether a document has fields of its kind only, and at least one in spec.
func fitsKind(root *yaml.Node) bool {
	var d schemas.Document
	target := d.AllocateKind(fieldOf(root, "kind").Value)
	if target == nil || len(fieldOf(root, "spec").Content) == 0 {
		return false
	}
	fields, _ := strict.Rules{IsArgument: isArgument}.ReadNode(root, target)
	return !fields.IsMisspelt("") && !fields.IsMisspelt("metadata") && !fields.IsMisspelt("spec")
}

// fieldOf gives the value of a mapping's field, in any case, or nil.
func fieldOf(node *yaml.Node, name string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if strings.EqualFold(node.Content[i].Value, name) {
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
