package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/cmd/ingot/discovered"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory/discovery"
)

// stranger is a machine that no host file names.
type stranger struct {
	serial string
	mac    string
	disks  []wire.Disk
	bmc    string      // an address of its BMC; "" for none
	all    *wire.Facts // what else the agent says
	log    *safeLog    // of the agent; nil: nowhere
}

// safeLog is a log that is read while it is written.
type safeLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (s stranger) Facts(context.Context) (wire.Facts, error) {
	uuid := "4c4c4544-0058-4b10-804a-" + fmt.Sprintf("%012x", s.serial)[:12]
	facts := wire.Facts{System: wire.System{Serial: s.serial, UUID: uuid}, Memory: 1 << 30, Disks: s.disks}
	if s.all != nil {
		facts = *s.all
	}
	if s.bmc != "" {
		facts.BMC = &wire.BMC{Networks: []wire.BMCNetwork{{Channel: 1, Addresses: []string{s.bmc}}}}
	}
	if s.mac != "" && s.all == nil {
		facts.NICs = []wire.NIC{{Name: "eno1", MAC: s.mac, Driver: "igb"}}
	}
	return facts, nil
}

func (stranger) Do(context.Context, wire.Step, agent.Session) (*wire.BootEntry, error) {
	return nil, errors.New("a waiting agent was given a step")
}

func (stranger) PowerOff(context.Context) error { return nil }
func (stranger) CarryAccount(_ context.Context, order wire.AccountOrder) wire.AccountReport {
	return wire.AccountReport{ID: order.ID, Problem: wire.AccountNoBMC}
}

// wait runs an agent from a discovery medium until somebody pulls the plug, or the test ends.
func (s stranger) wait(t *testing.T, boot wire.BootConfig) (unplug func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var log io.Writer = s.log
	if s.log == nil {
		log = io.Discard
	}
	go func() {
		defer close(done)
		_ = agent.Run(ctx, agent.Config{Boot: boot, Machine: s, Log: slog.New(slog.NewTextHandler(log, nil))})
	}()
	unplug = func() { cancel(); <-done }
	t.Cleanup(unplug)
	return unplug
}

// verb runs a verb of the command line, and gives what it printed.
func verb(t *testing.T, command func(out, talk *bytes.Buffer) *cobra.Command, args ...string) (out, talk string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := command(&stdout, &stderr)
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func discoveredVerb(out, talk *bytes.Buffer) *cobra.Command {
	return discovered.NewDiscovered(out, talk)
}
func discoveryVerb(out, talk *bytes.Buffer) *cobra.Command { return discovered.NewDiscovery(out, talk) }

// TestUnknownMachinesRegister tells the story of the door: without a key in the fleet there is none; with one, an operator
// makes a medium, a machine that boots from it is a record, and one that poses as a host of the fleet is a conflict that
// operators see. The records outlive a restart, and no log has the key.
func TestUnknownMachinesRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	file, iso := filepath.Join(w.dir, "ingot.yaml"), filepath.Join(t.TempDir(), "discovery.iso")
	client := daemon.Connect(w.socket())
	if _, _, err := verb(t, discoveryVerb, "iso", "--config", file, "--key", "pallet", "-o", iso); err == nil ||
		!strings.Contains(err.Error(), "add it to spec.discovery.keys") {
		t.Errorf("a medium without a key in the fleet: %v", err)
	}
	until := w.addEnrolmentKey(t)
	out, talk, err := verb(t, discoveryVerb, "iso", "--config", file, "--key", "pallet", "-o", iso)
	if err != nil || strings.TrimSpace(out) != iso || !strings.Contains(talk, until) || !strings.Contains(talk, "by hand") {
		t.Fatalf("ingot discovery iso: %q %q %v", out, talk, err)
	}
	boot := readMedium(t, iso)
	offline := filepath.Join(t.TempDir(), "offline.iso")
	if _, _, err := verb(t, discoveryVerb, "iso", "--config", file, "--key", "pallet", "--until", until, "-o", offline); err != nil {
		t.Fatal(err)
	}
	if again := readMedium(t, offline); again.Discovery.Secret != boot.Discovery.Secret {
		t.Error("a medium that is made without a daemon has another key")
	}

	known := w.rack.Description().Machines[0]
	stranger{serial: "SN-NEW"}.wait(t, boot)
	stranger{serial: known.Serial}.wait(t, boot)
	record, conflict := w.awaitRecords(t, client)
	if len(record.Conflicts) != 0 && len(conflict.Conflicts) == 0 {
		record, conflict = conflict, record
	}
	listed, _, err := verb(t, discoveredVerb, "list", "--config", file)
	if err != nil || !strings.Contains(listed, known.Name+" booted the discovery medium") || !strings.Contains(listed, string(record.ID)) {
		t.Errorf("ingot discovered list says %s, %v", listed, err)
	}
	inventory, _, err := verb(t, discoveredVerb, "get", "--config", file, string(record.ID))
	var facts wire.Facts
	if err != nil || json.Unmarshal([]byte(inventory), &facts) != nil || facts.Memory != 1<<30 {
		t.Errorf("ingot discovered get prints %s, %v", inventory, err)
	}
	stop()
	w.start(t)
	if _, _, err := verb(t, discoveredVerb, "forget", "--config", file, string(conflict.ID)); err != nil {
		t.Error(err)
	}
	if list, err := client.ListDiscovered(t.Context()); err != nil || len(list.Records) == 0 || list.Records[len(list.Records)-1].ID != record.ID {
		t.Errorf("after a restart and ingot discovered forget: %+v, %v", list, err)
	}
	audit, err := os.ReadFile(filepath.Join(w.dir, "state", "audit.log"))
	if err != nil || !strings.Contains(string(audit), "made a discovery medium with enrolment key pallet") ||
		!strings.Contains(string(audit), "forgot the discovered machine "+string(conflict.ID)) {
		t.Errorf("the audit log says %s, %v", audit, err)
	}
	log, err := os.ReadFile(w.log.Name())
	if err != nil || strings.Contains(string(log)+string(audit)+listed, boot.Discovery.Secret) {
		t.Errorf("a log has the key, or %v", err)
	}
}

// addEnrolmentKey adds the key "pallet" to the fleet, and gives its last day.
func (w *world) addEnrolmentKey(t *testing.T) (until string) {
	t.Helper()
	until = time.Now().UTC().AddDate(0, 0, 3).Format(time.DateOnly)
	fleet := "apiVersion: ingot.dev/v1alpha1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n  discovery:\n    keys: [{id: pallet, until: " +
		until + "}]\n"
	if err := os.WriteFile(filepath.Join(w.dir, "fleet", "ingot.yaml"), []byte(fleet), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "ingot.yaml")
	w.push(t, "a pallet comes")
	head := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	w.awaitFleet(t, "the commit with the key", func(v daemon.View) bool { return v.Commit == head })
	return until
}

// TestAnImpostorIsGivenNothing: an agent with the enrolment key and the victim's serial and MAC registers, and its record is
// merged with the victim's BMC. The real machine, which is off, is started from its own medium and installed; the agent is
// told nothing of it, and is given no boot, no step and no config.
func TestAnImpostorIsGivenNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	victim := w.rack.Description().Machines[1]
	file := filepath.Join("hosts", victim.Name+".yaml")
	w.git(t, "rm", "--quiet", "--cached", file)
	w.git(t, "commit", "--quiet", "-m", "nobody knows the second machine")
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
	client, boot := w.openDoor(t)
	impostor := stranger{serial: victim.Serial, mac: victim.MAC, log: &safeLog{}}
	impostor.wait(t, boot)
	record := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.Identity.SerialLabel() == victim.Serial })
	if !record.IsClear() {
		t.Fatalf("the record is not clear: %v", record.Conflicts)
	}

	w.edit(t, file, "  name: "+victim.Name, "  name: "+victim.Name+"\n  id: "+string(record.ID.Machine()))
	w.git(t, "add", "--force", file)
	w.push(t, "merge what was proposed")
	w.await(t, 2, "Active", active)
	counts := w.rack.Sim(victim.Name).Counts()
	if counts.Installs != 1 {
		t.Errorf("the real machine: %+v", counts)
	}
	last := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.LastWord.After(record.LastWord) })
	if last.ProvenBy(victim.Address) != discovery.NoProof {
		t.Error("the impostor is proved to be the machine")
	}
	if said := impostor.log.String(); !strings.Contains(said, "register: done") || strings.Contains(said, "is a host now") ||
		strings.Contains(said, "enrol") || strings.Contains(said, "powering off") || strings.Contains(said, "report the hardware") {
		t.Errorf("the impostor's agent says:\n%s", said)
	}
}

// awaitRecord waits for a record that is as wanted.
func (w *world) awaitRecord(t *testing.T, client *daemon.Client, wanted func(discovery.Record) bool) discovery.Record {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		list, err := client.ListDiscovered(t.Context())
		for _, r := range list.Records {
			if err == nil && wanted(r) {
				return r
			}
		}
		select {
		case <-ticker.C:
		case <-deadline:
			known, _ := json.Marshal(list)
			t.Fatalf("the records are %s, %v", known, err)
		}
	}
}

// awaitRecords waits until two machines have registered.
func (w *world) awaitRecords(t *testing.T, client *daemon.Client) (one, two discovery.Record) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		list, err := client.ListDiscovered(t.Context())
		if err == nil && len(list.Records) == 2 {
			return list.Records[0], list.Records[1]
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("the records are %+v, %v", list, err)
		}
	}
}

// openDoor starts the daemon with an enrolment key, and gives a client and the boot configuration of the key's medium.
func (w *world) openDoor(t *testing.T) (*daemon.Client, wire.BootConfig) {
	t.Helper()
	w.start(t)
	w.addEnrolmentKey(t)
	client := daemon.Connect(w.socket())
	boot, err := client.DiscoveryMedium(t.Context(), "pallet")
	if err != nil {
		t.Fatal(err)
	}
	return client, boot
}

// readMedium finds the boot configuration in a discovery medium.
func readMedium(t *testing.T, iso string) (boot wire.BootConfig) {
	t.Helper()
	data, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(iso); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the medium has the mode %v, %v, want 0600", info.Mode(), err)
	}
	_, rest, found := bytes.Cut(data, []byte("etc/ingot/boot.json\x00"))
	at := bytes.IndexByte(rest, '{')
	if !found || at < 0 {
		t.Fatal("the medium has no boot configuration")
	}
	if err := json.NewDecoder(bytes.NewReader(rest[at:])).Decode(&boot); err != nil || boot.Discovery == nil {
		t.Fatalf("the medium says %+v, %v", boot, err)
	}
	return boot
}

// TestARangeIsAskedOnce: an operator has a range asked, without the addresses of known hosts, and not again within the hour.
func TestARangeIsAskedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.start(t)
	w.await(t, 1, "Active", active)
	file := filepath.Join(w.dir, "ingot.yaml")
	discover := func(out, talk *bytes.Buffer) *cobra.Command { return discovered.NewDiscover(out, talk) }
	// The BMC of the lab's machine is at 127.0.0.1, and nobody serves HTTPS at 127.0.0.2.
	if _, talk, err := verb(t, discover, "--config", file, "--range", "127.0.0.0/30"); err != nil ||
		!strings.Contains(talk, "0 Redfish services at 1 addresses; 1 addresses of known hosts were not asked") {
		t.Errorf("ingot discover: %q, %v", talk, err)
	}
	for cidr, want := range map[string]string{"127.0.0.2/32": "ask again after", "10.0.0.0/8": "more than 4096", "nothing": "is none"} {
		if _, _, err := verb(t, discover, "--config", file, "--range", cidr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ingot discover --range %s: %v, want %q", cidr, err, want)
		}
	}
	audit, err := os.ReadFile(filepath.Join(w.dir, "state", "audit.log"))
	if err != nil || !strings.Contains(string(audit), `asked \"127.0.0.0/30\" for Redfish services`) {
		t.Errorf("the audit log says %s, %v", audit, err)
	}
}

// TestAStrangerIsProposed: a machine that registers becomes a branch with a Host file, which an operator may ask for again.
func TestAStrangerIsProposed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.start(t)
	w.addEnrolmentKey(t)
	file, iso := filepath.Join(w.dir, "ingot.yaml"), filepath.Join(t.TempDir(), "discovery.iso")
	if _, _, err := verb(t, discoveryVerb, "iso", "--config", file, "--key", "pallet", "-o", iso); err != nil {
		t.Fatal(err)
	}
	client := daemon.Connect(w.socket())
	stranger{serial: "SN-NEW"}.wait(t, readMedium(t, iso))
	isOpen := func(r discovery.Record) bool {
		return r.Proposal != nil && r.Proposal.State == discovery.Open && r.Proposal.Tip != ""
	}
	record := w.awaitRecord(t, client, isOpen)
	branch := "ingot/proposals/" + string(record.ID)
	w.git(t, "fetch", "--quiet", "origin", branch)
	if text := w.git(t, "show", "FETCH_HEAD:"+record.Proposal.Path); !strings.Contains(text, "id: m-"+string(record.ID)) || !strings.Contains(text, "SN-NEW") {
		t.Errorf("the proposal is %s", text)
	}
	w.git(t, "push", "--quiet", "origin", ":refs/heads/"+branch)
	if out, _, err := verb(t, discoveredVerb, "propose", "--config", file, string(record.ID)); err != nil || !strings.Contains(out, "is proposed") {
		t.Errorf("ingot discovered propose: %q %v", out, err)
	}
	w.git(t, "fetch", "--quiet", "origin", branch)
}
