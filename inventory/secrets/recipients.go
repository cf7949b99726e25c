package secrets

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
)

// recipient is a recipient with its text, as the sops section names it.
type recipient struct {
	age.Recipient
	text string
}

// String gives the text.
func (r recipient) String() string { return r.text }

// ParseRecipients reads recipients as sops does: age's own (age1…), SSH public keys (ssh-ed25519 …, ssh-rsa …) and those of
// age plug-ins (age1NAME1…), whose program is run when a Secret is sealed, and may ask the person at the terminal. Each
// text may be a list with commas, as in sops. Duplicates are dropped.
func ParseRecipients(texts []string) ([]age.Recipient, error) {
	var recipients []age.Recipient
	var seen []string
	for _, text := range strings.Split(strings.Join(texts, ","), ",") {
		if text = NormalRecipient(text); text == "" || slices.Contains(seen, text) {
			continue
		}
		seen = append(seen, text)
		parsed, err := parseRecipient(text)
		if err != nil {
			return nil, err
		}
		recipients = append(recipients, recipient{parsed, text})
	}
	return recipients, nil
}

// NormalRecipient is the text of a recipient without the comment of an SSH public key.
func NormalRecipient(text string) string {
	words := strings.Fields(text)
	if len(words) > 2 && strings.HasPrefix(words[0], "ssh-") {
		words = words[:2]
	}
	return strings.Join(words, " ")
}

// sshKeyType is the first word of an SSH public key: ssh-ed25519, ecdsa-sha2-nistp256, sk-ssh-ed25519@openssh.com. Source:
// sshd(8), AUTHORIZED_KEYS FILE FORMAT.
var sshKeyType = regexp.MustCompile(`^(sk-)?(ssh|ecdsa)-[a-z0-9-]+(@openssh\.com)?$`)

// parseSSHRecipient reads an SSH public key. age encrypts for two types of them alone.
func parseSSHRecipient(kind, text string) (age.Recipient, error) {
	if kind != "ssh-ed25519" && kind != "ssh-rsa" {
		return nil, fmt.Errorf("age cannot encrypt for an SSH key of type %s: give an ed25519 or rsa key, or one of age-keygen", kind)
	}
	parsed, err := agessh.ParseRecipient(text)
	if err != nil && strings.Contains(err.Error(), "too small") {
		return nil, fmt.Errorf("the SSH key %q is too short for age: give an rsa key of 2048 bits or more, or an ed25519 key", shortenRecipient(text))
	} else if err != nil {
		return nil, fmt.Errorf("%q is no SSH public key of type ed25519 or rsa: give the line of its .pub file", shortenRecipient(text))
	}
	return parsed, nil
}

func parseRecipient(text string) (age.Recipient, error) {
	if upper := strings.ToUpper(text); strings.HasPrefix(upper, "AGE-SECRET-KEY") || strings.HasPrefix(upper, "AGE-PLUGIN-") {
		return nil, errors.New("a recipient is an age identity, which is secret: " +
			"give its public half, see age-keygen -y FILE")
	}
	if kind, _, _ := strings.Cut(text, " "); sshKeyType.MatchString(kind) {
		return parseSSHRecipient(kind, text)
	}
	if parsed, err := age.ParseRecipients(strings.NewReader(text)); err == nil && len(parsed) == 1 {
		return parsed[0], nil
	}
	if _, _, err := plugin.ParseRecipient(text); err == nil {
		say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
		return plugin.NewRecipient(text, plugin.NewTerminalUI(say, say))
	}
	return nil, fmt.Errorf("%q is not an age recipient (age1…): see age-keygen -y FILE", shortenRecipient(text))
}
