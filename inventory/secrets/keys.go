package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

// Keys are the identities that open Secrets.
type Keys struct{ identities []age.Identity }

// Recipients are the age recipients (age1…) whose Secrets the keys open, as far as the keys themselves tell: an
// identity of an age plug-in or an SSH key does not.
func (k Keys) Recipients() (texts []string) {
	for _, identity := range k.identities {
		switch own := identity.(type) {
		case *age.X25519Identity:
			texts = append(texts, own.Recipient().String())
		case *age.HybridIdentity:
			texts = append(texts, own.Recipient().String())
		}
	}
	return texts
}

// HasOthers reports whether there are keys of which Recipients says nothing.
func (k Keys) HasOthers() bool { return len(k.Recipients()) < len(k.identities) }

// maxKeys is the largest file of identities, in bytes.
const maxKeys = 1 << 20

// Plugins gives the identity of an age plug-in, AGE-PLUGIN-NAME-1…, as the caller runs plug-ins: with a person's
// answers, or with a deadline (package ageplugin).
type Plugins func(text string) (age.Identity, error)

// LoadKeys reads a file of age identities (age-keygen's), one a line, also of plug-ins; or the private half of an SSH
// key without a passphrase, of type ed25519 or rsa.
func LoadKeys(file string, plugins Plugins) (Keys, error) {
	f, err := os.Open(file)
	if err != nil {
		return Keys{}, fmt.Errorf("age keys: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeys))
	if err != nil {
		return Keys{}, fmt.Errorf("age keys: %w", err)
	}
	identities, err := parseIdentities(data, plugins)
	if err != nil {
		return Keys{}, fmt.Errorf("age keys %s: %w", file, err)
	}
	return Keys{identities}, nil
}

// errKeys quotes nothing of the file, which is secret.
var errKeys = errors.New("not a file of age identities")

func parseIdentities(data []byte, plugins Plugins) (identities []age.Identity, err error) {
	if bytes.HasPrefix(data, []byte("-----BEGIN")) {
		identity, err := agessh.ParseIdentity(data)
		switch {
		case errors.As(err, new(*ssh.PassphraseMissingError)):
			return nil, errors.New("the SSH key has a passphrase, which nobody could type: name a key without one")
		case err != nil:
			return nil, errors.New("not a private SSH key of type ed25519 or rsa")
		}
		return []age.Identity{identity}, nil
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "AGE-PLUGIN-"):
			identity, err := plugins(line)
			if err != nil {
				return nil, err
			}
			identities = append(identities, identity)
		default:
			parsed, err := age.ParseIdentities(strings.NewReader(line))
			if err != nil {
				return nil, errKeys
			}
			identities = append(identities, parsed...)
		}
	}
	if len(identities) == 0 {
		return nil, errKeys
	}
	return identities, nil
}

// notePlugin keeps what is worth telling of a failure to open: a wrong key is nothing, a plug-in that failed is.
func notePlugin(before, err error) error {
	if wrong := new(age.NoIdentityMatchError); before != nil || errors.As(err, &wrong) {
		return before
	}
	return err
}

// maxRecipient is how much of a recipient an error repeats; that of an SSH key has a line of several hundred
// characters.
const maxRecipient = 70

// nameRecipients names a few recipients in an error, each by its start and its end.
func nameRecipients(recipients []string) string {
	const most, start, end = 3, 12, 4
	var names []string
	for _, text := range recipients[:min(most, len(recipients))] {
		if len(text) > 2*start {
			text = text[:start] + "…" + text[len(text)-end:]
		}
		names = append(names, strings.ToValidUTF8(text, "?"))
	}
	if more := len(recipients) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func shortenRecipient(text string) string {
	if len(text) > maxRecipient {
		return text[:maxRecipient] + "…"
	}
	return text
}
