package load

import (
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

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
