package daemon

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab/program"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// testVault has a Secret for our age key, one for a PGP key as well as another's age key, and a program in place of sops that notes its runs.
func testVault(t *testing.T, script string) (v *vault, runs func() int) {
	t.Helper()
	dir := t.TempDir()
	ours, theirs := identity(t), identity(t)
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	sops := filepath.Join(dir, "sops")
	if err := program.Write(sops, "#!/bin/sh\necho run >>"+dir+"/runs\n"+script+"\n"); err != nil {
		t.Fatal(err)
	}
	v, err := newVault(write("keys", ours.String()+"\n", 0o600), config.Secrets{Sops: sops, Keys: []string{"pgp"}, Env: []string{"PATH=/usr/bin:/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(sealed(t, "other", theirs), "sops:\n", "sops:\n  pgp:\n    - fp: A\n", 1)
	v.replaceSecrets(map[string]inventory.Sealed{
		"ours":  {Name: "ours", File: "secrets/ours.yaml", Document: []byte(sealed(t, "ours", ours))},
		"other": {Name: "other", File: "secrets/other.yaml", Document: []byte(other)},
		"mixed": {Name: "mixed", Document: []byte(strings.Replace(sealed(t, "mixed", ours), "sops:\n", "sops:\n  pgp:\n    - fp: A\n", 1))},
		"alien": {Name: "alien", Document: []byte(sealed(t, "alien", theirs))},
	})
	return v, func() int {
		noted, _ := os.ReadFile(filepath.Join(dir, "runs"))
		return strings.Count(string(noted), "run\n")
	}
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	made, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func sealed(t *testing.T, name string, identity *age.X25519Identity) string {
	t.Helper()
	document, err := secrets.SealSecret(secrets.Plain{Name: name, Scope: schemas.Scope{AllHosts: true}, Data: map[string]secret.Value{"a": secret.New("of age")}}, []age.Recipient{identity.Recipient()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

func TestSopsOpensWhatAgeKeysDoNot(t *testing.T) {
	t.Parallel()
	v, runs := testVault(t, `cat >/dev/null; echo 'spec: {data: {a: "of pgp"}}'`)
	for name, want := range map[string]string{"ours": "of age", "mixed": "of age", "other": "of pgp"} {
		for range 2 {
			data, err := v.openSecret(t.Context(), name)
			if err != nil || data["a"].Reveal() != want {
				t.Errorf("%s = %q, %v, want %q", name, data["a"].Reveal(), err, want)
			}
		}
	}
	if _, err := v.openSecret(t.Context(), "alien"); err == nil || !strings.Contains(err.Error(), "none of the age keys opens") {
		t.Errorf("a file of another's age key alone: %v", err)
	}
	if runs() != 1 {
		t.Errorf("sops ran %d times, want once, for the file that no age key opens", runs())
	}
	v.program.Path = ""
	v.replaceSecrets(v.sealed)
	if _, err := v.openSecret(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), "set secrets.sops") || !strings.Contains(err.Error(), "secrets/other.yaml") {
		t.Errorf("without sops: %v, want what to configure", err)
	}
}

func TestAFailureOfSopsHoldsForAWhile(t *testing.T) {
	t.Parallel()
	v, runs := testVault(t, `cat >/dev/null; echo "the key service is away" >&2; exit 1`)
	now := time.Now()
	v.now = func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		runs  int
	}{{0, 1}, {failureTTL - time.Second, 1}, {2 * time.Second, 2}} {
		now = now.Add(step.after)
		if _, err := v.openSecret(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), "the key service is away") || runs() != step.runs {
			t.Errorf("%v later: %v after %d runs, want %d", step.after, err, runs(), step.runs)
		}
	}
	v.replaceSecrets(v.sealed) // another commit
	if _, err := v.openSecret(t.Context(), "other"); err == nil || runs() != 3 {
		t.Errorf("after another commit: %v after %d runs, want 3", err, runs())
	}
}

// A plug-in of age that fails is not run again for a while, and says why; one that is missing keeps the daemon from its start.
func TestAFailureOfAPluginHoldsForAWhile(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte(plugin.EncodeIdentity("token", []byte("i"))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newVault(keys, config.Secrets{}); err == nil || !strings.Contains(err.Error(), "age-plugin-token, which an identity needs, is not on PATH") {
		t.Fatalf("newVault without the plug-in: %v", err)
	}
	said := base64.RawStdEncoding.EncodeToString([]byte("the token is away"))
	script := "#!/bin/sh\necho run >>" + dir + "/runs\nprintf -- '-> error internal\\n" + said + "\\n-> done\\n\\n'\nexec cat >/dev/null\n"
	if err := program.Write(filepath.Join(dir, "age-plugin-token"), script); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	v, err := newVault(keys, config.Secrets{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v.now = func() time.Time { return now }
	v.replaceSecrets(map[string]inventory.Sealed{"a": {Name: "a", File: "secrets/a.yaml", Document: []byte(sealed(t, "a", identity(t)))}})
	for _, step := range []struct {
		after time.Duration
		runs  int
	}{{0, 1}, {failureTTL - time.Second, 1}, {2 * time.Second, 2}} {
		now = now.Add(step.after)
		_, err := v.openSecret(t.Context(), "a")
		noted, _ := os.ReadFile(filepath.Join(dir, "runs"))
		if runs := strings.Count(string(noted), "run\n"); err == nil || !strings.Contains(err.Error(), "the token is away") || runs != step.runs {
			t.Errorf("%v later: %v after %d runs, want %d", step.after, err, runs, step.runs)
		}
	}
}

// What was opened once is masked on every console as long as the daemon runs, whatever the fleet has meanwhile; the name of an account is no secret.
func TestWhatWasOpenedIsMasked(t *testing.T) {
	t.Parallel()
	v, _ := testVault(t, `cat >/dev/null; echo 'spec: {data: {username: administrator, password: swordfish-1, user: swordfish-2}}'`)
	if _, err := v.openSecret(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	v.replaceSecrets(nil)
	dir := console.Dir(t.TempDir())
	l, err := dir.Open("web-03", &v.everOpened)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = l.Write([]byte("administrator swordfish-1 swordfish-2\n"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := dir.Read("web-03"); got != "administrator *** ***\n" || err != nil {
		t.Errorf("the console shows %q, %v", got, err)
	}
}

// TestTheVaultSaysWhatItOpens: the plan of a pull request needs the daemon's recipients, and must know where they are not all.
func TestTheVaultSaysWhatItOpens(t *testing.T) {
	t.Parallel()
	ours, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(ours.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys   string
		other  config.Secrets
		want   inventory.Opener
		closed bool // a Secret for another recipient is known to be closed
	}{
		"an age key":          {file, config.Secrets{}, inventory.Opener{Recipients: []string{ours.Recipient().String()}}, true},
		"the sops program":    {file, config.Secrets{Sops: "/usr/bin/sops", Keys: []string{"pgp"}}, inventory.Opener{Recipients: []string{ours.Recipient().String()}, OtherKeys: true}, false},
		"no key and no other": {"", config.Secrets{}, inventory.Opener{}, true},
	} {
		v, err := newVault(test.keys, test.other)
		if err != nil {
			t.Fatal(err)
		}
		got := v.describeOpener()
		if got.OtherKeys != test.want.OtherKeys || !slices.Equal(got.Recipients, test.want.Recipients) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if opens, known := got.Opens(inventory.Sealed{Recipients: []string{"age1other"}}); opens || known != test.closed {
			t.Errorf("%s: a Secret for another recipient opens %t, known %t", name, opens, known)
		}
		if opens, _ := got.Opens(inventory.Sealed{Recipients: []string{"age1other", ours.Recipient().String()}}); opens != (test.keys != "") {
			t.Errorf("%s: a Secret for both opens %t", name, opens)
		}
	}
}
