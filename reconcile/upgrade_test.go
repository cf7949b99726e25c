package reconcile_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// written is the directory with what the oldest version wrote that this one takes over from.
const written = "testdata/4176809"

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(written, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("Glob(%s) = %d files, %v: nothing would be proved", pattern, len(found), err)
	}
	return found
}

// TestWhatWasWrittenIsWrittenAgain reads every record and page that an earlier version wrote: they are written again as the same bytes.
func TestWhatWasWrittenIsWrittenAgain(t *testing.T) {
	t.Parallel()
	for _, file := range slices.Concat(files(t, "install/*.txtar"), files(t, "others/*.txtar")) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			m := momentFrom(t, file)
			if data := m.files[recordFile]; len(data) > 0 {
				record, err := journal.Decode(hostOf(t, data), data)
				if err != nil {
					t.Fatal(err)
				}
				same(t, recordFile, data, encoded(t, func() ([]byte, error) { return journal.Encode(record) }))
			}
			if data := m.files[pageFile]; len(data) > 0 {
				document, err := status.Parse(data)
				if err != nil {
					t.Fatal(err)
				}
				same(t, pageFile, data, document.Encode())
			}
			if data := m.files[fleetFile]; len(data) > 0 {
				fleet, err := status.ParseFleet(data)
				if err != nil {
					t.Fatal(err)
				}
				same(t, fleetFile, data, fleet.Encode())
			}
		})
	}
}

func hostOf(t *testing.T, record []byte) string {
	t.Helper()
	var stored struct{ Record struct{ Host string } }
	if err := json.Unmarshal(record, &stored); err != nil {
		t.Fatal(err)
	}
	return stored.Record.Host
}

func same(t *testing.T, file string, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-read +written):\n%s", file, diff)
	}
}

// resume is the world of a moment: the daemon is dead, the machine and its agent go on.
func resume(t *testing.T, m moment) *polling {
	t.Helper()
	p := newPolling(t, identityFrom(t, filepath.Join(written, "identity.txtar")), nil)
	if document := m.files[agentFile]; len(document) > 0 {
		p.document = document
	}
	if data := m.files[recordFile]; len(data) > 0 {
		record, err := journal.Decode(polled, data)
		if err != nil {
			t.Fatal(err)
		}
		p.revision = 1
		p.records[polled] = journal.Entry{Record: record, Revision: 1}
	}
	for path, file := range map[string]string{status.Path(polled): pageFile, status.FleetPath: fleetFile} {
		if data := m.files[file]; len(data) > 0 {
			p.branch[path] = data
		}
	}
	if err := json.Unmarshal(m.files[acceptedFile], &p.accepted); err != nil {
		t.Fatal(err)
	}
	at := m.machine
	*p.machine() = machine{
		serial: serial(polled), power: at.Power, media: at.Media, override: at.Override, disk: at.Disk, image: at.Image, reads: at.Reads, boots: at.Boots, installs: at.Installs,
	}
	p.memory, p.ids = at.Agent, 100
	after(time.Until(at.At))
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Power == inventory.PoweredOn {
		p.runs()
	}
	return p
}

// TestAnUpgradeGoesOn has the daemon of an earlier version die at every moment of an install, and this one take over from what that wrote, while the machine's
// agent polls on: the install ends, once, and no machine is started that runs.
func TestAnUpgradeGoesOn(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "install/*.txtar") {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			m := momentFrom(t, file)
			synctest.Test(t, func(t *testing.T) {
				p := resume(t, m)
				d := p.serve(t, reconcile.Limits{})
				after(2 * time.Hour)
				h, _ := d.Host(polled)
				d.end(t)
				got := p.machine()
				if h.Plan.Phase != plan.Active || got.installs != 1 || got.boots != 1 || got.power != inventory.PoweredOn {
					t.Errorf("%s: then %s, %d installs, %d boots into the ramdisk, %s, done %v: %+v", m.what, h.Plan.Phase, got.installs, got.boots, got.power, got.done, h.Plan.Hold)
				}
				touches := func(k plan.Kind) bool { return k == plan.PowerOff || k == plan.PowerOn }
				if served := m.machine.Power == inventory.PoweredOn && m.machine.Agent.Boot == ""; served && slices.ContainsFunc(got.done, touches) {
					t.Errorf("%s: its system ran, and was disturbed: %v", m.what, got.done)
				}
				if operation := h.Observed.Record.Last; operation == nil || !bytes.Contains(m.files[recordFile], []byte(operation.ID)) && bytes.Contains(m.files[recordFile], []byte(`"operation"`)) {
					t.Errorf("%s: the operation that ended, %+v, is not the one that was under way", m.what, operation)
				}
			})
		})
	}
}
