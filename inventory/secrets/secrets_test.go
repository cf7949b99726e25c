package secrets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

func sealedFile(t *testing.T) ([]byte, Keys) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	document, err := SealSecret(Plain{Name: "bmc-r1", Scope: schemas.Scope{MatchLabels: map[string]string{"rack": "r1"}, Hosts: []string{"a"}},
		Data: map[string]secret.Value{"username": secret.New("root"), "password": secret.New("pass: \"word\"\n#canary")}}, []age.Recipient{identity.Recipient()}, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	return document, Keys{[]age.Identity{identity}}
}

func TestSealedSecretOpens(t *testing.T) {
	t.Parallel()
	document, keys := sealedFile(t)
	if strings.Contains(string(document), "canary") {
		t.Fatalf("the document holds a value in clear:\n%s", document)
	}
	if _, findings := decode.DecodeFile("secrets/bmc.yaml", document); len(findings) > 0 {
		t.Errorf("Decode of a sealed Secret found %v", findings)
	}
	data, err := OpenSecret(document, keys)
	if err != nil {
		t.Fatal(err)
	}
	if got := data["password"].Reveal(); got != "pass: \"word\"\n#canary" || data["username"].Reveal() != "root" || len(data) != 2 {
		t.Errorf("Open gave %d values, password %q", len(data), got)
	}
}

func TestChangedSecretIsRefused(t *testing.T) {
	t.Parallel()
	document, keys := sealedFile(t)
	other, _ := sealedFile(t)
	for name, changed := range map[string]string{
		"scope widened":   strings.Replace(string(document), "rack: r1", "rack: r2", 1),
		"name changed":    strings.Replace(string(document), "bmc-r1", "bmc-r2", 1),
		"values swapped":  strings.NewReplacer("password:", "username:", "username:", "password:").Replace(string(document)),
		"another's file":  string(other),
		"key groups":      string(document) + "    key_groups: [{}]\n",
		"no sops section": strings.Split(string(document), "sops:")[0],
		"value cut":       strings.Replace(string(document), "data:", "data:A", 2),
		"mac only":        string(document) + "    mac_only_encrypted: true\n",
		"not YAML":        "a: [",
		"nothing":         "",
	} {
		if data, err := OpenSecret([]byte(changed), keys); err == nil || len(data) != 0 {
			t.Errorf("%s: Open gave %d values and %v, want an error alone", name, len(data), err)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}

// The files in testdata were made by sops 3.13.3 with --age … --encrypted-regex '^data$'; it also opened what Seal makes.
func TestAFileOfSopsOpens(t *testing.T) {
	t.Parallel()
	keys, err := LoadKeys("testdata/age.key", nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := OpenSecret(testFile(t, "testdata/sops-3.13.3.yaml"), keys)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"username": "root", "password": "pass: \"word\"\n#ä${vars.x}", "empty": ""}
	for key, text := range want {
		if value, ok := data[key]; !ok || value.Reveal() != text {
			t.Errorf("%s = %q, %t, want %q", key, value.Reveal(), ok, text)
		}
	}
	if len(data) != len(want) {
		t.Errorf("Open gave %d values, want %d", len(data), len(want))
	}
	if _, err := OpenSecret(testFile(t, "testdata/sops-3.13.3-number.yaml"), keys); err == nil || !strings.Contains(err.Error(), "spec.data.port") || !strings.Contains(err.Error(), "quotes") {
		t.Errorf("a number: %v, want its place and what to do", err)
	}
}

func testFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOddValuesComeBack(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]secret.Value{}
	for i, text := range []string{" ", "true", "123", "null", "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]", "a\n\nb\n", "#c", "${secret.x.y}", "ä\t\u2028", strings.Repeat("x", 10_000)} {
		want[fmt.Sprintf("k%d", i)] = secret.New(text)
	}
	document, err := SealSecret(Plain{Name: "odd", Scope: schemas.Scope{AllHosts: true}, Data: want}, []age.Recipient{identity.Recipient()}, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenSecret(document, Keys{[]age.Identity{identity}})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range want {
		if have, ok := got[key]; !ok || !have.Equal(value) {
			t.Errorf("%s = %q, %t, want %q", key, have.Reveal(), ok, value.Reveal())
		}
	}
	if _, findings := decode.DecodeFile("secrets/odd.yaml", document); len(findings) > 0 {
		t.Errorf("Decode found %v", findings)
	}
	if _, err := SealSecret(Plain{Name: "odd", Scope: schemas.Scope{AllHosts: true}, Data: map[string]secret.Value{"none": {}}}, []age.Recipient{identity.Recipient()}, time.Unix(1e9, 0)); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("Seal of an empty value = %v, want an error that names it", err)
	}
	if _, err := OpenSecret(document, Keys{}); err == nil {
		t.Error("opened without a key")
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSecret(document, Keys{[]age.Identity{stranger}}); err == nil || !strings.Contains(err.Error(), "recipient") {
		t.Errorf("another's key: %v", err)
	}
}

func TestKeyFilesDoNotLeak(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("AGE-SECRET-KEY-1CANARY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(file, nil); err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("LoadKeys = %v, want an error without the key", err)
	}
	if _, err := LoadKeys(file+".not", nil); err == nil {
		t.Error("a missing file gave keys")
	}
}
