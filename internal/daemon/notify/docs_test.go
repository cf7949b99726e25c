package notify_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// blocks gives the code blocks of docs/notifications.md in a language.
func blocks(t *testing.T, language string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, found[1])
	}
	if len(all) == 0 {
		t.Fatalf("docs/notifications.md has no block of %s", language)
	}
	return all
}

// TestTheEventOfTheDocs wants the documented event to be one: each member known, and each member that an event of a
// repository with one fleet has.
func TestTheEventOfTheDocs(t *testing.T) {
	t.Parallel()
	var e notices.Event
	decoder := json.NewDecoder(strings.NewReader(blocks(t, "json")[0]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Fleet" {
			t.Errorf("the documented event has no %s", name)
		}
	}
}

// TestTheConfigurationOfTheDocs wants the documented parts of a configuration used.
func TestTheConfigurationOfTheDocs(t *testing.T) {
	t.Parallel()
	text := `fleet: {url: fleet.git}
stateDir: state
identityDir: identity
ramdisk: ramdisk.iso
listen: {agents: "127.0.0.1:8443", media: "127.0.0.1:8080"}
advertise: {agents: ["https://10.0.0.2:8443"], media: "http://10.0.0.2:8080"}
` + strings.Join(blocks(t, "yaml"), "")
	file := filepath.Join(t.TempDir(), "ingot.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Forge == nil || len(c.Notify) != 2 {
		t.Errorf("read as %+v, %+v", c.Forge, c.Notify)
	}
}

// TestTheCheckOfTheDocs has the documented check look at a real request, and at a forged one.
func TestTheCheckOfTheDocs(t *testing.T) {
	t.Parallel()
	ops, got := receiver(t, "ops", nil)
	w := newWorld(ops)
	w.start(t)
	w.loop.show(host("web-3", plan.Held, "NeedsConsent"))
	d := take(t, got)
	program := blocks(t, "python")[0] + `
import sys
sys.exit(0 if genuine(sys.stdin.buffer.read(), sys.argv[1], sys.argv[2].encode()) else 3)
`
	for name, test := range map[string]struct {
		body []byte
		key  string
		code int
	}{
		"genuine":       {d.body, "hmac-key-of-ops", 0},
		"another key":   {d.body, "hmac-key", 3},
		"another event": {bytes.Replace(d.body, []byte("web-3"), []byte("web-4"), 1), "hmac-key-of-ops", 3},
	} {
		command := exec.CommandContext(t.Context(), "python3", "-c", program, d.header.Get(notify.SignatureHeader), test.key)
		command.Stdin = bytes.NewReader(test.body)
		out, _ := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != test.code {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, test.code, out)
		}
	}
}
