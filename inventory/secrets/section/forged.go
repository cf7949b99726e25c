package section

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Forged is a field of a Secret that was changed as no program writes it.
type Forged struct {
	Field     string // such as sops.mac
	Line      int
	Recipient string // of a damaged key: only its holder cannot open the Secret; "" where nobody can
}

// FindForged compares two versions of a Secret, and finds what neither sops nor ingot changes so: the later version cannot
// be opened, or not by every recipient. Nothing is opened.
//
//	what differs                                                     is written by
//	a value, the mac or a recipient's key, in a part of its bytes    nobody: another encryption has another tag
//	what the mac covers, lastmodified among it, and not the mac      nobody
//	the mac, and nothing that it covers                              nobody: a change has its time
//	the keys of the recipients, and nothing else                     nobody
//	the keys, and the recipients                                     sops updatekeys
//	values, mac, lastmodified                                        sops edit
//	values, mac, lastmodified, keys                                  sops rotate, ingot secret edit and rotate
//	the scope, under mac_only_encrypted                              ingot secret scope, anybody
//
// Two versions of the same second have the same lastmodified. A document that cannot be read has other findings.
func FindForged(before, after []byte) (forged []Forged) {
	was, ok := parseVersion(before)
	is, readable := parseVersion(after)
	if !ok || !readable {
		return nil
	}
	sameMAC, sameCovered := was.mac.text == is.mac.text, is.coversSame(was)
	switch {
	case sameMAC && !sameCovered:
		forged = is.listChanged(was)
	case !sameMAC && sameCovered, isPatched(was.mac.text, is.mac.text, is.hasKeyOf(was)):
		forged = append(is.listPatched(was), Forged{Field: is.mac.path, Line: is.mac.line})
	default:
		forged = is.listPatched(was)
	}
	onlyKeys := sameMAC && sameCovered && slices.Equal(was.holders, is.holders)
	for _, key := range is.keys {
		old := was.keyFor(key.recipient)
		if old != "" && isOtherArmor(old, key.text) && (onlyKeys || isPatchedArmor(old, key.text)) {
			forged = append(forged, Forged{key.path, key.line, key.recipient})
		}
	}
	return forged
}

// IsSame reports whether two versions of a Secret's file have the same sealed content, however it is laid out.
func IsSame(one, other []byte) bool {
	was, ok := parseVersion(one)
	is, readable := parseVersion(other)
	if !ok || !readable {
		return bytes.Equal(one, other)
	}
	return was.mac.text == is.mac.text && is.coversSame(was) && slices.Equal(was.holders, is.holders) &&
		slices.EqualFunc(was.keys, is.keys, func(a, b wrapped) bool { return a.recipient == b.recipient && !isOtherArmor(a.text, b.text) })
}

// field is a scalar of a document.
type field struct {
	path, text string
	line       int
}

func (f field) isSame(o field) bool { return f.path == o.path && f.text == o.text }

// wrapped is a file's key for a recipient.
type wrapped struct {
	field
	recipient string
}

// version is a document, by what changes together.
type version struct {
	covered       []field // by the mac, in its order, but the time
	time          field   // lastmodified, with which the mac is sealed
	onlyEncrypted bool
	mac           field
	keys          []wrapped
	holders       []string // of keys of all kinds, sorted
}

func parseVersion(document []byte) (v version, ok bool) {
	root, s, err := Read(document)
	if err != nil || len(root.Content) != 1 || s.MAC == "" {
		return version{}, false
	}
	v.onlyEncrypted, v.holders = s.MACOnlyEncrypted, s.listHolders()
	yamltext.WalkTexts(root.Content[0], func(path string, text *yaml.Node) {
		f, index := field{path, text.Value, text.Line}, -1
		_, _ = fmt.Sscanf(f.path, "sops.age[%d].enc", &index)
		switch {
		case f.path == "sops.mac":
			v.mac = f
		case f.path == "sops.lastmodified":
			v.time = f
		case strings.HasSuffix(f.path, ".enc") && index >= 0 && index < len(s.Age):
			v.keys = append(v.keys, wrapped{f, s.Age[index].Recipient})
		case !strings.HasPrefix(f.path, "sops.") && (!s.MACOnlyEncrypted || strings.HasPrefix(f.text, "ENC[")):
			v.covered = append(v.covered, f)
		}
	})
	return v, true
}

// listHolders names who can open the file: a program that wraps the keys anew for the same holders changes the file's key, too.
func (s Section) listHolders() (names []string) {
	for _, key := range s.Age {
		names = append(names, key.Recipient)
	}
	for _, kind := range s.ListOtherKeys() {
		names = append(names, fmt.Sprint(kind, withoutKeys(s.Others[kind])))
	}
	slices.Sort(names)
	return append(names, fmt.Sprint("threshold ", s.Shamir))
}

// withoutKeys drops the wrapped keys, and their times, from a field for keys of other types.
func withoutKeys(value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = withoutKeys(item)
		}
		return list
	case map[string]any:
		rest := map[string]any{}
		for name, item := range value {
			if name != "enc" && name != "created_at" {
				rest[name] = withoutKeys(item)
			}
		}
		return rest
	default:
		return value
	}
}

// coversSame reports whether the macs of two versions cover the same.
func (v version) coversSame(o version) bool {
	return v.onlyEncrypted == o.onlyEncrypted && v.time.text == o.time.text && slices.EqualFunc(v.covered, o.covered, field.isSame)
}

// listChanged lists the covered fields that differ from an older version; the mac where fields were taken out or moved.
func (v version) listChanged(was version) (forged []Forged) {
	for _, f := range v.covered {
		if !slices.ContainsFunc(was.covered, f.isSame) {
			forged = append(forged, Forged{Field: f.path, Line: f.line})
		}
	}
	if v.time.text != was.time.text {
		forged = append(forged, Forged{Field: v.time.path, Line: v.time.line})
	}
	if len(forged) == 0 {
		forged = []Forged{{Field: v.mac.path, Line: v.mac.line}}
	}
	return forged
}

// listPatched lists the values that differ from an older version in a part of their bytes.
func (v version) listPatched(was version) (forged []Forged) {
	sameKey := v.hasKeyOf(was)
	for _, f := range v.covered {
		for _, old := range was.covered {
			if f.path == old.path && isPatched(old.text, f.text, sameKey) {
				forged = append(forged, Forged{Field: f.path, Line: f.line})
			}
		}
	}
	return forged
}

// hasKeyOf reports whether two versions surely have the same file's key: a recipient's is wrapped as before.
func (v version) hasKeyOf(was version) bool {
	return slices.ContainsFunc(v.keys, func(key wrapped) bool {
		old := was.keyFor(key.recipient)
		return old != "" && !isOtherArmor(old, key.text)
	})
}

func (v version) keyFor(recipient string) string {
	for _, key := range v.keys {
		if key.recipient == recipient {
			return key.text
		}
	}
	return ""
}

// longData is from how many bytes on two ciphertexts are not equal by chance.
const longData = 8

// isPatched reports whether an encrypted value was changed in a part of its bytes. Sops keeps the nonce of a value that
// stays: under the same file's key all is the same then, and under another key, after a rotation, data and tag differ.
func isPatched(before, after string, sameKey bool) bool {
	was, err := ParseValue(before)
	is, bad := ParseValue(after)
	if err != nil || bad != nil {
		return false
	}
	nonce, data, tag := bytes.Equal(was.Nonce, is.Nonce), bytes.Equal(was.Data, is.Data), bytes.Equal(was.Tag, is.Tag)
	switch {
	case nonce && data && tag:
		return false
	case sameKey:
		return nonce || tag
	default:
		return tag || nonce && data && len(is.Data) >= longData
	}
}

// splitArmor gives the header of an age file in armour, and what follows; false for another text.
func splitArmor(enc string) (header, payload []byte, ok bool) {
	file, err := io.ReadAll(io.LimitReader(armor.NewReader(strings.NewReader(enc)), maxWrapped))
	if err != nil {
		return nil, nil, false
	}
	header, err = age.ExtractHeader(bytes.NewReader(file))
	if err != nil {
		return nil, nil, false
	}
	return header, file[len(header):], true
}

// isOtherArmor reports whether two armoured texts hold different bytes.
func isOtherArmor(one, other string) bool {
	header, payload, ok := splitArmor(one)
	header2, payload2, ok2 := splitArmor(other)
	if !ok || !ok2 {
		return strings.Join(strings.Fields(one), "\n") != strings.Join(strings.Fields(other), "\n")
	}
	return !bytes.Equal(header, header2) || !bytes.Equal(payload, payload2)
}

// isPatchedArmor reports whether an age file was changed in a part of its bytes: another encryption has another share in
// its header, and another nonce.
func isPatchedArmor(before, after string) bool {
	header, payload, ok := splitArmor(before)
	header2, payload2, ok2 := splitArmor(after)
	return ok && ok2 && isOtherArmor(before, after) && (bytes.Equal(header, header2) || bytes.Equal(payload, payload2))
}
