package secrets

import (
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

func sealedFile(t *testing.T) ([]byte, Keys) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	document, err := Seal("bmc-r1", schemas.Scope{MatchLabels: map[string]string{"rack": "r1"}, Hosts: []string{"a"}},
		map[string]secret.Value{"username": secret.New("root"), "password": secret.New("pass: \"word\"\n#canary")}, []age.Recipient{identity.Recipient()}, time.Unix(1e9, 0))
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
	if _, findings := schemas.Decode("secrets/bmc.yaml", document); len(findings) > 0 {
		t.Errorf("Decode of a sealed Secret found %v", findings)
	}
	data, err := Open(document, keys)
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
		if data, err := Open([]byte(changed), keys); err == nil {
			t.Errorf("%s: Open gave %d values, want an error", name, len(data))
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("sops: {}\n"))
	f.Add([]byte("spec: {data: {a: 'ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]'}}\nsops: {mac: x, encrypted_regex: ^data$, age: [{enc: x}]}\n"))
	f.Fuzz(func(t *testing.T, document []byte) {
		if _, err := Open(document, Keys{}); err == nil {
			t.Error("opened without a key")
		}
	})
}
