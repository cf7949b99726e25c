package ignition

import (
	"encoding/base64"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// placeBinary gives the source of a config in which secrets that are bytes are the content of files. Their values are
// base64.
func placeBinary(b inventory.Butane) []byte {
	if len(b.Binary) == 0 {
		return b.Source
	}
	root, findings := refs.ParseFile(b.Path, b.Source)
	if root == nil || len(findings) > 0 || !refs.ReplaceBinary(root, b.Binary) {
		return b.Source
	}
	return yamltext.PrintNodes(root)
}

// standIn gives a text in place of a secret's value, in the form that the value has.
func standIn(b *inventory.Butane, ref refs.Secret, text string) secret.Value {
	if b != nil && b.Binary[ref] {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return secret.New(text)
}
