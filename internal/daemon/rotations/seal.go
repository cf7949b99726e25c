package rotations

import (
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// AgeSealer is the Sealer of Secrets that the daemon's own age keys open.
type AgeSealer struct {
	Keys secrets.Keys
	Mask func(secret.Value) // takes a password that is to be masked wherever the daemon shows something
	Now  func() time.Time
}

// Open implements Sealer.
func (s AgeSealer) Open(document string) (map[string]secret.Value, error) {
	data, err := secrets.OpenSecret([]byte(document), s.Keys)
	if err == nil {
		s.Mask(data["password"])
	}
	return data, err
}

// Seal implements Sealer: the same Secret for the same recipients, with another password.
func (s AgeSealer) Seal(document string, password secret.Value) (string, error) {
	s.Mask(password)
	clear, err := secrets.RevealText([]byte(document), s.Keys)
	if err != nil {
		return "", err
	}
	roots, problem := yamltext.ParseDocuments(clear, schemas.MaxFile)
	if problem != nil || len(roots) != 1 {
		return "", errors.New("the Secret's file has more than its Secret")
	}
	edited, err := yamltext.SetValue(clear, roots[0], []string{"spec", "data", "password"}, password.Reveal())
	if err != nil {
		return "", fmt.Errorf("spec.data.password: %w", err)
	}
	texts, err := secrets.ListRecipients([]byte(document))
	if err != nil {
		return "", err
	}
	recipients, err := secrets.ParseRecipients(texts)
	if err != nil {
		return "", err
	}
	sealed, err := secrets.SealText(edited, []byte(document), recipients, s.Now())
	return string(sealed), err
}
