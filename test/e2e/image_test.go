//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// imageWorkload erases the disk, writes a cloud image with a config drive, puts files into the system, and has two steps
// behind them with a boot in between.
const imageWorkload = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: cloud}
spec:
  steps:
    - {step: erase-disks, args: {disks: [root], policy: clear}}
    - step: write-image
      args:
        image: {url: "%[1]s/ingot-cloud.raw.zst", sha256: %[2]s}
        configDrive: {userDataFrom: workloads/cloud.cfg}
    - step: inject-files
      args:
        files:
          - {path: /etc/site.conf, content: "site=${vars.site} serial=${machine.serial}\n", mode: "0640", group: 4}
          - {path: /etc/lab/private/key, content: "${secret.bmc-lab.password}", mode: "0600", dirMode: "0710"}
          - {path: /usr/local/bin/hello, from: workloads/hello.sh, mode: "4751", owner: 1000, group: 1000}
          - {path: /opt/blob, url: "%[1]s/blob", sha256: %[3]s, mode: "0444"}
          - {path: /etc/issue.net, deleted: true}
    - {step: firmware, args: {version: "1.2"}}
    - {step: look}
`

const firmwareStep = `apiVersion: ingot.dev/v1alpha1
kind: Step
metadata: {name: firmware}
spec:
  plugins: [{path: plugins/lab-firmware, step: update}]
  writes: []
  reboots: true
  args: {type: object, required: [version], properties: {version: {type: string}}}
`

const lookStep = `apiVersion: ingot.dev/v1alpha1
kind: Step
metadata: {name: look}
spec: {script: steps/look.sh, writes: []}
`

// firmwarePlugin is a plug-in of the test's own. It wants a boot, and says in which one it ran.
const firmwarePlugin = `#!/bin/sh
case $1 in
describe)
	jq --compact-output '{protocol: 1, name: "lab-firmware", version: "1.0.0", steps: [{step: "update", reboots: true,
	  support: (if .machine.facts.system.manufacturer == "ingot lab" then "vendor" else "none" end),
	  args: {type: "object", required: ["version"], properties: {version: {type: "string"}}}}]}'
	;;
run)
	echo "{\"message\":\"firmware $(jq -r .args.version) in boot $(cat /proc/sys/kernel/random/boot_id)\"}"
	exit 4
	;;
esac
`

const lookScript = `#!/bin/sh
echo "looked in boot $(cat /proc/sys/kernel/random/boot_id)"
`

const helloScript = `#!/bin/sh
echo hello
`

// cloudConfig has the system say on its console what became of the files, and what cloud-init itself reads of the drive.
const cloudConfig = `#cloud-config
write_files:
  - path: /usr/local/sbin/report
    permissions: "0755"
    content: |
      #!/bin/sh
      for file in /etc/site.conf /etc/lab/private/key /usr/local/bin/hello /opt/blob; do
          echo "report: $file $(stat -c '%a %u:%g' $file) $(sha256sum <$file)"
      done
      echo "report: directory $(stat -c '%a %u:%g' /etc/lab/private)"
      [ -e /etc/issue.net ] || echo "report: issue.net is gone"
      echo "report: hostname $(hostname), datasource $(cloud-id)"
      mount -o ro /dev/disk/by-label/cidata /mnt
      python3 -c 'if True:
          from cloudinit.sources.DataSourceConfigDrive import read_config_drive
          drive = read_config_drive("/mnt")
          print("report: config-2", drive["metadata"]["local-hostname"], drive["userdata"].split(b"\n")[0].decode())'
      echo "report: end"
runcmd:
  - [sh, -c, "/usr/local/sbin/report >/dev/ttyS0 2>&1"]
`

// TestImageWithFiles: a disk that holds data is erased, a cloud image is written with a config drive and gets files, a
// plug-in wants a boot and the next step runs in that boot; then the system runs from the disk, cloud-init has read the
// drive, and the system itself says that the files have the bytes, modes and owners that the fleet says.
func TestImageWithFiles(t *testing.T) {
	t.Parallel()
	w := newRack(t, 1, "--disk", "832")
	old := w.hideData()
	blob := w.shareImage()
	commit := w.writeImageFleet(blob)
	w.serve()

	w.awaitState("the second boot of the ramdisk", func(s lab.MachineState) bool { return s.RamdiskStarts == 2 })
	w.awaitState("the start from the disk", func(s lab.MachineState) bool { return s.DiskStarts == 1 })
	view := w.awaitActive(commit)
	w.awaitConsole(0, "report: end")
	w.checkReport(blob)
	w.checkImageSteps(view)
	w.checkTwoBoots()
	if disk := w.read(host, "disk-"+w.rack.Machines[0].DiskSerial+".raw"); strings.Contains(disk, string(old)) {
		t.Error("the disk still holds what it held before the erase")
	}
	w.say("an image with files runs")
}

// hideData writes data where a look at the disk does not read: the disk counts as blank, and needs no consent.
func (w *world) hideData() []byte {
	w.Helper()
	data := make([]byte, 64<<10)
	_, _ = rand.Read(data) // never fails
	file, err := os.OpenFile(w.diskOf(w.rack.Machines[0]), os.O_WRONLY, 0)
	if err != nil {
		w.Fatal(err)
	}
	_, err = file.WriteAt(data, 700<<20+64<<10)
	if closed := file.Close(); err != nil || closed != nil {
		w.Fatal(err, closed)
	}
	return data
}

// shareImage has the rack serve the cloud image, and a file of random bytes, which it gives.
func (w *world) shareImage() []byte {
	w.Helper()
	images, err := output(w.Context(), "scripts/cloudimage.sh")
	if err == nil {
		err = os.Symlink(filepath.Join(images, "ingot-cloud.raw.zst"), w.path("images", "ingot-cloud.raw.zst"))
	}
	if err != nil {
		w.Fatal(err)
	}
	blob := make([]byte, 1<<20)
	_, _ = rand.Read(blob) // never fails
	w.write("images/blob", string(blob))
	return blob
}

// writeImageFleet makes the machine's workload the cloud image, and gives the commit.
func (w *world) writeImageFleet(blob []byte) string {
	w.Helper()
	from := w.rack.Image.URL[:strings.LastIndex(w.rack.Image.URL, "/")]
	file := "hosts/" + host + ".yaml"
	text := strings.Replace(w.read("fleet", file), "workload: hello\n", "workload: cloud\n", 1)
	w.addFiles("a cloud image with files", map[string]string{
		file:                   strings.Replace(text, "vars: {", "vars: {site: e2e, ", 1),
		"workloads/cloud.yaml": fmt.Sprintf(imageWorkload, from, digest([]byte(w.read("images", "ingot-cloud.raw.zst"))), digest(blob)),
		"workloads/cloud.cfg":  cloudConfig,
		"workloads/hello.sh":   helloScript,
		"steps/firmware.yaml":  firmwareStep,
		"steps/look.yaml":      lookStep,
		"steps/look.sh":        lookScript,
		"plugins/lab-firmware": firmwarePlugin,
	})
	return w.head()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// checkReport compares what the running system says of the files with what the fleet says.
func (w *world) checkReport(blob []byte) {
	w.Helper()
	machine := w.rack.Machines[0]
	for _, want := range []string{
		"/etc/site.conf 640 0:4 " + digest([]byte("site=e2e serial="+machine.Serial+"\n")) + "  -",
		"/etc/lab/private/key 600 0:0 " + digest([]byte(machine.Password)) + "  -",
		"/usr/local/bin/hello 4751 1000:1000 " + digest([]byte(helloScript)) + "  -",
		"/opt/blob 444 0:0 " + digest(blob) + "  -",
		"directory 710 0:0",
		"issue.net is gone",
		"hostname " + host + ", datasource nocloud",
		"config-2 " + host + " #cloud-config",
	} {
		if !strings.Contains(w.console(0), "report: "+want+"\r\n") {
			w.Errorf("the running system does not say %q", want)
		}
	}
	if w.Failed() {
		w.Log(strings.Join(regexp.MustCompile("(?m)^report: .*$").FindAllString(w.console(0), -1), "\n"))
	}
}

// checkImageSteps: every step was done once, in the order of the list, the erase has a receipt, and the plug-in was the
// one that the fleet names.
func (w *world) checkImageSteps(view daemon.HostView) {
	w.Helper()
	last := view.LastOperation
	if last == nil || last.Outcome != inventory.Succeeded || last.Attempt != 1 || view.Phase != plan.Active || view.Installed.PhoneHome.IsZero() {
		w.Fatalf("the last operation is %+v, want the first attempt to succeed, and the system to have called", last)
	}
	var done []string
	for _, step := range last.Steps {
		done = append(done, fmt.Sprintf("%s %s %d", step.Key(), step.State, step.Attempt))
		switch {
		case step.Name == "erase-disks" && (len(step.Erased) != 1 || step.Erased[0].Serial != w.rack.Machines[0].DiskSerial):
			w.Errorf("the receipts of the erase are %+v, want one of the root disk", step.Erased)
		case step.Name == "firmware" && (len(step.Described) != 1 || step.Described[0].Version != "1.0.0" || step.Described[0].Support != "vendor"):
			w.Errorf("the plug-in is %+v, want version 1.0.0, made for this machine", step.Described)
		}
	}
	want := []string{"describe Done 1", "erase-disks Done 1", "write-image Done 1", "inject-files Done 1", "firmware Done 1", "look Done 1"}
	if diff := cmp.Diff(want, done); diff != "" {
		w.Errorf("the steps (-want +got):\n%s", diff)
	}
}

// checkTwoBoots: the step behind the plug-in ran in another boot of the ramdisk, and nothing else cost a boot.
func (w *world) checkTwoBoots() {
	w.Helper()
	var told daemon.HostHistory
	code, body := w.get(w.page + "/v1/hosts/" + host + "/story")
	if err := json.Unmarshal(body, &told); code != http.StatusOK || err != nil {
		w.Fatalf("the story is answered with %d %s: %v", code, body, err)
	}
	text := strings.Join(told.Console, "\n")
	updated := regexp.MustCompile(`firmware 1\.2 in boot ([0-9a-f-]{36})`).FindStringSubmatch(text)
	looked := regexp.MustCompile(`looked in boot ([0-9a-f-]{36})`).FindStringSubmatch(text)
	if updated == nil || looked == nil || updated[1] == looked[1] {
		w.Errorf("the plug-in ran in boot %q, and the step behind it in boot %q; want both, and two boots:\n%s", updated, looked, text)
	}
	if state := w.state(); state.RamdiskStarts != 2 || state.DiskStarts != 1 || state.Power != "On" {
		w.Errorf("%d starts of the ramdisk, %d of the disk, power %s; want 2, 1, On:\n%s", state.RamdiskStarts, state.DiskStarts, state.Power,
			strings.Join(state.Story, "\n"))
	}
}
