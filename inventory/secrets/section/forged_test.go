package section_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/inventory/secrets/section"
	"github.com/gitmetal/ingot/schemas"
)

// writtenBy are the versions in testdata/written that sops made of others.
var writtenBy = map[string]string{
	"2-set": "1-encrypted", "2-unset": "1-encrypted", "2-edited": "1-encrypted", "2-comment": "1-encrypted", "2-scope": "1-encrypted",
	"2-removed": "1-encrypted", "2-rotated": "1-encrypted", "2-rotated-for-two": "1-encrypted", "2-for-two": "1-encrypted",
	"3-for-the-other": "2-for-two", "4-edited": "3-for-the-other",
	"2-only-encrypted-scope": "1-only-encrypted", "2-only-encrypted-by-hand": "1-only-encrypted",
}

func readWritten(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "written", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWhatSopsWrites: no version that sops wrote is called forged, seen from the version before it, from any other version,
// and the other way round, as after a revert.
func TestWhatSopsWrites(t *testing.T) {
	t.Parallel()
	for name, from := range writtenBy {
		before, after := readWritten(t, from), readWritten(t, name)
		for _, pair := range [][2][]byte{{before, after}, {after, before}, {after, after}} {
			if forged := section.FindForged(pair[0], pair[1]); len(forged) > 0 {
				t.Errorf("%s from %s: %+v", name, from, forged)
			}
		}
		if section.IsSame(before, after) && !strings.Contains(name, "only") || !section.IsSame(after, after) {
			t.Errorf("%s and %s: IsSame is wrong", name, from)
		}
		for other := range writtenBy {
			sameSecond := name+other == "2-unset2-removed" || name+other == "2-removed2-unset" // two people remove the same at once
			if strings.Contains(other, "only") != strings.Contains(name, "only") || sameSecond {
				continue
			}
			if forged := section.FindForged(readWritten(t, other), after); len(forged) > 0 {
				t.Errorf("%s from %s: %+v", name, other, forged)
			}
		}
	}
}

// TestWhatIngotWrites: what ingot seals anew, within one second too, and a scope that is changed without a key, are not forged.
func TestWhatIngotWrites(t *testing.T) {
	t.Parallel()
	one, two := newIdentity(t), newIdentity(t)
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	seal := func(password string, recipients ...age.Recipient) []byte {
		clear, err := secrets.Plain{Name: "bmc", Scope: schemas.Scope{AllHosts: true}, Data: map[string]secret.Value{"password": secret.New(password)}}.EncodeText()
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := secrets.SealReviewed(clear, recipients, now)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	before := seal("a", one.Recipient())
	scoped, err := secrets.ReplaceScope(before, schemas.Scope{Hosts: []string{"web-1"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, after := range map[string][]byte{
		"rotated": seal("a", one.Recipient()), "edited": seal("b", one.Recipient()), "for others": seal("a", two.Recipient(), one.Recipient()),
		"its scope": scoped, "its layout": bytes.ReplaceAll(before, []byte("\n"), []byte("\r\n")),
	} {
		if forged := section.FindForged(before, after); len(forged) > 0 {
			t.Errorf("%s: %+v", name, forged)
		}
	}
}

// TestForged: what nobody writes is found at its line.
func TestForged(t *testing.T) {
	t.Parallel()
	first, both, only := readWritten(t, "1-encrypted"), readWritten(t, "2-for-two"), readWritten(t, "1-only-encrypted")
	edited, rotated := readWritten(t, "2-edited"), readWritten(t, "2-rotated")
	text := func(data []byte, from, until string) string {
		_, rest, found := strings.Cut(string(data), from)
		part, _, ended := strings.Cut(rest, until)
		if !found || !ended {
			t.Fatalf("no %q", from)
		}
		return part
	}
	swap := func(data []byte, old, with string) []byte {
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("no %q", old)
		}
		return bytes.Replace(data, []byte(old), []byte(with), 1)
	}
	mac := func(data []byte) string { return text(data, "mac: ", "\n") }
	enc := func(data []byte) string { return text(data, "ENCRYPTED FILE-----\n", "-----END") }
	for name, test := range map[string]struct {
		before, after []byte
		want          string
	}{
		"the mac of a rotation":       {first, swap(first, mac(first), mac(rotated)), "sops.mac"},
		"values of an edit":           {first, swap(first, text(first, "username: ", "\n"), text(edited, "username: ", "\n")), "spec.data.username"},
		"an older mac, after an edit": {edited, swap(edited, mac(edited), mac(first)), "sops.mac"},
		"the time":                    {first, swap(first, text(first, "lastmodified: \"", "\""), "2026-12-02T00:00:00Z"), "sops.lastmodified"},
		"the scope":                   {first, swap(first, "allHosts: true", "allHosts: false"), "spec.scope.allHosts"},
		"what the mac covers":         {only, swap(only, "mac_only_encrypted: true", "mac_only_encrypted: false"), "apiVersion"},
		"a key of another file":       {first, swap(first, enc(first), enc(rotated)), "sops.age[0].enc"},
		"the order": {first, []byte(strings.Join([]string{string(first[:bytes.Index(first, []byte("        username"))]), "        password" + text(first, "        password", "\n"),
			"        username" + text(first, "        username", "\n"), string(first[bytes.Index(first, []byte("sops:")):])}, "\n")), "sops.mac"},
		"a key beside a good one": {both, swap(both, enc(both), enc(first)), "sops.age[0].enc"},
	} {
		forged := section.FindForged(test.before, test.after)
		switch {
		case len(forged) == 0 || forged[0].Field != test.want:
			t.Errorf("%s: %+v, want %q", name, forged, test.want)
		default:
			line := strings.Split(string(test.after), "\n")[forged[0].Line-1]
			if last := test.want[strings.LastIndex(test.want, ".")+1:]; !strings.Contains(line, last) {
				t.Errorf("%s: line %d is %q", name, forged[0].Line, line)
			}
		}
	}
}

// TestEveryLetter changes each letter of the mac, of each value and of each key, and of the time: each change is found, by the
// document alone or against the version before, unless the letter stands for bits that are not read.
func TestEveryLetter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"2-for-two", "1-only-encrypted"} {
		before := readWritten(t, name)
		tried, inArmor := 0, false
		offset := 0
		for number, line := range strings.Split(string(before), "\n") {
			isEdge := strings.Contains(line, "-----")
			if isEdge {
				inArmor = strings.Contains(line, "BEGIN")
			}
			from := strings.Index(line, "ENC[") + 4
			if inArmor && !isEdge {
				from = 16
			}
			for i := from; from > 4 && i < len(strings.TrimRight(line, "=")); i += 3 {
				after := bytes.Clone(before)
				if after[offset+i]++; line[i] == 'z' || line[i] == 'Z' || line[i] == '9' || line[i] == '/' || line[i] == '+' {
					after[offset+i] = 'b'
				}
				tried++
				if len(section.FindDamage(after)) > 0 || section.IsSame(before, after) && line[i+1] == '=' {
					continue
				}
				forged := section.FindForged(before, after)
				if len(forged) == 0 || !strings.HasSuffix(forged[0].Field, ".enc") && forged[0].Line != number+1 {
					t.Errorf("%s line %d, letter %d (%c): %+v", name, number+1, i, line[i], forged)
				}
			}
			offset += len(line) + 1
		}
		if tried < 200 {
			t.Errorf("%s: %d letters were changed", name, tried)
		}
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(fmt.Errorf("make a key: %w", err))
	}
	return identity
}
