package section_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/inventory/secrets/section"
)

// wrap is an age file in armour for a recipient, as sops makes it for the file's key.
func wrap(t *testing.T, recipient age.Recipient, key string) string {
	t.Helper()
	var text strings.Builder
	armored := armor.NewWriter(&text)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(key)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := armored.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

var enc = regexp.MustCompile(`(?s)enc: \|\n.*?-----END AGE ENCRYPTED FILE-----\n`)

// withEnc puts another armoured file into a Secret.
func withEnc(document, text string) string {
	return enc.ReplaceAllLiteralString(document, "enc: |\n        "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n        ")+"\n")
}

// identities is the key that opens the Secrets of secretfile.
func identities(t *testing.T) secrets.Keys {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secretfile.Identity), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := secrets.LoadKeys(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestDamageIsFoundWithoutAKey changes a Secret that opens: each change that the key's owner would meet is found without
// the key, at its field, and what is found does not open.
func TestDamageIsFoundWithoutAKey(t *testing.T) {
	t.Parallel()
	keys := identities(t)
	passphrase, err := age.NewScryptRecipient("x")
	if err != nil {
		t.Fatal(err)
	}
	passphrase.SetWorkFactor(2)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) func(string) string {
		return func(document string) string {
			changed := regexp.MustCompile(old).ReplaceAllString(document, new)
			if changed == document {
				t.Fatalf("the Secret has no %s", old)
			}
			return changed
		}
	}
	for name, test := range map[string]struct {
		change func(string) string
		fields []string
		opens  bool // the daemon opens it still, and `ingot secret edit` does not
	}{
		"nothing":                       {func(d string) string { return d }, nil, true},
		"no recipient":                  {replace(`(?s)  age:\n.*?  encrypted_regex`, "  encrypted_regex"), []string{"sops.age"}, false},
		"an empty list of recipients":   {replace(`(?s)  age:\n.*?  encrypted_regex`, "  age: []\n  encrypted_regex"), []string{"sops.age"}, false},
		"recipients of another form":    {replace(`(?s)  age:\n.*?  encrypted_regex`, "  age: age1abc\n  encrypted_regex"), []string{"sops"}, false},
		"armour without an end":         {replace(`        -----END AGE ENCRYPTED FILE-----\n`, ""), []string{"sops.age[0].enc"}, false},
		"armour without a beginning":    {replace(`        -----BEGIN AGE ENCRYPTED FILE-----\n`, ""), []string{"sops.age[0].enc"}, false},
		"armour with a line taken out":  {replace(`(-----BEGIN AGE ENCRYPTED FILE-----\n).*\n`, "$1"), []string{"sops.age[0].enc"}, false},
		"armour with a last line gone":  {replace(`.*\n( *-----END AGE ENCRYPTED FILE-----\n)`, "$1"), []string{"sops.age[0].enc"}, false},
		"armour with a wrong letter":    {replace(`YWdlLWVuY3J5`, "*WdlLWVuY3J5"), []string{"sops.age[0].enc"}, false},
		"no armour":                     {replace(`(?s)enc: \|\n.*END AGE ENCRYPTED FILE-----`, "enc: nothing"), []string{"sops.age[0].enc"}, false},
		"a key of another length":       {func(d string) string { return withEnc(d, wrap(t, other.Recipient(), "short")) }, []string{"sops.age[0].enc"}, false},
		"a passphrase":                  {func(d string) string { return withEnc(d, wrap(t, passphrase, strings.Repeat("k", 32))) }, []string{"sops.age[0].enc"}, false},
		"a recipient cut short":         {replace(`recipient: age1.{10}`, "recipient: age1"), []string{"sops.age[0].recipient"}, true},
		"no recipient's name":           {replace(`recipient: age1.*`, "recipient: ''"), []string{"sops.age[0].recipient"}, true},
		"an SSH key that is none":       {replace(`recipient: age1.*`, "recipient: ssh-ed25519 AAAA"), []string{"sops.age[0].recipient"}, true},
		"another field encrypted":       {replace(`encrypted_regex: .*`, "encrypted_regex: ^stringData$$"), []string{"sops.encrypted_regex"}, false},
		"more fields encrypted":         {replace(`encrypted_regex: .*`, "encrypted_regex: ^(data|name)$$"), []string{"sops.encrypted_regex"}, false},
		"all encrypted":                 {replace(`encrypted_regex: .*`, "encrypted_regex: .*"), []string{"sops.encrypted_regex"}, false},
		"one value encrypted":           {replace(`encrypted_regex: .*`, "encrypted_regex: ^password$$"), []string{"sops.encrypted_regex"}, false},
		"no regular expression":         {replace(`encrypted_regex: .*`, "encrypted_regex: '('"), []string{"sops.encrypted_regex"}, false},
		"no expression":                 {replace(`  encrypted_regex: .*\n`, ""), []string{"sops.encrypted_regex"}, false},
		"a suffix in its place":         {replace(`encrypted_regex: .*`, "unencrypted_suffix: _unencrypted"), []string{"sops.unencrypted_suffix", "sops.encrypted_regex"}, false},
		"a suffix beside it":            {replace(`(  encrypted_regex: .*\n)`, "$1  encrypted_suffix: _secret\n"), []string{"sops.encrypted_suffix"}, false},
		"no mac":                        {replace(`  mac: .*\n`, ""), []string{"sops.mac"}, false},
		"a mac that is none":            {replace(`  mac: .*\n`, "  mac: x\n"), []string{"sops.mac"}, false},
		"no time":                       {replace(`  lastmodified: .*\n`, ""), []string{"sops.lastmodified"}, false},
		"a time that is none":           {replace(`  lastmodified: .*\n`, "  lastmodified: yesterday\n"), []string{"sops.lastmodified"}, false},
		"a number":                      {replace(`(username: .*)type:str`, "${1}type:int"), []string{"spec.data.username"}, false},
		"a value without its tag":       {replace(`(username: .*,)tag:.*,type`, "${1}tag:,type"), []string{"spec.data.username"}, false},
		"a value with half a tag":       {replace(`(username: .*,)tag:.*,type`, "${1}tag:YWI=,type"), []string{"spec.data.username"}, false},
		"a value that is no base64":     {replace(`(username: ENC\[AES256_GCM,data:)`, "${1}*"), []string{"spec.data.username"}, false},
		"a value that is cut":           {replace(`username: ENC.*`, "username: ENC[AES256_GCM,data:AA"), []string{"spec.data.username"}, false},
		"more recipients":               {replace(`(    - recipient: age1.*\n(?s:.*?)-----END AGE ENCRYPTED FILE-----\n)`, "$1$1"), nil, true},
		"a comment and fields of sops":  {replace(`sops:\n`, "# a comment\nsops:\n  kms: []\n  pgp: ~\n  shamir_threshold: 1\n"), nil, true},
		"a line with Windows's endings": {replace(`\n`, "\r\n"), nil, true},
	} {
		document := []byte(test.change(secretfile.BMC))
		var fields []string
		for _, damage := range section.FindDamage(document) {
			fields = append(fields, damage.Field)
			if damage.Message == "" || damage.Hint == "" || len(damage.Message+damage.Hint) > 170 {
				t.Errorf("%s: the finding is %+v", name, damage)
			}
		}
		if !slices.Equal(fields, test.fields) {
			t.Errorf("%s: damage in %v, want %v", name, fields, test.fields)
		}
		if _, err := secrets.OpenSecret(document, keys); (err == nil) != test.opens {
			t.Errorf("%s: OpenSecret = %v, opens %t wanted", name, err, test.opens)
		}
	}
}

// TestNoDamageInFilesOfSops: what sops itself writes, and Secrets for other keys, are whole.
func TestNoDamageInFilesOfSops(t *testing.T) {
	t.Parallel()
	vector, err := os.ReadFile("../testdata/sops-3.13.3.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	plain := secrets.Plain{Name: "a", Data: nil}
	clear, err := plain.EncodeText()
	if err != nil {
		t.Fatal(err)
	}
	both, err := secrets.SealText([]byte(strings.Replace(string(clear), "data: {}", "data: {k: v}", 1)), nil, []age.Recipient{hybrid.Recipient(), x25519.Recipient()}, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	pgp := regexp.MustCompile(`(?s)  age:\n.*?  encrypted_regex`).ReplaceAllString(secretfile.BMC, "  pgp:\n    - fp: A\n      enc: x\n  encrypted_regex")
	for name, document := range map[string]string{"sops": string(vector), "a post-quantum recipient": string(both), "a key of PGP": pgp, "no section": "kind: Secret\n", "an empty file": ""} {
		if found := section.FindDamage([]byte(document)); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if found := section.FindDamage([]byte(strings.Replace(pgp, "encrypted_regex", "unencrypted_regex", 1))); len(found) != 2 {
		t.Errorf("a setting that the sops program is not given either: %+v", found)
	}
}
