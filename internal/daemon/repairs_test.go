package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
)

// TestRepairs: machine-1 goes off, comes back with another part, and is looked at in a boot of the daemon's. Each part
// becomes a pull request that changes the one field of its file, and nothing is done to the machine before.
func TestRepairs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replace func(*sim.Machine, *bmc.BMC)
		kind    repair.Kind
		has     []string // in the file
		says    string   // in the commit
	}{
		"disk": {func(m *sim.Machine, _ *bmc.BMC) { m.ReplaceDisk("NEWDISK") }, repair.RootDisk,
			[]string{`rootDisk: {serial: "NEWDISK"}`}, "It erases nothing: the disk is blank"},
		"board": {func(m *sim.Machine, _ *bmc.BMC) {
			m.ReplaceBoard(func(id *bmc.Identity) {
				id.Serial, id.UUID, id.NICs[0].MAC = "NEWBOARD", "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "00:16:3e:00:00:99"
			})
		}, repair.Identity, []string{`serial: "NEWBOARD"`, `macs: ["00:16:3e:00:00:99"]`}, "consent --takeover machine-1"},
		"card": {func(m *sim.Machine, _ *bmc.BMC) {
			m.ReplaceBoard(func(id *bmc.Identity) { id.NICs[0].MAC = "00:16:3e:00:00:77" })
		}, repair.Identity, []string{`macs: ["00:16:3e:00:00:77"]`}, "a network card is another one"},
		"BMC": {func(_ *sim.Machine, b *bmc.BMC) { b.Replace() }, repair.BMC, nil, "nobody has logged in there"},
		"board and disk": {func(m *sim.Machine, _ *bmc.BMC) {
			m.ReplaceDisk("NEWDISK")
			m.ReplaceBoard(func(id *bmc.Identity) { id.Serial = "NEWBOARD" })
		}, repair.Held, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.start(t)
			w.await(t, 1, "Active", active)
			machine, b := w.rack.Sim("machine-1"), w.rack.BMC("machine-1")
			w.change(t, "  workload: hello", "  power: \"Off\"\n  workload: hello")
			if err := b.WaitOff(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.replace(machine, b)
			w.change(t, "  workload: hello", "  requests: {inspect: \"after-repair\"}\n  workload: hello")
			client := daemon.Connect(w.socket())
			record := w.awaitRecord(t, client, func(r discovery.Record) bool {
				return r.Repair != nil && r.Repair.Kind == test.kind && (test.kind == repair.Held || r.Proposal != nil && r.Proposal.Tip != "")
			})
			if listed, _, err := verb(t, discoveredVerb, "list", "--config", filepath.Join(w.dir, "ingot.yaml")); err != nil ||
				!strings.Contains(listed, "host machine-1") {
				t.Errorf("ingot discovered list says %s, %v", listed, err)
			}
			if installs := machine.Counts().Installs; installs != 1 {
				t.Errorf("%d installs before the merge", installs)
			}
			if test.kind == repair.Held {
				if record.Proposal != nil && record.Proposal.Tip != "" {
					t.Errorf("two parts are other, and something is proposed: %+v", record.Proposal)
				}
				return
			}
			w.checkRepair(t, client, record, test.has, test.says)
		})
	}
}

// checkRepair reads a repair's branch, merges it, and waits for the end of the proposal.
func (w *world) checkRepair(t *testing.T, client *daemon.Client, record discovery.Record, has []string, says string) {
	t.Helper()
	branch := "ingot/proposals/" + string(record.ID)
	w.git(t, "fetch", "--quiet", "origin", branch)
	text, message := w.git(t, "show", "FETCH_HEAD:hosts/machine-1.yaml"), w.git(t, "show", "--format=%B", "--no-patch", "FETCH_HEAD")
	if len(has) == 0 {
		shown, err := w.rack.BMC("machine-1").Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		has = []string{shown}
	}
	for _, want := range has {
		if !strings.Contains(text, want) {
			t.Errorf("the file has no %s:\n%s", want, text)
		}
	}
	if !strings.Contains(message, says) {
		t.Errorf("the commit does not say %q:\n%s", says, message)
	}
	if changed := strings.Count(w.git(t, "diff", "--unified=0", "HEAD", "FETCH_HEAD"), "\n-"); changed > 3 {
		t.Errorf("%d lines of the file are changed", changed)
	}
	w.git(t, "merge", "--quiet", "--no-ff", "-m", "merge the repair", "FETCH_HEAD")
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
	w.awaitRecordGone(t, client, record)
	if left := w.git(t, "ls-remote", "origin", branch); left != "" {
		t.Errorf("the branch is still there: %s", left)
	}
}

// awaitRecordGone waits until the proposal of a repair is merged, or its record gone.
func (w *world) awaitRecordGone(t *testing.T, client *daemon.Client, record discovery.Record) {
	t.Helper()
	isOver := func() bool {
		r, err := client.ReadDiscovered(t.Context(), record.ID)
		return err != nil && strings.Contains(err.Error(), "no such record") || r.Proposal != nil && r.Proposal.State == discovery.Merged
	}
	deadline, ticker := time.After(time.Minute), time.NewTicker(100*time.Millisecond)
	defer ticker.Stop()
	for !isOver() {
		select {
		case <-ticker.C:
		case <-deadline:
			r, err := client.ReadDiscovered(t.Context(), record.ID)
			t.Fatalf("after the merge the record is %+v %+v, %v", r.Proposal, r.Repair, err)
		}
	}
}

// TestAnImpostorGetsNoRepair: a machine at the discovery door with the serial, the UUID and the MAC of a host is a conflict,
// and no proposal of a repair; one with the disk of the host, by its mark, and another board is one.
func TestAnImpostorGetsNoRepair(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.start(t)
	w.await(t, 1, "Active", active)
	w.addEnrolmentKey(t)
	client := daemon.Connect(w.socket())
	boot, err := client.DiscoveryMedium(t.Context(), "pallet")
	if err != nil {
		t.Fatal(err)
	}
	known := w.rack.Description().Machines[0]
	stranger{serial: known.Serial, mac: known.MAC}.wait(t, boot)
	impostor := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.Identity.SerialLabel() == known.Serial })
	if impostor.IsClear() {
		t.Error("the impostor is in no conflict")
	}
	disk := w.rack.Sim("machine-1").DescribeDisks()
	stranger{serial: "NEWBOARD", mac: "00:16:3e:00:00:99", disks: disk}.wait(t, boot)
	record := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.Repair != nil && r.Proposal != nil && r.Proposal.Tip != "" })
	branch := "ingot/proposals/" + string(record.ID)
	w.git(t, "fetch", "--quiet", "origin", branch)
	if text := w.git(t, "show", "FETCH_HEAD:hosts/machine-1.yaml"); !strings.Contains(text, `serial: "NEWBOARD"`) || strings.Contains(text, "consent") {
		t.Errorf("the marked disk became\n%s", text)
	}
	list, err := client.ListDiscovered(t.Context())
	repairs := 0
	for _, r := range list.Records {
		if r.Repair != nil {
			repairs++
		}
		if r.ID == impostor.ID && r.Proposal != nil && r.Proposal.Tip != "" {
			t.Error("the impostor is proposed")
		}
	}
	if err != nil || repairs != 1 {
		t.Errorf("%d repairs, %v", repairs, err)
	}
}

// TestAHostWithoutABMCGetsAnAddress: a Host file declares a serial and no BMC. The machine with the serial registers at the
// discovery door, and its BMC's address becomes a pull request for the file; another machine's does not.
func TestAHostWithoutABMCGetsAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	file := filepath.Join(w.dir, "fleet", "hosts", "later.yaml")
	text := "apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: later} # rack 3\nspec:\n  identity: {serial: SN-LATER}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "hosts/later.yaml")
	w.push(t, "a host whose BMC nobody knows yet")
	client, boot := w.openDoor(t)
	stranger{serial: "SN-OTHER", bmc: "10.9.9.8"}.wait(t, boot)
	stranger{serial: "SN-LATER", bmc: "10.9.9.9"}.wait(t, boot)
	record := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.Repair != nil && r.Proposal != nil && r.Proposal.Tip != "" })
	branch := "ingot/proposals/" + string(record.ID)
	w.git(t, "fetch", "--quiet", "origin", branch)
	got, message := w.git(t, "show", "FETCH_HEAD:hosts/later.yaml"), w.git(t, "show", "--format=%B", "--no-patch", "FETCH_HEAD")
	if !strings.Contains(got, `address: "https://10.9.9.9"`) || !strings.Contains(got, "# rack 3") || strings.Contains(got, "credentials") {
		t.Errorf("the file became\n%s", got)
	}
	if !strings.Contains(message, "later: the address of its BMC") || !strings.Contains(message, "compare the address with the rack") {
		t.Errorf("the commit says\n%s", message)
	}
	if record.Repair.Host != "later" || record.Repair.Kind != repair.Address {
		t.Errorf("the repair is %+v", record.Repair)
	}
}
