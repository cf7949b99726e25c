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
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

// sopsVersion is written into new files: the version of the format that this package follows.
const sopsVersion = "3.9.0"

// meta is the sops section of a file.
type meta struct {
	LastModified   string   `yaml:"lastmodified"`
	MAC            string   `yaml:"mac"`
	EncryptedRegex string   `yaml:"encrypted_regex"`
	Version        string   `yaml:"version"`
	Age            []ageKey `yaml:"age"`
	// MACOnlyEncrypted leaves the values in clear out of the MAC.
	MACOnlyEncrypted bool           `yaml:"mac_only_encrypted"`
	Shamir           int            `yaml:"shamir_threshold"` // counts with key_groups only
	Unsupported      map[string]any `yaml:",inline"`
}

type ageKey struct {
	Recipient string `yaml:"recipient"`
	Enc       string `yaml:"enc"`
}

// otherKeys are the fields for keys of other types, any of which opens a file as an age key does, and key_groups, of
// which several may be needed.
var otherKeys = []string{"kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp", "key_groups"}

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
	root, m, err := readMeta(document)
	if err != nil {
		return nil, nil, err
	}
	if err := m.checkSupported(); err != nil {
		return nil, nil, err
	}
	key, err := m.findDataKey(keys)
	if err != nil {
		return nil, nil, err
	}
	o := &opener{key: key, encrypted: regexp.MustCompile(m.EncryptedRegex), data: map[string]secret.Value{},
		nodes: map[*yaml.Node]string{}, mac: newMAC(m.MACOnlyEncrypted), onlyEncrypted: m.MACOnlyEncrypted}
	if err := o.openNode(root.Content[0], nil); err != nil {
		return nil, nil, err
	}
	return root, o, o.checkMAC(m)
}

// readMeta reads the sops section.
func readMeta(document []byte) (*yaml.Node, meta, error) {
	var root yaml.Node
	var head struct {
		SOPS meta `yaml:"sops"`
	}
	if len(document) > schemas.MaxFile {
		return nil, meta{}, fmt.Errorf("the Secret has %d bytes, at most %d are read", len(document), schemas.MaxFile)
	}
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, meta{}, errors.New("the Secret is not YAML")
	}
	if err := root.Decode(&head); err != nil {
		return nil, meta{}, errors.New("the sops section of the Secret cannot be read")
	}
	return &root, head.SOPS, nil
}

func (m meta) checkSupported() error {
	others := m.listOtherKeys()
	if len(others) > 0 && (len(m.Age) == 0 || slices.Contains(others, "key_groups")) {
		return OtherKeys{others, errors.New("it has no age recipient of its own")}
	}
	for name, value := range m.Unsupported {
		if slices.Contains(otherKeys, name) || isEmpty(value) {
			continue
		}
		err := fmt.Errorf("the Secret uses sops.%s, which is not read: "+
			"encrypt it for age recipients with encrypted_regex ^data$", name)
		if len(others) > 0 {
			return OtherKeys{others, err}
		}
		return err
	}
	if m.EncryptedRegex == "" || m.MAC == "" || len(m.Age) == 0 {
		return errors.New("the Secret's sops section has no age recipients, no mac or no encrypted_regex: " +
			"encrypt it with sops --age … --encrypted-regex '^data$'")
	}
	if _, err := regexp.Compile(m.EncryptedRegex); err != nil {
		return errors.New("the Secret's sops.encrypted_regex is no regular expression")
	}
	return nil
}

// isEmpty reports whether a field is empty: sops writes some empty fields.
func isEmpty(value any) bool {
	list, ok := value.([]any)
	return value == nil || value == false || value == "" || (ok && len(list) == 0)
}

// listOtherKeys gives the non-empty fields of other keys.
func (m meta) listOtherKeys() (kinds []string) {
	for _, name := range otherKeys {
		if !isEmpty(m.Unsupported[name]) {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

// findDataKey unwraps the file's key with the first identity that fits.
func (m meta) findDataKey(keys Keys) ([]byte, error) {
	key, err := m.unwrapKey(keys)
	if others := m.listOtherKeys(); err != nil && len(others) > 0 {
		err = OtherKeys{others, err}
	}
	return key, err
}

func (m meta) unwrapKey(keys Keys) ([]byte, error) {
	if len(keys.identities) == 0 {
		return nil, errors.New("there is no age key to open Secrets with: " +
			"set ageKeys in the daemon's configuration, or --age-keys")
	}
	var recipients []string
	var why error
	for _, wrapped := range m.Age {
		recipients = append(recipients, shortenRecipient(wrapped.Recipient))
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
		"rotate it for a recipient whose key is here", strings.Join(recipients, ", "))
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
	if !o.isEncrypted(path) {
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

func (o *opener) isEncrypted(path []string) bool {
	for _, name := range path {
		if o.encrypted.MatchString(name) {
			return true
		}
	}
	return false
}

// macText is a clear scalar as sops writes it into the MAC: booleans in Python's spelling.
func macText(node *yaml.Node) string {
	if node.Tag == "!!bool" {
		return map[bool]string{true: "True", false: "False"}[strings.EqualFold(node.Value, "true")]
	}
	return node.Value
}

func (o *opener) checkMAC(m meta) error {
	want, err := decryptValue(o.key, m.MAC, m.LastModified)
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

// sealed is a value as sops writes it: AES-256-GCM with a 32-byte nonce, the path as additional data.
var sealed = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:str\]$`)

var (
	errValue = errors.New("a value cannot be opened: it was changed without sops")
	errType  = errors.New("the value is not text: put it in quotes, and encrypt it again")
)

// otherType matches values of unsupported types.
var otherType = regexp.MustCompile(`^ENC\[AES256_GCM,.*,type:(int|float|bool|bytes|time)\]$`)

func decryptValue(key []byte, value, additional string) ([]byte, error) {
	parts := sealed.FindStringSubmatch(value)
	if parts == nil && otherType.MatchString(value) {
		return nil, errType
	}
	if parts == nil {
		return nil, errValue
	}
	var raw [3][]byte
	for i := range raw {
		var err error
		if raw[i], err = base64.StdEncoding.DecodeString(parts[i+1]); err != nil {
			return nil, errValue
		}
	}
	gcm, err := newGCM(key, len(raw[1]))
	if err != nil || len(raw[2]) != gcm.Overhead() {
		return nil, errValue
	}
	text, err := gcm.Open(nil, raw[1], append(raw[0], raw[2]...), []byte(additional))
	if err != nil {
		return nil, errValue
	}
	return text, nil
}

func newGCM(key []byte, nonce int) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if nonce == 0 {
		return nil, errValue
	}
	return cipher.NewGCMWithNonceSize(block, nonce)
}
