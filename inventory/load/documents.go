package load

import (
	"bytes"
	"encoding/binary"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

var versionField, versionPrefix = []byte("apiVersion"), []byte("ingot.dev/")

// versionLine is the usual first line of a document. versionPair is the same in any spelling, such as JSON.
var (
	versionLine = regexp.MustCompile(`(?m)^apiVersion:[ \t]*["']?ingot\.dev/`)
	versionPair = regexp.MustCompile(`["']?apiVersion["']?\s*:\s*["']?ingot\.dev/`)
)

// declaresDocument reports whether a file is a document of the fleet: apiVersion: ingot.dev/… stands at the top of one of
// its YAML documents. A file in UTF-16, or one that cannot be parsed, counts too when it has these words: the reader
// then says what is wrong with the file.
func declaresDocument(data []byte) bool {
	if hasUTF16Mark(data) {
		data = readUTF16(data)
	}
	if !bytes.Contains(data, versionField) || !bytes.Contains(data, versionPrefix) {
		return false
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if versionLine.Match(data) {
		return true
	}
	roots, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	return problem != nil && versionPair.Match(data) || slices.ContainsFunc(roots, declaresVersion)
}

// declaresVersion reports whether a YAML document has an apiVersion of the fleet.
func declaresVersion(root *yaml.Node) bool {
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == string(versionField) {
			return strings.HasPrefix(root.Content[i+1].Value, string(versionPrefix))
		}
	}
	return false
}

func hasUTF16Mark(data []byte) bool {
	return bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff})
}

// readUTF16 gives the text of a file in UTF-16 with a byte order mark.
func readUTF16(data []byte) []byte {
	var order binary.ByteOrder = binary.BigEndian
	if data[0] == 0xff {
		order = binary.LittleEndian
	}
	units := make([]uint16, 0, len(data)/2)
	for rest := data[2:]; len(rest) > 1; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units)))
}

// isYAML reports whether a file is named as YAML, and neither the file nor a folder above is hidden.
func isYAML(file string) bool {
	ext := path.Ext(file)
	return (ext == ".yaml" || ext == ".yml") && !isHidden(file)
}

// isMisnamed reports whether a file has an ending under which people keep documents, and which is not read.
func isMisnamed(file string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(file))) && !isYAML(file) &&
		!isHidden(file)
}

func isHidden(file string) bool { return strings.HasPrefix(file, ".") || strings.Contains(file, "/.") }

// misnamedFinding reports a document in a file that is not read.
func misnamedFinding(file string) schemas.Finding {
	return schemas.Finding{Position: schemas.Position{File: file, Line: 1, Col: 1}, Severity: schemas.Error,
		Message: "a document of the fleet is read from a file that ends in .yaml or .yml",
		Hint:    "rename the file; JSON is YAML, too"}
}
