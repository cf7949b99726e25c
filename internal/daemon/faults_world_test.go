package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/program"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// change edits the file of machine-1 and pushes all that was edited.
func (w *world) change(t *testing.T, old, replacement string) {
	t.Helper()
	w.edit(t, "hosts/machine-1.yaml", old, replacement)
	w.push(t, "change machine-1")
}

// data gives machine-1 a second disk, and puts something on both that somebody may want to keep.
func (w *world) data(t *testing.T) {
	t.Helper()
	machine := w.rack.Sim("machine-1")
	for name, disk := range map[string]interface {
		WriteAt(p []byte, offset int64) (int, error)
	}{"first": machine.Disk(), "second": machine.AddDisk("SPARE")} {
		if _, err := disk.WriteAt([]byte("the only copy of the "+name+" thesis"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitConsent gives the consent that the daemon asks for, for a disk.
func (w *world) awaitConsent(t *testing.T, disk string) (consent string) {
	t.Helper()
	w.follow(t, func() string { return "a consent for " + disk }, func(e daemon.Event) bool {
		if e.Host == nil || e.Host.Hold == nil || len(e.Host.Hold.Consent) != 1 ||
			!strings.HasPrefix(e.Host.Hold.Consent[0], disk) {
			return false
		}
		consent = e.Host.Hold.Consent[0]
		return true
	})
	return consent
}

// cut takes the BMC of machine-1 off the network: whatever is sent to it comes to nothing.
func (w *world) cut() {
	w.rack.BMC("machine-1").Inject(func(f *bmc.Faults) { f.DropConnections = 1 << 30 })
}

// seal puts another BMC password into the fleet.
func (w *world) seal(t *testing.T, password string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(w.dir, "age.key"))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(key)))
	if err != nil {
		t.Fatal(err)
	}
	w.sealFor(t, password, identity.Recipient())
}

// sealFor puts a BMC password into the fleet that a recipient can read.
func (w *world) sealFor(t *testing.T, password string, recipient age.Recipient) {
	t.Helper()
	document, err := secrets.SealSecret(secrets.Plain{Name: "bmc-lab", Scope: schemas.Scope{MatchLabels: map[string]string{"rack": "lab"}}, Data: map[string]secret.Value{
		"username": secret.New(w.rack.Description().Machines[0].Username), "password": secret.New(password),
	}}, []age.Recipient{recipient}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "fleet", "secrets", "bmc-lab.yaml"), document, 0o644); err != nil {
		t.Fatal(err)
	}
	w.push(t, "another password")
}

// refusePushes has the forge take commits of the fleet, but none of the status branch.
func (w *world) refusePushes(t *testing.T) {
	t.Helper()
	hook := "#!/bin/sh\nwhile read -r _ _ ref; do\n  if [ \"$ref\" = refs/heads/ingot/status ]; then echo 'the status branch is protected' >&2; exit 1; fi\ndone\n"
	if err := program.Write(w.hook(), hook); err != nil {
		t.Fatal(err)
	}
}

func (w *world) takePushes(t *testing.T) {
	t.Helper()
	if err := os.Remove(w.hook()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) hook() string { return filepath.Join(w.dir, "fleet.git", "hooks", "pre-receive") }
