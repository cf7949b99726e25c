package review

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Forty hosts with the same change share their lines; every disk, file and consent is still named.
func TestEqualHostsShareTheirLines(t *testing.T) {
	t.Parallel()
	var r Review
	for i := range 40 {
		name, disk := fmt.Sprintf("web-%02d", i), fmt.Sprintf("DISK%02d", i)
		r.Hosts = append(r.Hosts, Host{Name: name, File: "hosts/" + name + ".yaml", Verdict: change.Reinstall, Workload: "web",
			Disk: disk, Erases: true, Reboots: true, Held: true, Content: "xfs", Why: []string{"image a → b"},
			Hold:    "this would erase disk " + disk + " (xfs): it needs consent",
			Consent: schemas.EraseConsents{disk + "/0123456789abcdef"}})
	}
	r.Hosts = append(r.Hosts, Host{Name: "db-1", File: "hosts/db-1.yaml", Verdict: change.Install, Workload: "db", Disk: "DB"})
	r.PlanTags(map[string]string{"v2": "HEAD"})
	text := r.RenderText()
	want := `-/+ 40 hosts: HELD: reinstall with web, ERASES disk DISK
    because image a → b
    on the disk now: xfs
    held: this would erase disk DISK (xfs): it needs consent
` + "    to allow it, run `ingot consent --tag v2=HEAD HOST…` or write in each file:" + `
      consent: {erase: …}, for each host below
    - web-00: ERASES disk DISK00: hosts/web-00.yaml: consent: {erase: "DISK00/0123456789abcdef"}
`
	if !strings.HasPrefix(text, want) {
		t.Errorf("RenderText begins\n%.900s\nwant\n%s", text, want)
	}
	if lines := strings.Count(text, "\n"); lines > 55 {
		t.Errorf("%d lines for 41 hosts", lines)
	}
	for _, h := range r.Hosts {
		if !strings.Contains(text, h.Name) || !strings.Contains(text, h.Disk) ||
			len(h.Consent) > 0 && !strings.Contains(text, h.Consent[0]) {
			t.Errorf("%s, its disk or its consent is not named", h.Name)
		}
	}
	if few := (Review{Hosts: r.Hosts[:minGroup-1]}).RenderText(); strings.Contains(few, "hosts:") {
		t.Errorf("few hosts are grouped:\n%s", few)
	}
}

// Hosts that are rebooted are no hosts whose disks are written: no disk is named.
func TestAGroupNamesWrittenDisksOnly(t *testing.T) {
	t.Parallel()
	var r Review
	for i := range minGroup {
		r.Hosts = append(r.Hosts, Host{Name: fmt.Sprintf("web-%d", i), Verdict: change.Nothing, Disk: "DISK", Requests: []string{"reboots (Soft), once: fw-7"}})
	}
	if text := r.RenderText(); strings.Contains(text, "DISK") || !strings.Contains(text, "    - web-0\n") {
		t.Errorf("a reboot names a disk:\n%s", text)
	}
}

// A part that neither commit explains is named without its digests: base and head ask for the same, and the machine, which was
// kept off, has an older system.
func TestUnexplainedPartsHaveNoDigests(t *testing.T) {
	t.Parallel()
	d := inventory.Desired{Workload: &inventory.Workload{Parts: map[string]string{"kernelArguments": "new", "image": "i2"}}}
	record := inventory.Record{Installed: &inventory.Installed{Parts: map[string]string{"kernelArguments": "old", "image": "i1"}}}
	got := explainParts([]string{"image i1 → i2", "kernelArguments 6c1f → 98ab", "vars was taken out"}, d, d, record)
	want := []string{"image i1 → i2", "kernelArguments differs from the installed system's", "vars was taken out"}
	if !slices.Equal(got, want) {
		t.Errorf("explainParts = %q, want %q", got, want)
	}
}
