package reconcile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
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

// TestWhatWasWrittenIsRead reads every record and page that an earlier version wrote. Without an operation they are written
// again as the same bytes; with an operation in the form of today, in which the same is read.
func TestWhatWasWrittenIsRead(t *testing.T) {
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
				again := encoded(t, func() ([]byte, error) { return journal.Encode(record) })
				if record.Operation == nil && record.Last == nil {
					if record.Unknown != "" { // as formerly: members that are not known are written back in the order of their names
						data, again = sorted(t, data), sorted(t, again)
					}
					same(t, recordFile, data, again)
				}
				read, err := journal.Decode(record.ID, again)
				if diff := cmp.Diff(record, read); err != nil || diff != "" {
					t.Errorf("%s is read again as something else: %v (-read +read again):\n%s", recordFile, err, diff)
				}
				if bytes.Contains(again, []byte(`"operation":`)) != bytes.Contains(data, []byte(`"operation":`)) {
					t.Errorf("%s: its operation is not the one that was read: %s", recordFile, again)
				}
			}
			if data := m.files[pageFile]; len(data) > 0 {
				document, err := status.Parse(data)
				if err != nil {
					t.Fatal(err)
				}
				if document.Operation == nil && document.LastOperation == nil {
					same(t, pageFile, data, document.Encode())
				}
				read, err := status.Parse(document.Encode())
				if diff := cmp.Diff(document, read); err != nil || diff != "" {
					t.Errorf("%s is read again as something else: %v (-read +read again):\n%s", pageFile, err, diff)
				}
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

// TestStagesOfAnEarlierVersion maps the stages of 4176809 to those of today, with the steps and the cursor, in every record of
// the install and of the others. Nothing of an operation is lost, and nothing is unknown.
func TestStagesOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	table := map[string]struct {
		stage  inventory.Stage
		starts int
		job    string // what is due is this job, or is not a job
	}{
		"Intended":  {inventory.Intended, 0, ""},
		"Published": {inventory.Published, 0, ""},
		"Armed":     {inventory.Working, 0, "the whole list"},
		"Written":   {inventory.Confirming, 0, ""},
		"Starting":  {inventory.Confirming, 1, ""},
		"Ended":     {inventory.Ended, 0, ""},
	}
	met := map[string]bool{}
	for _, file := range slices.Concat(files(t, "install/*.txtar"), files(t, "others/*.txtar")) {
		data := momentFrom(t, file).files[recordFile]
		if len(data) == 0 {
			continue
		}
		var stored struct {
			Record struct{ Operation, Last *olderOperation }
		}
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
		record, err := journal.Decode(hostOf(t, data), data)
		if err != nil {
			t.Fatal(err)
		}
		for old, got := range map[*olderOperation]*inventory.Operation{stored.Record.Operation: record.Operation, stored.Record.Last: record.Last} {
			if old == nil {
				continue
			}
			want, known := table[old.Stage]
			if met[old.Stage] = true; !known {
				t.Fatalf("%s: stage %s is not in the table", file, old.Stage)
			}
			disk := inventory.OperationDisk{Disk: old.Disk, Content: old.Content, Erases: old.Erases, Consent: old.Consent, Begun: old.Begun}
			whole := want.job == "the whole list"
			if got.Kind != inventory.Install || got.Stage != want.stage || got.Starts != want.starts || got.Cursor != 0 || len(got.Steps) != 0 ||
				got.IsWholeList() != whole || got.JobID() != got.ID || got.Attempt != old.Attempt || got.Unknown != "" || !cmp.Equal(got.Disks, []inventory.OperationDisk{disk}) {
				t.Errorf("%s: %+v is read as %+v, want %+v", file, old, got, want)
			}
		}
	}
	for stage := range table {
		if !met[stage] {
			t.Errorf("no record has an operation at stage %s", stage)
		}
	}
}

// olderOperation is what 4176809 wrote of an operation, as far as its form is another one.
type olderOperation struct {
	Stage   string
	Disk    inventory.DiskID
	Content string
	Erases  bool
	Consent string
	Attempt int
	Begun   int
}

// sorted is JSON with the members of all objects in the order of their names.
func sorted(t *testing.T, data []byte) []byte {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return mustJSON(value)
}

func hostOf(t *testing.T, record []byte) inventory.MachineID {
	t.Helper()
	var stored struct {
		Record struct{ Host inventory.MachineID }
	}
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
// agent polls on: the install ends, once, and no machine is started that runs. An agent of that version that has the job
// ends the job; one that has none is booted again, as it would write without asking for leave.
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
				h, _ := d.ViewHost(polled)
				d.end(t)
				got, boots := p.machine(), 1
				if old := m.machine.Agent; old.Boot != "" && old.Job == "" && m.machine.Installs == 0 {
					boots = 2
				}
				if h.Plan.Phase != plan.Active || got.installs != 1 || got.boots != boots || got.power != inventory.PoweredOn {
					t.Errorf("%s: then %s, %d installs, %d boots into the ramdisk, %s, done %v: %+v", m.what, h.Plan.Phase, got.installs, got.boots, got.power, got.done, h.Plan.Hold)
				}
				touches := func(k act.Kind) bool { return k == act.PowerOff || k == act.PowerOn }
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

// TestAHostThatANewerIngotWroteOf has one host's record, be it the journal's or its page where the journal is lost, need a newer reader: nothing is done to that
// machine, nothing is written over what is known of it, and the other machine is installed.
func TestAHostThatANewerIngotWroteOf(t *testing.T) {
	t.Parallel()
	newer := fmt.Errorf("the journal's record of host-0000: %w", format.ErrNewer)
	for name, begin := range map[string]func(*world){
		"in the journal": func(w *world) {
			w.records[polled] = journal.Entry{Record: inventory.Record{ID: polled, Unreadable: newer.Error()},
				Revision: 7}
		},
		"in the journal, and its page is known": func(w *world) {
			w.records[polled] = journal.Entry{Record: inventory.Record{ID: polled, Unreadable: newer.Error()},
				Revision: 7}
			w.branch[status.Path(polled)] = status.Summarize(status.Document{}, status.Result{Desired: new(desired(polled)), Observed: &inventory.Observed{}, Plan: &plan.Plan{Phase: plan.Active}}).Encode()
		},
		"on its page": func(w *world) {
			w.branch[status.Path(polled)] = append(status.Summarize(status.Document{},
				status.Result{Desired: new(desired(polled)), Observed: &inventory.Observed{}, Plan: &plan.Plan{Phase: plan.Active}}).Encode(),
				"minReader: 99\n"...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				begin(w)
				record, page := w.records[polled], w.branch[status.Path(polled)]
				d := w.daemon(t, reconcile.Limits{})
				after(time.Hour)
				h, _ := d.ViewHost(polled)
				other, _ := d.ViewHost("host-0001")
				d.end(t)
				if other.Plan.Phase != plan.Active {
					t.Errorf("the other host is %s, want Active", other.Plan.Phase)
				}
				if m := w.machines[polled]; len(m.done) > 0 || !cmp.Equal(record, w.records[polled]) ||
					!bytes.Equal(page, w.branch[status.Path(polled)]) {
					t.Errorf("done %v, record %+v, page:\n%s", m.done, w.records[polled], w.branch[status.Path(polled)])
				}
				if hold := h.Document.Hold; hold == nil || hold.Reason != change.NotBelieved {
					t.Errorf("people are told %+v", h.Document)
				}
				fleet, err := status.ParseFleet(w.branch[status.FleetPath])
				if err != nil || fleet.Hosts[string(plan.Held)] != 1 || fleet.Hosts[string(plan.Active)] != 1 {
					t.Errorf("the fleet's page counts %v, %v, want one held and one active", fleet.Hosts, err)
				}
			})
		})
	}
}

// TestAFleetThatANewerIngotRuns has the fleet's page need a newer reader: nothing is done to any machine, and the page stays.
func TestAFleetThatANewerIngotRuns(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		page := append(status.NewFleet(status.Fleet{Commit: w.fleet.Commit}, nil, nil).Encode(), "minReader: 99\n"...)
		w.branch[status.FleetPath] = page
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		source := d.View().Source
		_ = d.stop()
		if m := w.machines[polled]; len(m.done) > 0 || len(w.records) > 0 || !bytes.Equal(page, w.branch[status.FleetPath]) || !strings.Contains(source, "install the ingot that wrote it") {
			t.Errorf("done %v, records %v, trouble %q, page:\n%s", m.done, w.records, source, w.branch[status.FleetPath])
		}
	})
}

// TestWhatANewerIngotWroteOfAFleetStays has the fleet's page carry what this ingot does not know.
func TestWhatANewerIngotWroteOfAFleetStays(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.branch[status.FleetPath] = append(status.NewFleet(status.Fleet{Commit: w.fleet.Commit}, nil, nil).Encode(), "life: {number: 7}\n"...)
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		w.wantInstalledOnce(t)
		if page := string(w.branch[status.FleetPath]); !strings.Contains(page, "life:\n  number: 7\n") || !strings.Contains(page, "Active: 1") {
			t.Errorf("the fleet's page:\n%s", page)
		}
	})
}
