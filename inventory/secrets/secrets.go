// Package secrets opens and makes the fleet's Secrets: SOPS files with a data key that is wrapped for age recipients.
// Call LoadKeys, then OpenSecret to read, SealSecret to write. The package reads only the part of SOPS that it
// understands wholly: a file that it cannot check is not opened. Do not put values into errors or logs.
package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets/section"
)

// sopsVersion is written into new files: the version of the format that this package follows.
const sopsVersion = "3.9.0"

// OtherKeys means that a Secret is for keys of other types, and that no age key opens it.
type OtherKeys struct {
	Kinds []string // fields of the sops section
	Why   error    // why no age key opens the Secret
}

// Error names the types of keys.
func (e OtherKeys) Error() string {
	return fmt.Sprintf("the Secret is for keys of sops.%s: %v", strings.Join(e.Kinds, ", sops."), e.Why)
}

func (e OtherKeys) Unwrap() error { return e.Why }

// OpenSecret gives a Secret's values by key, those of spec.binaryData as base64. It checks the document's MAC: no value
// in the file, clear or encrypted, was changed, moved, added or removed since the encryption. With mac_only_encrypted,
// the values in clear may have been changed. The MAC of SOPS covers neither the names of clear fields nor the border
// between two clear values: the scope is as good as the review of its commit. An encrypted value cannot be moved to
// another name.
func OpenSecret(document []byte, keys Keys) (map[string]secret.Value, error) {
	_, o, err := openDocument(document, keys)
	if err != nil {
		return nil, err
	}
	return o.data, nil
}

// RevealText opens a Secret's document and gives the document in clear, without its sops section, for a person to
// change and SealText to seal. Everything else stays as written.
func RevealText(document []byte, keys Keys) ([]byte, error) {
	root, o, err := openDocument(document, keys)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(document, []byte("#ENC[")) {
		return nil, errors.New("the Secret has encrypted comments, which are not read: change it with sops")
	}
	for node, value := range o.nodes {
		*node = *newText(value)
		node.Style = chooseStyle(value)
	}
	fields := root.Content[0].Content
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i].Value == "sops" {
			root.Content[0].Content = append(fields[:i:i], fields[i+2:]...)
			break
		}
	}
	return encodeNode(root)
}

func openDocument(document []byte, keys Keys) (*yaml.Node, *opener, error) {
	root, s, err := section.Read(document)
	if err != nil {
		return nil, nil, err
	}
	if err := checkSupported(s); err != nil {
		return nil, nil, err
	}
	key, err := findDataKey(s, keys)
	if err != nil {
		return nil, nil, err
	}
	o := &opener{key: key, encrypted: regexp.MustCompile(s.EncryptedRegex), data: map[string]secret.Value{},
		nodes: map[*yaml.Node]string{}, mac: newMAC(s.MACOnlyEncrypted), onlyEncrypted: s.MACOnlyEncrypted}
	if err := o.openNode(root.Content[0], nil); err != nil {
		return nil, nil, err
	}
	return root, o, o.checkMAC(s)
}

// checkSupported refuses a section with which no age key opens the file.
func checkSupported(s section.Section) error {
	others := s.ListOtherKeys()
	if s.NeedsOtherKeys() {
		return OtherKeys{others, errors.New("it has no age recipient of its own")}
	}
	if unread := s.ListUnread(); len(unread) > 0 {
		err := fmt.Errorf("the Secret uses sops.%s, which is not read: "+
			"encrypt it for age recipients with encrypted_regex ^data$", unread[0])
		if len(others) > 0 {
			return OtherKeys{others, err}
		}
		return err
	}
	if s.EncryptedRegex == "" || s.MAC == "" || len(s.Age) == 0 {
		return errors.New("the Secret's sops section has no age recipients, no mac or no encrypted_regex: " +
			"encrypt it with sops --age … --encrypted-regex '^data$'")
	}
	if _, err := regexp.Compile(s.EncryptedRegex); err != nil {
		return errors.New("the Secret's sops.encrypted_regex is no regular expression")
	}
	return nil
}

// findDataKey unwraps the file's key with the first identity that fits.
func findDataKey(s section.Section, keys Keys) ([]byte, error) {
	key, err := unwrapKey(s, keys)
	if others := s.ListOtherKeys(); err != nil && len(others) > 0 {
		err = OtherKeys{others, err}
	}
	return key, err
}

func unwrapKey(s section.Section, keys Keys) ([]byte, error) {
	if len(keys.identities) == 0 {
		return nil, errors.New("there is no age key to open Secrets with: " +
			"set ageKeys in the daemon's configuration, or --age-keys")
	}
	var recipients []string
	var why error
	for _, wrapped := range s.Age {
		recipients = append(recipients, wrapped.Recipient)
		reader, err := age.Decrypt(armor.NewReader(strings.NewReader(wrapped.Enc)), keys.identities...)
		if err != nil {
			why = notePlugin(why, err)
			continue
		}
		key, err := io.ReadAll(io.LimitReader(reader, 64))
		if err == nil && len(key) == 32 {
			return key, nil
		}
	}
	if why != nil {
		return nil, fmt.Errorf("no age key opens the Secret: %w", why)
	}
	return nil, fmt.Errorf("none of the age keys opens the Secret, which is for %s: "+
		"rotate it for a recipient whose key is here", nameRecipients(recipients))
}

// onlyEncryptedStart starts the MAC of a file with mac_only_encrypted (sops.MACOnlyEncryptedInitialization of
// github.com/getsops/sops/v3), so that the setting cannot be added to a file or taken away.
var onlyEncryptedStart = []byte{0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe,
	0xb, 0xb, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69}

func newMAC(onlyEncrypted bool) hash.Hash {
	mac := sha512.New()
	if onlyEncrypted {
		_, _ = mac.Write(onlyEncryptedStart) // a hash takes everything
	}
	return mac
}

// opener walks a document in document order, which is the order of the MAC.
type opener struct {
	key           []byte
	encrypted     *regexp.Regexp
	data          map[string]secret.Value
	nodes         map[*yaml.Node]string // opened values, by node
	mac           hash.Hash
	onlyEncrypted bool // values in clear are not part of the MAC
}

func (o *opener) openNode(node *yaml.Node, path []string) error {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			if len(path) == 0 && name == "sops" {
				continue
			}
			if err := o.openNode(node.Content[i+1], append(path[:len(path):len(path)], name)); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, item := range node.Content {
			if err := o.openNode(item, path); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		return o.openScalar(node, path)
	default:
		return errors.New("the Secret holds aliases")
	}
	return nil
}

func (o *opener) openScalar(node *yaml.Node, path []string) error {
	if !section.Covers(o.encrypted, path) {
		if o.onlyEncrypted {
			return nil
		}
		_, err := o.mac.Write([]byte(macText(node)))
		return err
	}
	var text []byte
	if node.Value != "" { // sops leaves the empty text in clear
		var err error
		if text, err = decryptValue(o.key, node.Value, strings.Join(path, ":")+":"); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(path, "."), err)
		}
		o.nodes[node] = string(text)
	}
	if len(path) == 3 && path[0] == "spec" && (path[1] == "data" || path[1] == "binaryData") {
		o.data[path[2]] = secret.New(string(text))
	}
	if len(path) == 3 && path[1] == "binaryData" && !isBase64(string(text)) {
		return fmt.Errorf("%s: %w", strings.Join(path, "."), errBase64)
	}
	_, err := o.mac.Write(text)
	return err
}

// macText is a clear scalar as sops writes it into the MAC: booleans in Python's spelling.
func macText(node *yaml.Node) string {
	if node.Tag == "!!bool" {
		return map[bool]string{true: "True", false: "False"}[strings.EqualFold(node.Value, "true")]
	}
	return node.Value
}

func (o *opener) checkMAC(s section.Section) error {
	want, err := decryptValue(o.key, s.MAC, s.LastModified)
	if err != nil {
		return errors.New("the Secret's mac cannot be opened: it was changed without sops")
	}
	have := strings.ToUpper(fmt.Sprintf("%x", o.mac.Sum(nil)))
	if subtle.ConstantTimeCompare(want, []byte(have)) != 1 {
		return errors.New("the Secret's mac does not match: it was changed without sops: take the change back, and make " +
			"it with `ingot secret edit` or `sops edit`")
	}
	return nil
}

// decryptValue opens an encrypted value; sops' additional data is the path.
func decryptValue(key []byte, value, additional string) ([]byte, error) {
	sealed, err := section.ParseValue(value)
	if err != nil {
		return nil, err
	}
	gcm, err := newGCM(key, len(sealed.Nonce))
	if err != nil {
		return nil, section.ErrValue
	}
	text, err := gcm.Open(nil, sealed.Nonce, append(sealed.Data, sealed.Tag...), []byte(additional))
	if err != nil {
		return nil, section.ErrValue
	}
	return text, nil
}

func newGCM(key []byte, nonce int) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, nonce)
}
