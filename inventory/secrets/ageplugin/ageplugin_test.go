package ageplugin

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// TestMain is a plug-in where it is started by the name of one: age's own server of the protocol, with a key that is no
// secret.
func TestMain(m *testing.M) {
	name, is := strings.CutPrefix(filepath.Base(os.Args[0]), "age-plugin-")
	if !is {
		os.Exit(m.Run())
	}
	os.Exit(serve(name))
}

func serve(name string) int {
	switch name {
	case "hangs": // until the pipe is closed
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case "babbles":
		if _, err := os.Stdout.WriteString(strings.Repeat("no stanza at all ", 10_000)); err != nil {
			return 1
		}
		return 0
	}
	p, err := plugin.New(name)
	if err != nil {
		return 1
	}
	p.HandleRecipient(func([]byte) (age.Recipient, error) { return clear{name: name}, nil })
	p.HandleIdentity(func([]byte) (age.Identity, error) { return clear{name: name, plugin: p}, nil })
	return p.Main()
}

// clear keeps a file's key as it is.
type clear struct {
	name   string
	plugin *plugin.Plugin
}

// Wrap implements age.Recipient.
func (c clear) Wrap(key []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: "clear", Args: []string{"a", "b"}, Body: key}}, nil
}

// Unwrap implements age.Identity.
func (c clear) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	switch c.name {
	case "asks":
		if _, err := c.plugin.RequestValue("the PIN please", true); err != nil {
			return nil, err
		}
	case "talks":
		if err := c.plugin.DisplayMessage("working"); err != nil {
			return nil, err
		}
	case "fails":
		return nil, errors.New("the token is \x1b[31mlocked")
	}
	for _, s := range stanzas {
		if s.Type == "clear" {
			return s.Body, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// install puts plug-ins on PATH.
func install(t *testing.T, names ...string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(program, filepath.Join(dir, "age-plugin-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// TestASecretForAPlugin seals a Secret for the recipient of a plug-in and for an SSH key that nobody has, and opens it as
// the daemon does.
func TestASecretForAPlugin(t *testing.T) {
	install(t, "clear", "talks")
	recipients, err := secrets.ParseRecipients([]string{plugin.EncodeRecipient("clear", []byte("r"))})
	if err != nil {
		t.Fatal(err)
	}
	document, err := secrets.SealSecret(secrets.Plain{Name: "bmc", Scope: schemas.Scope{AllHosts: true},
		Data: map[string]secret.Value{"password": secret.New("canary")}}, recipients, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys")
	for _, name := range []string{"clear", "talks"} {
		text := "# of the daemon\n" + plugin.EncodeIdentity(name, []byte("i")) + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := secrets.LoadKeys(file, func(text string) (age.Identity, error) { return NewIdentity(text) })
		if err != nil {
			t.Fatal(err)
		}
		if data, err := secrets.OpenSecret(document, keys); err != nil || data["password"].Reveal() != "canary" {
			t.Errorf("%s: OpenSecret = %d values, %v", name, len(data), err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := secrets.LoadKeys(file, func(text string) (age.Identity, error) { return NewIdentity(text) }); err == nil ||
		!strings.Contains(err.Error(), "age-plugin-talks, which an identity needs, is not on PATH: install it") {
		t.Errorf("LoadKeys without the plug-in: %v", err)
	}
	_, err = secrets.SealSecret(secrets.Plain{Name: "bmc", Scope: schemas.Scope{AllHosts: true},
		Data: map[string]secret.Value{"password": secret.New("canary")}}, recipients, time.Unix(1e9, 0))
	if err == nil || !strings.Contains(err.Error(), "age-plugin-clear, which a recipient needs, is not on PATH: install it") {
		t.Errorf("SealSecret without the plug-in: %v", err)
	}
}

// TestPluginsThatDoNotOpen runs plug-ins that ask a person, fail, know nothing of the file, or do not answer.
func TestPluginsThatDoNotOpen(t *testing.T) {
	install(t, "asks", "fails", "clear", "hangs", "babbles")
	known, other := []*age.Stanza{{Type: "clear", Body: make([]byte, 16)}}, []*age.Stanza{{Type: "X25519", Args: []string{"x"}, Body: make([]byte, 64)}}
	for name, test := range map[string]struct {
		stanzas []*age.Stanza
		want    string
	}{
		"asks":    {known, "it asks a person: the PIN please"},
		"fails":   {known, "the token is ?[31mlocked"},
		"clear":   {other, age.ErrIncorrectIdentity.Error()},
		"hangs":   {known, "took longer than 50ms: a plug-in that waits for a person is of no use here"},
		"babbles": {known, "does not speak the protocol"},
	} {
		identity, err := NewIdentity(plugin.EncodeIdentity(name, []byte("i")))
		if err != nil {
			t.Fatal(err)
		}
		if name == "hangs" {
			identity.deadline = 50 * time.Millisecond
		}
		key, err := identity.Unwrap(test.stanzas)
		if key != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Unwrap = %x, %v, want %q", name, key, err, test.want)
		}
	}
	if _, err := NewIdentity("AGE-PLUGIN-CLEAR-1CANARY"); err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("an identity that is not whole: %v, want an error that does not repeat it", err)
	}
}

// Bodies of every length come back as they were.
func TestStanzasOfEveryLength(t *testing.T) {
	t.Parallel()
	for length := range 200 {
		var out bytes.Buffer
		body := bytes.Repeat([]byte{byte(length)}, length)
		writeStanza(&out, "kind", []string{"a"}, body)
		words, got, err := readStanza(newReader(&out))
		if err != nil || !bytes.Equal(got, body) || strings.Join(words, " ") != "kind a" {
			t.Fatalf("%d bytes came back as %q with %d bytes, %v", length, words, len(got), err)
		}
	}
}
