package reconcile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
)

var fixtures = flag.String("fixtures", "", "write what this version writes, at every moment of an install, into this new directory")

// moment is all there is when a daemon dies: what it wrote, and the machine with what its agent knows.
type moment struct {
	what    string
	files   map[string][]byte
	machine machineMoment
}

// Files of a moment.
const (
	recordFile   = "record.json"   // the journal's record; empty when there is none
	agentFile    = "agent.json"    // the hub's document; empty when there is none
	pageFile     = "page.yaml"     // the host's page; empty when there is none
	fleetFile    = "fleet.yaml"    // the fleet's page; empty when there is none
	acceptedFile = "accepted.json" // the accepted commit
	machineFile  = "machine.json"  // machineMoment
)

var momentFiles = []string{recordFile, agentFile, pageFile, fleetFile, acceptedFile, machineFile}

// machineMoment is the machine, and no part of ingot's formats.
type machineMoment struct {
	At                     time.Time
	Power                  inventory.PowerState
	Media, Override, Disk  string
	Image                  inventory.ImagePhase
	Reads, Boots, Installs int
	Agent                  agentMemory
}

// now is what there is at this moment.
func (p *polling) now(t *testing.T) moment {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.machine()
	at := moment{files: map[string][]byte{}, machine: machineMoment{
		At: time.Now().UTC(), Power: m.power, Media: m.media, Override: m.override, Disk: m.disk, Image: m.image, Reads: m.reads, Boots: m.boots, Installs: m.installs, Agent: p.memory,
	}}
	entry, there := p.records[polled]
	at.what = where(entry.Record, p.document)
	if there {
		at.files[recordFile] = encoded(t, func() ([]byte, error) { return journal.Encode(entry.Record) })
	}
	at.files[agentFile] = p.document
	at.files[pageFile] = p.branch[status.Path(polled)]
	at.files[fleetFile] = p.branch[status.FleetPath]
	at.files[acceptedFile] = encoded(t, func() ([]byte, error) { return json.Marshal(p.accepted) })
	at.files[machineFile] = encoded(t, func() ([]byte, error) { return json.MarshalIndent(at.machine, "", " ") })
	return at
}

func encoded(t *testing.T, encode func() ([]byte, error)) []byte {
	t.Helper()
	data, err := encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// where says in a line how far an install has come.
func where(r inventory.Record, document []byte) string {
	boot, operation := "no boot", "no operation"
	if b := r.Boot; b != nil {
		boot = fmt.Sprintf("boot from %s %s", b.Target, b.Stage)
	}
	if op := r.Operation; op != nil {
		operation = "operation " + string(op.Stage)
	} else if r.Installed != nil {
		operation = "installed"
	}
	var agent struct {
		Key string `json:"key"`
		Job *struct {
			Kind  string `json:"kind"`
			State string `json:"state"`
		} `json:"job"`
		PhoneHome *json.RawMessage `json:"phoneHome"`
	}
	_ = json.Unmarshal(document, &agent)
	said := "no agent"
	switch {
	case agent.Job != nil:
		said = "job " + agent.Job.Kind + " " + agent.Job.State
	case agent.Key != "":
		said = "agent enrolled"
	}
	if agent.PhoneHome != nil {
		said += ", phoned home"
	}
	return boot + ", " + operation + ", " + said
}

// same reports whether two moments differ in nothing but their time.
func (m moment) same(o moment) bool {
	for _, file := range momentFiles[:len(momentFiles)-1] {
		if !bytes.Equal(m.files[file], o.files[file]) {
			return false
		}
	}
	a, b := m.machine, o.machine
	a.At, b.At = time.Time{}, time.Time{}
	return string(mustJSON(a)) == string(mustJSON(b))
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// TestWriteFixtures installs a machine and keeps every moment of it, when a directory is given.
func TestWriteFixtures(t *testing.T) {
	if *fixtures == "" {
		return
	}
	identity := filepath.Join(t.TempDir(), "identity")
	id, err := hub.CreateIdentity(identity)
	if err != nil {
		t.Fatal(err)
	}
	var moments []moment
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, id, nil)
		p.moment = func() {
			if now := p.now(t); len(moments) == 0 || !now.same(moments[len(moments)-1]) {
				moments = append(moments, now)
			}
		}
		d := p.serve(t, reconcile.Limits{PublishEvery: time.Second})
		after(30 * time.Minute)
		d.end(t)
		p.wantInstalledOnce(t)
	})
	if err := os.MkdirAll(filepath.Join(*fixtures, "install"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, m := range moments {
		archive := &txtar.Archive{Comment: []byte(m.what + "\n")}
		for _, file := range momentFiles {
			archive.Files = append(archive.Files, txtar.File{Name: file, Data: m.files[file]})
		}
		write(t, filepath.Join(*fixtures, "install", fmt.Sprintf("%02d.txtar", i)), archive)
	}
	archive := &txtar.Archive{Comment: []byte("the identity of the daemon that wrote the moments; it was made for them\n")}
	for _, file := range identityFiles {
		data, err := os.ReadFile(filepath.Join(identity, file))
		if err != nil {
			t.Fatal(err)
		}
		archive.Files = append(archive.Files, txtar.File{Name: file, Data: data})
	}
	write(t, filepath.Join(*fixtures, "identity.txtar"), archive)
}

var identityFiles = []string{"root.key", "ca.key", "ca.crt", "server.key"}

func write(t *testing.T, file string, archive *txtar.Archive) {
	t.Helper()
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// momentFrom reads a moment.
func momentFrom(t *testing.T, file string) moment {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := moment{what: strings.TrimSpace(string(archive.Comment)), files: map[string][]byte{}}
	for _, f := range archive.Files {
		data := f.Data
		if strings.HasSuffix(f.Name, ".json") {
			data = bytes.TrimSuffix(data, []byte("\n")) // the archive's
		}
		m.files[f.Name] = data
	}
	if data, there := m.files[machineFile]; there {
		if err := json.Unmarshal(data, &m.machine); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// identityFrom reads the identity of the daemon that wrote the moments.
func identityFrom(t *testing.T, file string) *hub.Identity {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id, err := hub.LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestWriteOtherFixtures keeps what is written of machines that are not as they should be, when a directory is given.
func TestWriteOtherFixtures(t *testing.T) {
	if *fixtures == "" {
		return
	}
	if err := os.MkdirAll(filepath.Join(*fixtures, "others"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, begin := range map[string]func(*testing.T, *world) inventory.MachineID{
		"quarantined": func(t *testing.T, w *world) inventory.MachineID {
			w.machines[polled].breaks = w.fleet.Hosts[polled].Workload.Inputs
			w.passes(t, w)
			return polled
		},
		"held": func(t *testing.T, w *world) inventory.MachineID {
			w.passes(t, used{w})
			return polled
		},
		"spent": func(t *testing.T, w *world) inventory.MachineID {
			w.fleet.Hosts[polled] = enrols(w.fleet.Hosts[polled])
			w.passes(t, used{w})
			return polled
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(1)
			host := begin(t, w)
			record := w.records[host].Record
			archive := &txtar.Archive{Comment: []byte(string(host) + ": " + where(record, nil) + "\n"), Files: []txtar.File{
				{Name: recordFile, Data: encoded(t, func() ([]byte, error) { return journal.Encode(record) })},
				{Name: pageFile, Data: w.branch[status.Path(host)]},
				{Name: fleetFile, Data: w.branch[status.FleetPath]},
			}}
			write(t, filepath.Join(*fixtures, "others", name+".txtar"), archive)
		})
	}
}

// passes lets a daemon work for a while.
func (w *world) passes(t *testing.T, observer reconcile.Observer) {
	t.Helper()
	d := w.observed(t, observer, reconcile.Limits{PublishEvery: time.Second})
	after(time.Hour)
	d.end(t)
}
