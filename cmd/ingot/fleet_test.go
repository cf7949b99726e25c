package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// base is the fleet that most scripts begin with: web-1 and web-2 run their workload, new-1 was never seen, db-1 has foreign data on its disk.
var base = map[string]string{
	"hosts/web-1.yaml": baseHost("web-1", "01"),
	"hosts/web-2.yaml": baseHost("web-2", "02"),
	"hosts/new-1.yaml": baseHost("new-1", "03"),
	"hosts/db-1.yaml":  baseHost("db-1", "04"),
	"workloads/web.yaml": `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata:
  name: web
spec:
  install:
    image:
      url: https://images.example.com/os.raw.zst
      sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    butane: workloads/web.bu
    kernelArguments: ["console=ttyS0"]
`,
	"workloads/web.bu": `variant: fcos
version: 1.5.0
storage:
  files:
    - path: /etc/site
      contents:
        inline: ${vars.site}
    - path: /etc/motd
      contents:
        local: motd
`,
	"workloads/motd":   "welcome\n",
	"secrets/bmc.yaml": secretfile.BMC,
}

func baseHost(name, number string) string {
	return `apiVersion: ingot.dev/v1alpha1
kind: Host
metadata:
  name: ` + name + `
  labels: {rack: r1}
spec:
  bmc: {address: "https://10.0.0.` + number[1:] + `/redfish/v1/Systems/1", credentials: bmc}
  identity: {serial: SN` + number + `}
  rootDisk: {serial: DISK` + number + `}
  workload: web
  vars: {site: fra1}
`
}

// fleet [reinstalls [allowed]]: writes the base fleet, commits it as tag base, and writes the status branch that a daemon would have left. With reinstalls its
// workload says update: Reinstall, which an allowed daemon lets stand for consent.
func fleet(ts *testscript.TestScript, _ bool, args []string) {
	for name, text := range base {
		if slices.Contains(args, "reinstalls") && name == "workloads/web.yaml" {
			text = strings.Replace(text, "spec:\n", "spec:\n  update: Reinstall\n", 1)
		}
		file := ts.MkAbs(name)
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		ts.Check(os.WriteFile(file, []byte(text), 0o644))
	}
	commit(ts, false, []string{"base"})
	ts.Check(ts.Exec("git", "tag", "base"))
	loaded, findings, err := fleets.NewReader(ts.MkAbs(".")).ReadFleet("base", nil)
	ts.Check(err)
	if schemas.Fatal(findings) {
		ts.Fatalf("the base fleet: %v", findings)
	}
	dir := filepath.Join(ts.Getenv("WORK"), ".status")
	for name, content := range map[inventory.MachineID]inventory.Content{
		"web-1": {Signature: "aaaaaaaaaaaaaaaa", Summary: "data"}, "web-2": {Signature: "bbbbbbbbbbbbbbbb", Summary: "data"}, "db-1": {Signature: "cccccccccccccccc", Summary: "xfs"},
	} {
		document := seen(loaded.Hosts[name], content)
		file := filepath.Join(dir, filepath.FromSlash(status.Path(name)))
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		ts.Check(os.WriteFile(file, document.Encode(), 0o644))
	}
	if slices.Contains(args, "allowed") {
		page := status.NewFleet(status.Fleet{Commit: loaded.Commit, Reinstall: &schemas.Scope{AllHosts: true}}, nil, nil)
		ts.Check(os.WriteFile(filepath.Join(dir, status.FleetPath), page.Encode(), 0o644))
	}
	statusBranch(ts, dir)
	ts.Check(os.RemoveAll(dir))
}

// seen is the document of a machine that was inspected; one whose name starts with web has its workload installed.
func seen(host inventory.Desired, content inventory.Content) status.Document {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	disk := inventory.Disk{Name: "vda", Serial: host.RootDisk.Serial, Size: 1 << 40, Content: content}
	d := status.Document{
		APIVersion: schemas.APIVersion, Kind: status.KindHostStatus, Metadata: status.NewMetadata(host.Name, host.ID, nil), Phase: plan.Held, Commit: host.Commit, File: host.File, Workload: "web", Epoch: 1,
		Hardware: &inventory.Facts{At: at, Epoch: 1, System: inventory.System{Serial: host.Identity.Serial}, Disks: []inventory.Disk{disk}},
	}
	if host.Name == "db-1" {
		d.Hardware.Disks = append(d.Hardware.Disks, inventory.Disk{Name: "vdb", Serial: "DATA04", Size: 1 << 40, Links: []string{"/dev/disk/by-id/virtio-DATA04"}, Content: inventory.Content{Signature: "eeeeeeeeeeeeeeee", Summary: "ext4 orders"}})
	}
	if strings.HasPrefix(host.Name, "web") {
		w := host.Workload
		d.Phase, d.Installed = plan.Active, &inventory.Installed{
			ID: "0123456789abcdef01234567", Workload: w.Name, Inputs: w.Inputs, Parts: w.Parts, Config: w.Config, Meaning: w.Meaning, Commit: host.Commit, Image: w.Image.SHA256, Disk: inventory.IdentifyDisks([]inventory.Disk{disk})[0].ID(), Update: w.Update, At: at, PhoneHome: at,
			Mark: "0a1b2c3d-0000-8000-8000-000000000001",
		}
	}
	return d
}

// statusBranch makes a directory's files the branch ingot/status.
func statusBranch(ts *testscript.TestScript, dir string) {
	git := func(arguments ...string) string {
		command := exec.Command("git", arguments...) //nolint:noctx // a script has its own deadline
		command.Dir = dir
		command.Env = append(os.Environ(), "GIT_DIR="+ts.MkAbs(".git"), "GIT_WORK_TREE="+dir, "GIT_INDEX_FILE="+dir+".index", "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@e",
			"GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@e", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
		out, err := command.CombinedOutput()
		if err != nil {
			ts.Fatalf("git %v: %s", arguments, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("add", "--all", ".")
	git("update-ref", "refs/heads/ingot/status", git("commit-tree", "-m", "status", git("write-tree")))
	ts.Check(os.Remove(dir + ".index"))
}

// signers [RING TAG SIGNER [SECOND]]: has the status branch say that the daemon wants two signers for what erases, and who signed the tag that a ring runs.
func signers(ts *testscript.TestScript, _ bool, args []string) {
	git := inScript(ts)
	page := status.Fleet{Commit: git("rev-parse", "HEAD"), TwoSigners: true}
	if len(args) > 0 {
		s := &inventory.Signatures{Tag: args[1], Object: git("rev-parse", args[1]), Signer: args[2]}
		if len(args) > 3 {
			s.Second = args[3]
		}
		page.Rings = []admit.Progress{{Name: args[0], Tag: args[1], Signatures: s}}
	}
	putPage(ts, status.FleetPath, status.NewFleet(page, nil, nil).Encode())
}

// runs RING TAG REVISION [TROUBLE]: has the status branch say that a daemon runs a ring at a tag.
func runs(ts *testscript.TestScript, _ bool, args []string) {
	git := inScript(ts)
	ring := admit.Progress{Name: args[0], Tag: args[1], Commit: git("rev-parse", args[2]+"^{commit}")}
	if len(args) > 3 {
		ring.Trouble = args[3]
	}
	page := status.Fleet{Commit: git("rev-parse", "HEAD"), Rings: []admit.Progress{ring}}
	putPage(ts, status.FleetPath, status.NewFleet(page, nil, nil).Encode())
}

// opens RECIPIENT [others]: has the status branch say whose Secrets the daemon opens.
func opens(ts *testscript.TestScript, _ bool, args []string) {
	git := inScript(ts)
	page := status.Fleet{Commit: git("rev-parse", "HEAD"), Opener: &inventory.Opener{Recipients: args[:1], OtherKeys: len(args) > 1}}
	putPage(ts, status.FleetPath, status.NewFleet(page, nil, nil).Encode())
}

// held HOST TAKEOVER: has the host's page say which machine a takeover would name.
func held(ts *testscript.TestScript, _ bool, args []string) {
	id := inventory.MachineID(args[0])
	page := status.Document{
		APIVersion: schemas.APIVersion, Kind: status.KindHostStatus, Metadata: status.NewMetadata(args[0], id, nil),
		Phase: plan.Held, Hold: &status.Hold{Reason: change.FoundRunning, Message: "it runs", Takeover: args[1]},
	}
	putPage(ts, status.Path(id), page.Encode())
}

// breakpage HOST TEXT: has somebody push a host's page to the status branch.
func breakpage(ts *testscript.TestScript, _ bool, args []string) {
	putPage(ts, status.Path(inventory.MachineID(args[0])), []byte(args[1]+"\n"))
}

// knownas NAME HOST: has the status branch know the machine of a host of the base fleet, which runs its workload, under another name.
func knownas(ts *testscript.TestScript, _ bool, args []string) {
	loaded, _, err := fleets.NewReader(ts.MkAbs(".")).ReadFleet("base", nil)
	ts.Check(err)
	page := seen(loaded.Hosts[inventory.MachineID(args[1])], inventory.Content{Signature: "dddddddddddddddd", Summary: "data"})
	page.Metadata = status.NewMetadata(args[0], inventory.MachineID(args[0]), nil)
	putPage(ts, status.Path(inventory.MachineID(args[0])), page.Encode())
	gone := status.Path(inventory.MachineID(args[1]))
	git := inScript(ts)
	git("read-tree", "ingot/status")
	git("rm", "--quiet", "--cached", "--ignore-unmatch", gone)
	git("update-ref", "refs/heads/ingot/status", git("commit-tree", "-m", "status", git("write-tree")))
}

// installing HOST: has the status branch say that a host of the base fleet, which runs its workload, is being installed with it again.
func installing(ts *testscript.TestScript, _ bool, args []string) {
	loaded, _, err := fleets.NewReader(ts.MkAbs(".")).ReadFleet("base", nil)
	ts.Check(err)
	page := seen(loaded.Hosts[inventory.MachineID(args[0])], inventory.Content{Signature: "dddddddddddddddd", Summary: "data"})
	is := page.Installed
	page.Phase = plan.Installing
	page.Operation = &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Working, Attempt: 1, Workload: is.Workload, Inputs: is.Inputs, Disks: []inventory.OperationDisk{{Disk: is.Disk, Content: "install:" + is.ID, Erases: true}}}
	putPage(ts, status.Path(inventory.MachineID(args[0])), page.Encode())
}

// putPage puts a page on the status branch.
func putPage(ts *testscript.TestScript, path string, page []byte) {
	git, file := inScript(ts), filepath.Join(ts.Getenv("WORK"), ".page")
	ts.Check(os.WriteFile(file, page, 0o644))
	git("read-tree", "ingot/status")
	git("update-index", "--add", "--cacheinfo", "100644,"+git("hash-object", "-w", file)+","+path)
	git("update-ref", "refs/heads/ingot/status", git("commit-tree", "-m", "status", git("write-tree")))
}

// inScript runs git on a script's repository, with an index of its own.
func inScript(ts *testscript.TestScript) func(arguments ...string) string {
	return func(arguments ...string) string {
		command := exec.Command("git", arguments...) //nolint:noctx // a script has its own deadline
		command.Dir = ts.MkAbs(".")
		command.Env = append(os.Environ(), "GIT_INDEX_FILE="+filepath.Join(ts.Getenv("WORK"), ".other-index"), "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@e", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@e",
			"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
		out, err := command.CombinedOutput()
		if err != nil {
			ts.Fatalf("git %v: %s", arguments, out)
		}
		return strings.TrimSpace(string(out))
	}
}

// sub FILE OLD NEW: replaces a text in a file, which must be there; both may have \n and \t.
func sub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sub FILE OLD NEW")
	}
	text, escapes := ts.ReadFile(args[0]), strings.NewReplacer(`\n`, "\n", `\t`, "\t")
	if !strings.Contains(text, escapes.Replace(args[1])) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, escapes.Replace(args[1]), escapes.Replace(args[2]))), 0o644))
}
