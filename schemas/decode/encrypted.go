package decode

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
)

// IsEncrypted reports whether sops encrypted a value.
func IsEncrypted(value string) bool { return strings.HasPrefix(value, "ENC[AES256_GCM,") }

// reportEncrypted replaces what is found at encrypted values of fields that must be readable without a key: only the data
// of a Secret may be encrypted.
func reportEncrypted(d schemas.Document, root *yaml.Node, findings []schemas.Finding) []schemas.Finding {
	for _, value := range listEncrypted(d.Kind, root) {
		findings = slices.DeleteFunc(findings, func(f schemas.Finding) bool { return f.Line == value.node.Line && f.Col == value.node.Column })
		message, hint := "sops encrypted the value, and it must be read without a key", "encrypt the file again, with --encrypted-regex '^data$'"
		if d.Kind != schemas.KindSecret && d.Kind != "" {
			message, hint = "the value is encrypted, and only the data of a Secret may be", "write it in clear, or put it into a Secret"
		}
		findings = append(findings, schemas.Finding{Position: schemas.Position{File: d.File, Line: value.node.Line, Col: value.node.Column},
			Severity: schemas.Error, Field: value.field, Message: message, Hint: hint})
	}
	return findings
}

// encryptedValue is an encrypted value with the place in its document.
type encryptedValue struct {
	field string
	node  *yaml.Node
}

// listEncrypted lists the encrypted values of fields that must be readable.
func listEncrypted(kind string, root *yaml.Node) (list []encryptedValue) {
	var walk func(field string, node *yaml.Node)
	walk = func(field string, node *yaml.Node) {
		sealed := field == "sops" || (kind == schemas.KindSecret || kind == "") && (field == "spec.data" || field == "spec.binaryData")
		switch {
		case sealed:
		case node.Kind == yaml.ScalarNode && IsEncrypted(node.Value):
			list = append(list, encryptedValue{field, node})
		case node.Kind == yaml.SequenceNode:
			for _, item := range node.Content {
				walk(field+"[]", item)
			}
		case node.Kind == yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				walk(strings.TrimPrefix(field+"."+node.Content[i].Value, "."), node.Content[i+1])
			}
		}
	}
	walk("", root)
	return list
}
