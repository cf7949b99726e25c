//go:build e2e

package sops_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/inventory/secrets/ageplugin"
	"github.com/gitmetal/ingot/inventory/secrets/sops"
	"github.com/gitmetal/ingot/schemas"
)

// realSops is the program itself: scripts/sops.sh has it, or builds it.
func realSops(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../../../scripts/sops.sh")
	command.Stderr = os.Stderr
	path, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(path))
}

func run(t *testing.T, env []string, program string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Env = append(slices.Clone(env), "PATH="+os.Getenv("PATH"))
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Run(); err != nil {
		t.Fatalf("%s %v: %v: %s", program, arguments, err, words.String())
	}
	return out.String()
}

// keyring makes a PGP key; the directory's name is short, for a socket stands in it.
func keyring(t *testing.T) (home, fingerprint string) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"GNUPGHOME=" + home}
	t.Cleanup(func() {
		command := exec.CommandContext(context.WithoutCancel(t.Context()), "gpgconf", "--kill", "all")
		command.Env = append(env, "PATH="+os.Getenv("PATH"))
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("gpgconf: %v: %s", err, out)
		}
		os.RemoveAll(home)
	})
	run(t, env, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "daemon@example.com", "default", "default", "never")
	for line := range strings.Lines(run(t, env, "gpg", "--batch", "--with-colons", "--list-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return home, fields[9]
		}
	}
	t.Fatal("gpg lists no key")
	return "", ""
}

const document = `apiVersion: ingot.dev/v1alpha1
kind: Secret
metadata: {name: bmc}
spec:
  scope: {allHosts: true}
  data:
    username: root
    password: "pass: \"word\"\n#ä"
`

func TestSopsOpensAFileForAPGPKey(t *testing.T) {
	t.Parallel()
	path := realSops(t)
	home, fingerprint := keyring(t)
	plain := filepath.Join(t.TempDir(), "bmc.yaml")
	if err := os.WriteFile(plain, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"GNUPGHOME=" + home}
	file := []byte(run(t, env, path, "encrypt", "--pgp", fingerprint, "--encrypted-regex", "^data$", plain))
	program := sops.Program{Path: path, Keys: []string{"pgp"}, Env: append(env, "PATH="+os.Getenv("PATH"))}
	data, err := program.OpenSecret(t.Context(), file)
	if err != nil || data["username"].Reveal() != "root" || data["password"].Reveal() != "pass: \"word\"\n#ä" || len(data) != 2 {
		t.Errorf("OpenSecret = %d values, password %q, %v", len(data), data["password"].Reveal(), err)
	}
	changed := bytes.Replace(file, []byte("name: bmc"), []byte("name: bmd"), 1)
	if data, err := program.OpenSecret(t.Context(), changed); err == nil || data != nil || !strings.Contains(err.Error(), "MAC mismatch") {
		t.Errorf("OpenSecret of a changed file = %d values, %v, want a MAC mismatch", len(data), err)
	}
	program.Env = []string{"GNUPGHOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	if data, err := program.OpenSecret(t.Context(), file); err == nil || data != nil {
		t.Errorf("Open without the key = %d values, %v", len(data), err)
	}
	if _, err := secrets.OpenSecret(file, secrets.Keys{}); err == nil || !strings.Contains(err.Error(), "sops.pgp") {
		t.Errorf("without sops: %v, want what the file is for", err)
	}
}

// What ingot seals the real sops opens and changes, and the other way round.
func TestSopsAndIngotReadEachOther(t *testing.T) {
	t.Parallel()
	path, dir := realSops(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file, keyFile := filepath.Join(dir, "odd.yaml"), filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := secrets.Plain{Name: "odd", Scope: schemas.Scope{MatchLabels: map[string]string{"rack": "r1"}, Hosts: []string{"a", "b"}}, Data: map[string]secret.Value{
		"true": secret.New("true"), "lines": secret.New("a\n\n b\n"), "spaces": secret.New(" x "), "odd": secret.New("ä\t\u2028\"'#: "), "number": secret.New("0123"),
	}}
	sealed, err := secrets.SealSecret(plain, []age.Recipient{identity.Recipient()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"SOPS_AGE_KEY_FILE=" + keyFile}
	for key, want := range plain.Data {
		if got := run(t, env, path, "decrypt", "--extract", `["spec"]["data"]["`+key+`"]`, file); got != want.Reveal() {
			t.Errorf("sops gives %q for %s, want %q", got, key, want.Reveal())
		}
	}
	run(t, env, path, "set", file, `["spec"]["data"]["number"]`, `"changed by sops"`)
	keys, err := secrets.LoadKeys(keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := secrets.OpenSecret(changed, keys)
	if err != nil || data["number"].Reveal() != "changed by sops" || len(data) != len(plain.Data) {
		t.Errorf("OpenSecret of what sops changed = %d values, %q, %v", len(data), data["number"].Reveal(), err)
	}
}

// With mac_only_encrypted the scope may be widened by hand, also after `ingot secret edit`; without it that is found.
func TestSopsWithAMACOverSealedValues(t *testing.T) {
	t.Parallel()
	path, dir := realSops(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	plain, keyFile := filepath.Join(dir, "bmc.yaml"), filepath.Join(dir, "key")
	for file, text := range map[string]string{plain: document, keyFile: identity.String() + "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := secrets.LoadKeys(keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	widen := func(file []byte) []byte {
		return bytes.Replace(file, []byte("allHosts: true"), []byte("hosts: [a]"), 1)
	}
	for _, only := range []string{"true", "false"} {
		rules := filepath.Join(dir, "rules.yaml")
		rule := fmt.Sprintf("creation_rules: [{age: %s, encrypted_regex: ^data$, mac_only_encrypted: %s}]",
			identity.Recipient(), only)
		if err := os.WriteFile(rules, []byte(rule), 0o600); err != nil {
			t.Fatal(err)
		}
		file := []byte(run(t, nil, path, "--config", rules, "encrypt", plain))
		data, err := secrets.OpenSecret(file, keys)
		if err != nil || data["username"].Reveal() != "root" {
			t.Fatalf("%s: OpenSecret = %d values, %v", only, len(data), err)
		}
		_, err = secrets.OpenSecret(widen(file), keys)
		if (err == nil) != (only == "true") {
			t.Errorf("%s: OpenSecret with another scope: %v", only, err)
		}
		clear, err := secrets.RevealText(file, keys)
		if err != nil {
			t.Fatal(err)
		}
		again, err := secrets.SealText(clear, file, []age.Recipient{identity.Recipient()}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		sealed := filepath.Join(dir, "again.yaml")
		if err := os.WriteFile(sealed, widen(again), 0o600); err != nil {
			t.Fatal(err)
		}
		if only == "true" {
			run(t, []string{"SOPS_AGE_KEY_FILE=" + keyFile}, path, "decrypt", sealed)
		}
	}
}

// What sops seals for SSH keys ingot opens, and the other way round, with the real ssh-keygen.
func TestSopsAndIngotWithSSHKeys(t *testing.T) {
	t.Parallel()
	path, dir := realSops(t), t.TempDir()
	plain := filepath.Join(dir, "bmc.yaml")
	if err := os.WriteFile(plain, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ed25519", "rsa"} {
		key := filepath.Join(dir, kind)
		run(t, nil, "ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "jo", "-f", key)
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		keys, err := secrets.LoadKeys(key, nil)
		if err != nil {
			t.Fatal(err)
		}
		bySops := []byte(run(t, nil, path, "encrypt", "--age", strings.TrimSpace(string(public)), "--encrypted-regex", "^data$", plain))
		if data, err := secrets.OpenSecret(bySops, keys); err != nil || data["password"].Reveal() != "pass: \"word\"\n#ä" {
			t.Errorf("%s: OpenSecret of what sops sealed = %d values, %v", kind, len(data), err)
		}
		recipients, err := secrets.ParseRecipients([]string{string(public)})
		if err != nil {
			t.Fatal(err)
		}
		byIngot, err := secrets.SealText([]byte(document), nil, recipients, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, kind+".yaml")
		if err := os.WriteFile(file, byIngot, 0o600); err != nil {
			t.Fatal(err)
		}
		env := []string{"HOME=" + dir, "SOPS_AGE_SSH_PRIVATE_KEY_FILE=" + key}
		if got := run(t, env, path, "decrypt", "--extract", `["spec"]["data"]["username"]`, file); got != "root" {
			t.Errorf("%s: sops gives %q of what ingot sealed, want root", kind, got)
		}
	}
}

// A scope that ingot seals for review is changed without a key, and sops opens the file as before.
func TestSopsOpensAReviewedScope(t *testing.T) {
	t.Parallel()
	path, dir := realSops(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secrets.SealReviewed([]byte(document), []age.Recipient{identity.Recipient()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	changed, err := secrets.ReplaceScope(sealed, schemas.Scope{Hosts: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	file, keyFile := filepath.Join(dir, "bmc.yaml"), filepath.Join(dir, "key")
	for name, text := range map[string]string{file: string(changed), keyFile: identity.String() + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, []string{"SOPS_AGE_KEY_FILE=" + keyFile}, path, "decrypt", file); !strings.Contains(got, "- a") ||
		!strings.Contains(got, "username: root") {
		t.Errorf("sops gives %q", got)
	}
}

// Bytes that ingot seals sops opens, and the other way round.
func TestSopsAndIngotWithBytes(t *testing.T) {
	t.Parallel()
	path, dir := realSops(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	const encoded = "BQIAa2V5dGFi/w=="
	text := strings.TrimSuffix(document, "\n") + "\n  binaryData: {keytab: " + encoded + "}\n"
	plain, keyFile, file := filepath.Join(dir, "plain.yaml"), filepath.Join(dir, "key"), filepath.Join(dir, "sealed.yaml")
	byIngot, err := secrets.SealText([]byte(text), nil, []age.Recipient{identity.Recipient()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{plain: text, keyFile: identity.String() + "\n", file: string(byIngot)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"SOPS_AGE_KEY_FILE=" + keyFile}
	if got := run(t, env, path, "decrypt", "--extract", `["spec"]["binaryData"]["keytab"]`, file); got != encoded {
		t.Errorf("sops gives %q, want %q", got, encoded)
	}
	bySops := []byte(run(t, nil, path, "encrypt", "--age", identity.Recipient().String(), "--encrypted-regex", "^(data|binaryData)$", plain))
	keys, err := secrets.LoadKeys(keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := secrets.OpenSecret(bySops, keys); err != nil || data["keytab"].Reveal() != encoded || len(data) != 3 {
		t.Errorf("OpenSecret of what sops sealed = %d values, %v", len(data), err)
	}
	program := sops.Program{Path: path, Keys: []string{"age"}, Env: env}
	if data, err := program.OpenSecret(t.Context(), bySops); err != nil || data["keytab"].Reveal() != encoded {
		t.Errorf("the program's values = %d, %v", len(data), err)
	}
}

// TestMain is the plug-in of age that TestSopsAndIngotWithAPlugin installs, where it is started by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "age-plugin-clear" {
		os.Exit(m.Run())
	}
	p, err := plugin.New("clear")
	if err != nil {
		os.Exit(1)
	}
	p.HandleRecipient(func([]byte) (age.Recipient, error) { return clearKey{}, nil })
	p.HandleIdentity(func([]byte) (age.Identity, error) { return clearKey{}, nil })
	os.Exit(p.Main())
}

// clearKey keeps a file's key as it is.
type clearKey struct{}

func (clearKey) Wrap(key []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: "clear", Body: key}}, nil
}

func (clearKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == "clear" {
			return s.Body, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// What sops seals for a plug-in of age the daemon opens, and the other way round.
func TestSopsAndIngotWithAPlugin(t *testing.T) {
	path, dir := realSops(t), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-clear")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	to := plugin.EncodeRecipient("clear", []byte("r"))
	plain, keyFile, file := filepath.Join(dir, "plain.yaml"), filepath.Join(dir, "key"), filepath.Join(dir, "sealed.yaml")
	recipients, err := secrets.ParseRecipients([]string{to})
	if err != nil {
		t.Fatal(err)
	}
	byIngot, err := secrets.SealText([]byte(document), nil, recipients, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{plain: document, keyFile: plugin.EncodeIdentity("clear", []byte("i")) + "\n", file: string(byIngot)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, []string{"SOPS_AGE_KEY_FILE=" + keyFile}, path, "decrypt", "--extract", `["spec"]["data"]["username"]`, file); got != "root" {
		t.Errorf("sops gives %q of what ingot sealed, want root", got)
	}
	bySops := []byte(run(t, nil, path, "encrypt", "--age", to, "--encrypted-regex", "^data$", plain))
	keys, err := secrets.LoadKeys(keyFile, func(text string) (age.Identity, error) { return ageplugin.NewIdentity(text) })
	if err != nil {
		t.Fatal(err)
	}
	if data, err := secrets.OpenSecret(bySops, keys); err != nil || data["username"].Reveal() != "root" {
		t.Errorf("OpenSecret of what sops sealed = %d values, %v", len(data), err)
	}
}
