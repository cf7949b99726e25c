package secrets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

// sshKey has the real ssh-keygen make a key, and gives its file and its public half.
func sshKey(t *testing.T, arguments ...string) (file, public string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "id")
	command := exec.CommandContext(t.Context(), "ssh-keygen", append([]string{"-q", "-C", "jo@example.com laptop", "-f", file}, arguments...)...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	data, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(data))
}

// TestSecretsForSSHKeys seals for SSH keys with comments, and opens with their private halves.
func TestSecretsForSSHKeys(t *testing.T) {
	t.Parallel()
	ed, edPublic := sshKey(t, "-t", "ed25519", "-N", "")
	rsa, rsaPublic := sshKey(t, "-t", "rsa", "-b", "2048", "-N", "")
	locked, _ := sshKey(t, "-t", "ed25519", "-N", "passphrase")
	ecdsa, ecdsaPublic := sshKey(t, "-t", "ecdsa", "-N", "")
	recipients, err := ParseRecipients([]string{edPublic + "," + rsaPublic, NormalRecipient(edPublic)})
	if err != nil || len(recipients) != 2 {
		t.Fatalf("ParseRecipients = %v, %v, want two", recipients, err)
	}
	document, err := SealSecret(Plain{Name: "bmc", Scope: schemas.Scope{AllHosts: true},
		Data: map[string]secret.Value{"password": secret.New("canary")}}, recipients, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := ListRecipients(document)
	if err != nil || len(listed) != 2 || listed[0] != NormalRecipient(edPublic) || strings.Contains(string(document), "laptop") {
		t.Errorf("ListRecipients = %q, %v, want both keys without comments", listed, err)
	}
	for _, file := range []string{ed, rsa} {
		keys, err := LoadKeys(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := OpenSecret(document, keys); err != nil || data["password"].Reveal() != "canary" {
			t.Errorf("%s: OpenSecret = %d values, %v", file, len(data), err)
		}
	}
	for file, want := range map[string]string{locked: "the SSH key has a passphrase", ecdsa: "not a private SSH key of type ed25519 or rsa"} {
		if _, err := LoadKeys(file, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("LoadKeys = %v, want %q", err, want)
		}
	}
	for text, want := range map[string]string{ecdsaPublic: "age cannot encrypt for an SSH key of type ecdsa-sha2-nistp256", "ssh-ed25519 AAAA": "no SSH public key of type ed25519 or rsa",
		"AGE-PLUGIN-YUBIKEY-1CANARY": "is an age identity, which is secret"} {
		want = strings.ReplaceAll(want, "no age recipient", "is not an age recipient")
		if _, err := ParseRecipients([]string{text}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("ParseRecipients(%.20s…) = %v, want %q", text, err, want)
		}
	}
	other, otherPublic := sshKey(t, "-t", "ed25519", "-N", "")
	keys, err := LoadKeys(other, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSecret(document, keys); err == nil || !strings.HasPrefix(err.Error(), "none of the age keys opens the Secret") {
		t.Errorf("OpenSecret with another key (%s): %v", otherPublic, err)
	}
}

// TestReviewedScope changes scopes: where the MAC leaves the scope out a change by anybody counts, elsewhere it breaks the
// Secret. The sealed values are covered in both.
func TestReviewedScope(t *testing.T) {
	t.Parallel()
	sealed, keys := sealedFile(t)
	clear, err := RevealText(sealed, keys)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := ListRecipients(sealed)
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := ParseRecipients(listed)
	if err != nil {
		t.Fatal(err)
	}
	reviewed, err := SealReviewed(clear, recipients, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string][]byte{"sealed": sealed, "reviewed": reviewed} {
		is, err := IsScopeReviewed(document)
		if err != nil || is != (name == "reviewed") {
			t.Errorf("%s: IsScopeReviewed = %t, %v", name, is, err)
		}
		widened, err := ReplaceScope(document, schemas.Scope{Hosts: []string{"a", "b"}})
		if err != nil || !strings.Contains(string(widened), "- b") || strings.Contains(string(widened), "rack: r1") {
			t.Fatalf("%s: ReplaceScope gives\n%s\n%v", name, widened, err)
		}
		data, err := OpenSecret(widened, keys)
		if (err == nil) != is || is && data["username"].Reveal() != "root" {
			t.Errorf("%s: OpenSecret after a change of the scope = %d values, %v", name, len(data), err)
		}
		swapped := strings.NewReplacer("password:", "username:", "username:", "password:").Replace(string(document))
		if _, err := OpenSecret([]byte(swapped), keys); err == nil {
			t.Errorf("%s: swapped values were opened", name)
		}
	}
}
