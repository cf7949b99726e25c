// Package section reads the sops section of a Secret: who can open the file, and what of it is encrypted. Call Read for
// the section, and FindDamage for what keeps everyone from opening the file, as far as that is seen without a key. The
// package is pure, opens nothing, and knows no key: package secrets opens.
package section

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
)

// Section is the sops section of a file (github.com/getsops/sops/v3, stores.Metadata).
type Section struct {
	LastModified   string   `yaml:"lastmodified"`
	MAC            string   `yaml:"mac"`
	EncryptedRegex string   `yaml:"encrypted_regex"`
	Version        string   `yaml:"version"`
	Age            []AgeKey `yaml:"age"`
	// MACOnlyEncrypted leaves the values in clear out of the MAC.
	MACOnlyEncrypted bool           `yaml:"mac_only_encrypted"`
	Shamir           int            `yaml:"shamir_threshold"` // counts with key_groups only
	Others           map[string]any `yaml:",inline"`          // keys of other types, and settings that are not read
}

// AgeKey is the file's key, wrapped for an age recipient.
type AgeKey struct {
	Recipient string `yaml:"recipient"`
	Enc       string `yaml:"enc"`
}

// Settings are the fields of a section that hold no keys, and are read.
var Settings = []string{"lastmodified", "mac", "version", "encrypted_regex", "shamir_threshold", "mac_only_encrypted"}

// otherKeys are the fields for keys of other types, any of which opens a file as an age key does, and key_groups, of
// which several may be needed.
var otherKeys = []string{"kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp", "key_groups"}

// Read reads the document of a Secret and its sops section. A document without a section has an empty one.
func Read(document []byte) (*yaml.Node, Section, error) {
	var root yaml.Node
	var head struct {
		SOPS Section `yaml:"sops"`
	}
	if len(document) > schemas.MaxFile {
		return nil, Section{}, fmt.Errorf("the Secret has %d bytes, at most %d are read", len(document), schemas.MaxFile)
	}
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, Section{}, errors.New("the Secret is not YAML")
	}
	if err := root.Decode(&head); err != nil {
		return nil, Section{}, errors.New("the sops section of the Secret cannot be read")
	}
	return &root, head.SOPS, nil
}

// ListOtherKeys gives the non-empty fields of keys of other types.
func (s Section) ListOtherKeys() (kinds []string) {
	for _, name := range otherKeys {
		if !isEmpty(s.Others[name]) {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

// ListUnread gives the settings that are not read, sorted: a file with one cannot be opened.
func (s Section) ListUnread() (names []string) {
	for name, value := range s.Others {
		if !slices.Contains(otherKeys, name) && !isEmpty(value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isEmpty reports whether a field is empty: sops writes some empty fields.
func isEmpty(value any) bool {
	list, ok := value.([]any)
	return value == nil || value == false || value == "" || (ok && len(list) == 0)
}

// NeedsOtherKeys reports whether no age key alone opens the file.
func (s Section) NeedsOtherKeys() bool {
	others := s.ListOtherKeys()
	return len(others) > 0 && (len(s.Age) == 0 || slices.Contains(others, "key_groups"))
}

// Covers reports whether the values at a place are encrypted, by the names on the way there.
func Covers(encrypted *regexp.Regexp, path []string) bool {
	return slices.ContainsFunc(path, encrypted.MatchString)
}
