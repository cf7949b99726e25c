package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// addStep puts a Step with BIOS settings into the fleet's Workload.
func (w *world) addStep(t *testing.T, bios, apply string) {
	t.Helper()
	step := fmt.Sprintf("apiVersion: ingot.dev/v1alpha1\nkind: Step\nmetadata: {name: bios}\nspec:\n  bmc: {bios: {%s}}\n  apply: %s\n", bios, apply)
	path := filepath.Join(w.dir, "fleet", "bios.yaml")
	if err := os.WriteFile(path, []byte(step), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "bios.yaml")
	files := strings.Fields(w.git(t, "grep", "-l", "kind: Workload"))
	if data, _ := os.ReadFile(filepath.Join(w.dir, "fleet", files[0])); !strings.Contains(string(data), "step: bios") {
		w.edit(t, files[0], "spec:\n", "spec:\n  steps: [{step: bios}, {step: install}]\n")
	}
	w.push(t, "BIOS settings")
}

func runsJob(h daemon.HostView) bool { return strings.Contains(h.Waits, "says Running") }

// A setting reaches a machine in service without a boot of the ramdisk: the settings object, a job, one graceful restart,
// the same install's call. The daemon is killed while the job runs. A second look writes nothing.
func TestSettingsOfAMachineInService(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	b := w.rack.BMC("machine-1")
	b.Inject(func(f *bmc.Faults) { f.JobRuns = true })
	before := b.Log().Counts()
	w.addStep(t, "ProcVirtualization: Enabled, PerformanceCores: 16, ProcessorMode: Custom", "InTurn")
	w.await(t, 1, "waiting for the job", runsJob)
	stop()
	stop = w.start(t)
	w.await(t, 1, "waiting for the job after a restart", runsJob)
	b.Inject(func(f *bmc.Faults) { f.JobRuns = false })
	held := func(h daemon.HostView) bool {
		return active(h) && h.Settings != nil && h.Settings.Held != "" && h.Settings.Work == nil
	}
	w.await(t, 1, "Active with the settings", held)
	bios, after := b.BIOS(), b.Log().Counts()
	if bios["ProcVirtualization"] != "Enabled" || bios["PerformanceCores"] != 16.0 || bios["ProcessorMode"] != "Custom" {
		t.Errorf("the machine has %v", bios)
	}
	state, err := w.rack.State("machine-1")
	if err != nil {
		t.Fatal(err)
	}
	if state.RamdiskStarts != 1 || after.CDStarts != before.CDStarts || after.DiskStarts != before.DiskStarts+1 || w.rack.Sim("machine-1").Counts().Installs != 1 {
		t.Errorf("%d ramdisk starts, %d and then %d starts from the disk:\n%s", state.RamdiskStarts, before.DiskStarts, after.DiskStarts, strings.Join(state.Story, "\n"))
	}
	if after.Settings != 1 || after.CutJobs != 0 || after.PowerOffs != before.PowerOffs+1 || after.PowerOns != before.PowerOns+1 {
		t.Errorf("%d writes of the settings, %d jobs cut, %d power-offs, %d power-ons:\n%s", after.Settings, after.CutJobs,
			after.PowerOffs-before.PowerOffs, after.PowerOns-before.PowerOns, strings.Join(b.Log().Story(), "\n"))
	}
	if story := b.Log().Story(); !strings.Contains(strings.Join(story, "\n"), "settings\npower-off graceful\n") {
		t.Errorf("the system was not asked to shut down:\n%s", strings.Join(story, "\n"))
	}
	stop()
	w.start(t)
	w.await(t, 1, "Active after another restart", held)
	if writes := b.Log().Counts(); writes.Settings != 1 || writes.PowerOffs != after.PowerOffs {
		t.Errorf("a second look wrote: %d writes, %d power-offs", writes.Settings, writes.PowerOffs-after.PowerOffs)
	}
	t.Logf("%d requests at the BMC for the maintenance", after.Requests-before.Requests)
}

// What the registry does not allow is refused before anything is reset; what the job did not do is a failure that names
// each attribute, and is not tried again by itself, but on `ingot retry`.
func TestSettingsThatTheMachineDoesNotTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.start(t)
	w.await(t, 1, "Active", active)
	b := w.rack.BMC("machine-1")
	before := b.Log().Counts()
	w.addStep(t, "ProcVirtualization: \"On\", SriovGlobalEnabled: Enabled", "InTurn")
	w.await(t, 1, "refused", func(h daemon.HostView) bool {
		return h.Hold != nil && h.Hold.Reason == change.SettingsRefused && strings.Contains(h.Hold.Message, "ProcVirtualization does not take On: it takes Enabled, Disabled") &&
			strings.Contains(h.Hold.Message, "there is no BIOS attribute SriovGlobalEnabled on this machine: the nearest are SriovGlobalEnable")
	})
	w.awaitCause(t, "SettingsRefused")
	if after := b.Log().Counts(); after.Settings != 0 || after.PowerOffs != before.PowerOffs {
		t.Errorf("%d writes, %d power-offs for settings that the BMC refuses", after.Settings, after.PowerOffs-before.PowerOffs)
	}
	b.Inject(func(f *bmc.Faults) { f.JobCritical = true })
	w.addStep(t, "ProcVirtualization: Enabled", "InTurn")
	w.await(t, 1, "failed", func(h daemon.HostView) bool {
		return h.Hold != nil && h.Hold.Reason == change.SettingsFailed && strings.Contains(h.Hold.Message, "ProcVirtualization: want Enabled, found Disabled") &&
			strings.Contains(h.Hold.Message, "says Completed/Critical")
	})
	failed := b.Log().Counts()
	if failed.Settings != 1 || failed.PowerOffs != before.PowerOffs+1 || failed.CutJobs != 0 {
		t.Errorf("%d writes, %d power-offs, %d jobs cut", failed.Settings, failed.PowerOffs-before.PowerOffs, failed.CutJobs)
	}
	b.Inject(func(f *bmc.Faults) { f.JobCritical = false })
	if err := daemon.Connect(w.socket()).RetryHost(t.Context(), "machine-1"); err != nil {
		t.Fatalf("the way out that the hold names: %v", err)
	}
	w.await(t, 1, "Active with the settings", func(h daemon.HostView) bool {
		return active(h) && h.Settings != nil && h.Settings.Held != "" && h.Settings.Failed == nil
	})
}

// WithInstall: the settings are written before the first boot, and the boot of the ramdisk is their reset.
func TestSettingsWithAnInstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	b := w.rack.BMC("machine-1")
	w.addStep(t, "ProcVirtualization: Enabled", "WithInstall")
	w.start(t)
	w.await(t, 1, "Active", active)
	state, err := w.rack.State("machine-1")
	if err != nil {
		t.Fatal(err)
	}
	counts := b.Log().Counts()
	if b.BIOS()["ProcVirtualization"] != "Enabled" || counts.Settings != 1 || counts.CutJobs != 0 || state.RamdiskStarts != 2 || state.DiskStarts != 1 {
		t.Errorf("the machine has %v after %d writes, %d ramdisk and %d disk starts:\n%s", b.BIOS(), counts.Settings, state.RamdiskStarts, state.DiskStarts,
			strings.Join(b.Log().Story(), "\n"))
	}
	b.SetBIOS(map[string]any{"ProcVirtualization": "Disabled"})
	w.edit(t, "bios.yaml", "Enabled", "Disabled")
	w.push(t, "another setting")
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) && h.Phase == plan.Active })
	if after := b.Log().Counts(); after.Settings != 1 || after.PowerOffs != counts.PowerOffs {
		t.Errorf("a setting that is applied with an install changed a machine in service: %d writes", after.Settings)
	}
}
