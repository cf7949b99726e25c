//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
	"github.com/gitmetal/ingot/inventory"
)

// TestDaemonKilledInTheMiddleOfTheWrite: the running job outlives the daemon; the next one takes it over where it is.
func TestDaemonKilledInTheMiddleOfTheWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	before := w.awaitWrite(10, 0)
	w.daemon.kill()
	if !w.daemon.killed() {
		t.Fatalf("the daemon ended by itself (%v), it was to be killed", w.daemon.command.ProcessState)
	}
	w.say("daemon killed")
	w.serve()
	after := w.awaitActive(w.head())

	w.checkSameOperation(before, after)
	state := w.state()
	if state.RamdiskStarts != 1 || state.DiskStarts != 1 {
		t.Errorf("%d starts of the ramdisk and %d of the disk, want 1 and 1:\n%s", state.RamdiskStarts, state.DiskStarts, strings.Join(state.Story, "\n"))
	}
	w.checkDiskLast(state)
	if jobs := strings.Count(w.console(0), "kind=write"); jobs != 1 {
		t.Errorf("the agent began %d install jobs, want 1", jobs)
	}
}

// TestPlugPulledInTheMiddleOfTheWrite: the disk starts nothing, the machine comes back into the ramdisk, the same operation goes on.
func TestPlugPulledInTheMiddleOfTheWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	before := w.awaitWrite(20, 16<<20)
	w.ingot("lab", "unplug", "--dir", w.dir, host)
	w.awaitState("the machine to lose its power", func(s lab.MachineState) bool { return slices.Contains(s.Story, "exit "+string(bmc.PowerLost)) })
	disk := w.copyDisk()
	w.say("plug pulled")
	w.checkDiskStartsNothing(disk)
	after := w.awaitActive(w.head())

	w.checkSameOperation(before, after)
	state := w.state()
	if state.RamdiskStarts != 2 || state.DiskStarts != 1 {
		t.Errorf("%d starts of the ramdisk and %d of the disk, want 2 and 1:\n%s", state.RamdiskStarts, state.DiskStarts, strings.Join(state.Story, "\n"))
	}
	w.checkDiskLast(state)
	if partitions(t, w.diskPath()) == 0 {
		t.Error("the installed disk has no partitions: the look at the half-written one proves nothing")
	}
}

// checkSameOperation: what was under way ended well, and nothing else was begun.
func (w *world) checkSameOperation(before, after daemon.HostView) {
	w.Helper()
	last := after.LastOperation
	if last == nil || last.ID != before.Operation.ID || last.Outcome != inventory.Succeeded {
		w.Fatalf("the last operation is %+v, want %s of %s", last, inventory.Succeeded, before.Operation.ID)
	}
	if after.Installed.ID != before.Operation.ID || after.Operation != nil {
		w.Errorf("install %s is on the disk and operation %+v is under way, want %s and none", after.Installed.ID, after.Operation, before.Operation.ID)
	}
	if last.Attempt < 1 || after.Installed.PhoneHome.IsZero() {
		w.Errorf("attempt %d, phoned home %s: want at least 1, and a time", last.Attempt, after.Installed.PhoneHome)
	}
}

// checkDiskLast: no start from the disk came before the last start from the medium.
func (w *world) checkDiskLast(state lab.MachineState) {
	w.Helper()
	fromDisk := slices.Index(state.Story, "start disk")
	for i, line := range state.Story {
		if line == "start cd" && (fromDisk < 0 || fromDisk < i) {
			w.Errorf("the first start from the disk is step %d, want it after the start from the medium in step %d:\n%s", fromDisk, i, strings.Join(state.Story, "\n"))
		}
	}
}

func (w *world) diskPath() string {
	return w.path(host, "disk-"+w.rack.Machines[0].DiskSerial+".raw")
}

// written is how much of the machine's disk was ever written, in bytes: what the machine still has in its memory is not.
func (w *world) written() int64 {
	w.Helper()
	info, err := os.Stat(w.diskPath())
	if err != nil {
		w.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512 // stat(2): of 512 bytes
}

// copyDisk copies the machine's disk as it is into a directory for another machine, and gives the directory.
func (w *world) copyDisk() string {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "copy")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.Fatal(err)
	}
	w.run(w.dir, "cp", "--sparse=always", w.diskPath(), dir)
	return dir
}

// checkDiskStartsNothing looks at the copy of a half-written disk, and gives it to another machine to start from.
func (w *world) checkDiskStartsNothing(dir string) {
	w.Helper()
	machine := w.rack.Machines[0]
	path := filepath.Join(dir, filepath.Base(w.diskPath()))
	info, err := os.Stat(path)
	if err != nil {
		w.Fatal(err)
	}
	if n := partitions(w.TB, path); n != 0 {
		w.Errorf("the half-written disk has %d partitions, want none before the image is verified", n)
	}
	other, err := qemu.New(qemu.Config{Dir: dir, Identity: bmc.Identity{
		Serial: machine.Serial, UUID: "4c4c4544-0000-4000-8000-000000000099", MemoryMiB: 512, Cores: 1,
		NICs:  []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:99"}},
		Disks: []bmc.Disk{{Name: "1", Serial: machine.DiskSerial, Bytes: info.Size()}},
	}})
	if err != nil {
		w.Fatal(err)
	}
	w.checkFirmwareFindsNothing(other)
}

// noBootOption is what the firmware says when no disk starts (edk2, BdsDxe).
const noBootOption = "No bootable option or device was found"

func (w *world) checkFirmwareFindsNothing(machine *qemu.Machine) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	exits, err := machine.Start(ctx, bmc.Boot{From: bmc.FromDisk})
	if err != nil {
		w.Fatal(err)
	}
	defer func() {
		_ = machine.Unplug()
		<-exits
	}()
	var said []byte
	w.poll("the firmware to say what it starts", func() bool {
		said, _ = os.ReadFile(machine.ConsolePath())
		return bytes.Contains(said, []byte(noBootOption)) || bytes.Contains(said, []byte("GRUB"))
	})
	if bytes.Contains(said, []byte("GRUB")) {
		w.Errorf("a machine started from the half-written disk:\n%s", said)
	}
	w.say("the half-written disk starts nothing")
}

// partitions counts the partitions of a disk with sectors of 512 bytes, by the entries of its GPT (UEFI 2.10, 5.3); 0 without one.
// coreos-installer begins with an empty table and writes the image's first MiB last.
func partitions(t testing.TB, path string) int {
	t.Helper()
	const header, entries, entry = 512, 1024, 128
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	start := make([]byte, entries+128*entry)
	if _, err := io.ReadFull(file, start); err != nil {
		t.Fatal(err)
	}
	count := 0
	for at := entries; bytes.HasPrefix(start[header:], []byte("EFI PART")) && at < len(start); at += entry {
		if !bytes.Equal(start[at:at+16], make([]byte, 16)) { // its type
			count++
		}
	}
	return count
}
