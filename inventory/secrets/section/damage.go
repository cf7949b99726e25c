package section

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"go.yaml.in/yaml/v3"
)

// Damage is a reason why a Secret cannot be opened, whoever tries.
type Damage struct {
	Field   string // such as sops.age[0].enc
	Message string
	Hint    string
}

// What to do about damage.
const (
	takeBack     = "take the change back, or make the Secret anew with `ingot secret create`"
	encryptAgain = "encrypt the file again, with --encrypted-regex '^data$'"
)

// FindDamage finds what keeps everyone from opening a Secret, as far as that is seen without a key: settings that are
// not read, no key, keys that are none, a missing or broken MAC, and values that are not encrypted where encrypted_regex
// says so. Damage within a ciphertext needs the key. A document without a section, or with values in clear, has other
// findings, in package decode.
func FindDamage(document []byte) []Damage {
	root, s, err := Read(document)
	if err != nil {
		return []Damage{{"sops", "the section cannot be read", takeBack}}
	}
	if len(root.Content) != 1 || isBare(s) {
		return nil
	}
	found := slices.Concat(s.findUnread(), s.findKeyDamage(), s.findMACDamage())
	return append(found, s.findUncovered(root.Content[0])...)
}

// isBare reports whether a document has no section.
func isBare(s Section) bool {
	return s.MAC == "" && s.EncryptedRegex == "" && s.LastModified == "" && s.Version == "" && len(s.Age)+len(s.Others) == 0
}

func (s Section) findUnread() (found []Damage) {
	for _, name := range s.ListUnread() {
		found = append(found, Damage{"sops." + name, "a Secret with this setting of sops cannot be opened",
			encryptAgain + " and no such setting"})
	}
	return found
}

func (s Section) findKeyDamage() (found []Damage) {
	if len(s.Age)+len(s.ListOtherKeys()) == 0 {
		return []Damage{{"sops.age", "the Secret has no recipient: nobody can open it", takeBack}}
	}
	for i, key := range s.Age {
		field := fmt.Sprintf("sops.age[%d].", i)
		if !isRecipient(key.Recipient) {
			found = append(found, Damage{field + "recipient", "this is no recipient of age", takeBack})
		}
		if why := findArmorDamage(key.Enc); why != "" {
			found = append(found, Damage{field + "enc", "the key for this recipient is damaged: " + why, takeBack})
		}
	}
	return found
}

// isRecipient reports whether a text is a recipient of age: its own, an SSH key, or one of a plug-in.
func isRecipient(text string) bool {
	if strings.HasPrefix(text, "ssh-") {
		_, err := agessh.ParseRecipient(text)
		return err == nil
	}
	if parsed, err := age.ParseRecipients(strings.NewReader(text)); err == nil && len(parsed) == 1 {
		return true
	}
	_, _, err := plugin.ParseRecipient(text)
	return err == nil
}

// Sizes of the file that sops makes with age for a recipient: 32 bytes of key after a nonce of 16, and a tag of 16.
const (
	maxWrapped    = 64 << 10
	wrappedLength = 16 + 32 + 16
)

// findArmorDamage says why the armoured age file of a recipient can be opened by nobody, "" where that is not seen.
func findArmorDamage(enc string) string {
	file, err := io.ReadAll(io.LimitReader(armor.NewReader(strings.NewReader(enc)), maxWrapped))
	if err != nil {
		return "it is no age file in armour"
	}
	header, err := age.ExtractHeader(bytes.NewReader(file))
	if err != nil {
		return "its header cannot be read"
	}
	// age reads the whole header before it asks an identity.
	seen := &stanzas{}
	if _, err := age.Decrypt(bytes.NewReader(file), seen); err == nil || !seen.usable {
		return "no identity of age can open its header"
	}
	if len(file)-len(header) != wrappedLength {
		return "it does not hold a key of 32 bytes"
	}
	return ""
}

// stanzas is an identity that opens nothing, and looks at the shape of what it is asked to open.
type stanzas struct{ usable bool }

// stanzaArguments are the numbers of arguments of age's own stanzas, by type (https://age-encryption.org/v1). The body of
// each holds a key of 16 bytes with a tag, unless it is for an RSA key.
var stanzaArguments = map[string]int{"X25519": 1, "mlkem768x25519": 1, "ssh-ed25519": 2, "ssh-rsa": 1}

// Unwrap implements age.Identity. A file for a passphrase is for no recipient.
func (s *stanzas) Unwrap(list []*age.Stanza) ([]byte, error) {
	s.usable = len(list) > 0
	for _, stanza := range list {
		arguments, own := stanzaArguments[stanza.Type]
		if stanza.Type == "scrypt" || own && (len(stanza.Args) != arguments || stanza.Type != "ssh-rsa" && len(stanza.Body) != 16+tagLength) {
			s.usable = false
		}
	}
	return nil, age.ErrIncorrectIdentity
}

func (s Section) findMACDamage() (found []Damage) {
	const missing = "without it the Secret cannot be opened"
	if s.MAC == "" {
		found = append(found, Damage{"sops.mac", missing, takeBack})
	} else if _, err := ParseValue(s.MAC); err != nil {
		found = append(found, Damage{"sops.mac", "this is no mac: nobody can open the Secret", takeBack})
	}
	if s.LastModified == "" {
		found = append(found, Damage{"sops.lastmodified", missing, takeBack})
	} else if _, err := time.Parse(time.RFC3339, s.LastModified); err != nil {
		found = append(found, Damage{"sops.lastmodified", "this is no time as sops writes it: nobody can open the Secret",
			takeBack})
	}
	if s.EncryptedRegex == "" {
		found = append(found, Damage{"sops.encrypted_regex", missing, encryptAgain})
	}
	return found
}

// findUncovered compares what encrypted_regex covers with what is encrypted.
func (s Section) findUncovered(root *yaml.Node) []Damage {
	if s.EncryptedRegex == "" {
		return nil
	}
	encrypted, err := regexp.Compile(s.EncryptedRegex)
	if err != nil {
		return []Damage{{"sops.encrypted_regex", "this is no regular expression", encryptAgain}}
	}
	w := coverage{encrypted: encrypted}
	w.walk(root, nil)
	return w.found
}

// coverage walks a document.
type coverage struct {
	encrypted *regexp.Regexp
	found     []Damage
	told      bool // of the regular expression
}

func (w *coverage) walk(node *yaml.Node, path []string) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if name := node.Content[i].Value; len(path) > 0 || name != "sops" {
				w.walk(node.Content[i+1], append(path[:len(path):len(path)], name))
			}
		}
	case yaml.SequenceNode:
		for _, item := range node.Content {
			w.walk(item, path)
		}
	case yaml.ScalarNode:
		w.checkScalar(node.Value, path)
	}
}

func (w *coverage) checkScalar(text string, path []string) {
	field, covered, sealed := strings.Join(path, "."), Covers(w.encrypted, path), strings.HasPrefix(text, "ENC[")
	inData := len(path) == 3 && path[0] == "spec" && (path[1] == "data" || path[1] == "binaryData")
	_, err := ParseValue(text)
	switch {
	case covered && sealed && errors.Is(err, ErrType):
		w.found = append(w.found, Damage{field, "the encrypted value is not text", "put it in quotes, and encrypt it again"})
	case covered && sealed && err != nil:
		w.found = append(w.found, Damage{field, "the encrypted value is damaged: nobody can open it", takeBack})
	case covered && !sealed && text != "" && !inData: // package decode reports data in clear
		w.tellOnce(field + " is in clear, and encrypted_regex covers it")
	case !covered && sealed && inData: // package decode reports other encrypted values
		w.tellOnce(field + " is encrypted, and encrypted_regex does not cover it")
	}
}

func (w *coverage) tellOnce(message string) {
	if !w.told {
		w.told = true
		w.found = append(w.found, Damage{"sops.encrypted_regex", message + ": nobody can open the Secret", takeBack})
	}
}
