package load_test

import (
	"crypto/sha1"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

var update = flag.Bool("update", false, "write the findings into testdata/*.txtar")

// blob is a file as git names it.
func blob(data string) inventory.File {
	sum := sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(data), data)))
	return inventory.File{Blob: hex.EncodeToString(sum[:]), Data: []byte(data)}
}

// snapshot is a trunk of files, with its Secrets sealed.
func snapshot(files map[string]string) inventory.Sources {
	s := inventory.Snapshot{Commit: strings.Repeat("c", 40), Files: map[string]inventory.File{}}
	for name, data := range files {
		s.Files[name] = blob(secretfile.SealFile(data))
	}
	return inventory.Sources{Trunk: s}
}

// archived is the fleet of an archive, without the file want.
func archived(t *testing.T, name string) (map[string]string, *txtar.Archive) {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files[:len(archive.Files)-1] {
		files[f.Name] = string(f.Data)
	}
	return files, archive
}

// TestFindings loads the fleet of every archive and compares the findings with its last file, want.
func TestFindings(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			files, archive := archived(t, filepath.Base(name))
			_, findings := load.Fleet(snapshot(files), nil)
			got := ""
			for _, f := range findings {
				got += f.String() + "\n"
			}
			want := &archive.Files[len(archive.Files)-1]
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); want.Name != "want" || diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyFleetIsLegal(t *testing.T) {
	t.Parallel()
	fleet, findings := load.Fleet(snapshot(nil), nil)
	if len(fleet.Hosts) > 0 || len(findings) > 0 || fleet.Commit == "" {
		t.Errorf("Load(nothing) = %+v, %v, want no hosts and no findings", fleet, findings)
	}
}

// recorder is a Translator that answers with a finding for every config it sees.
type recorder struct{ seen []inventory.Butane }

func (r *recorder) Check(b inventory.Butane) inventory.Translation {
	r.seen = append(r.seen, b)
	return inventory.Translation{Room: 1 << 20, Findings: []schemas.Finding{{Position: schemas.Position{File: b.Path, Line: 7}, Severity: schemas.Error, Message: fmt.Sprintf("vars.site is %q", b.Vars["site"])}}}
}

func TestResolved(t *testing.T) {
	t.Parallel()
	files, _ := archived(t, "good.txtar")
	sources := snapshot(files)
	script := sources.Trunk.Files["workloads/web/tree/c"]
	script.Executable = true
	sources.Trunk.Files["workloads/web/tree/c"] = script
	translator := &recorder{}
	fleet, findings := load.Fleet(sources, translator)
	if len(findings) != 1 || findings[0].String() != "workloads/web/web.bu:7: error: vars.site is \"\"" || len(translator.seen) != 1 {
		t.Errorf("two hosts whose vars come into the text of files alone: %d configs checked, findings %v, want one of each", len(translator.seen), findings)
	}
	host := fleet.Hosts["web-03"]
	if host.File != "hosts/r1/web-03.yaml" || host.Line != 1 || host.Commit != fleet.Commit || host.Release != fleet.Commit || host.Lifecycle != schemas.Managed {
		t.Errorf("host is %+v", host)
	}
	want := &inventory.Workload{
		Name: "web", Image: schemas.Image{URL: "https://example.com/os.raw.zst", SHA256: strings.Repeat("a", 64)}, KernelArguments: []string{"console=ttyS0"},
		Steps: []inventory.Step{
			{Name: "burn-in", Script: []byte("#!/bin/sh\n"), Seconds: 600, Attempts: 1, From: schemas.Position{File: "workloads/web.yaml", Line: 9, Col: 11}},
			{Name: "install", Seconds: 7200, From: schemas.Position{File: "workloads/web.yaml", Line: 9, Col: 28}},
		},
		Update: schemas.OnConsent, PhoneHome: schemas.PhoneHomeRequired, Secrets: []refs.Secret{{Name: "app", Key: "key"}},
		Butane: &inventory.Butane{
			Path: "workloads/web/web.bu", Source: []byte(files["workloads/web/web.bu"]), Vars: map[string]string{"site": "fra1"}, Executable: map[string]bool{"tree/c": true},
			Sealed: map[refs.Secret]int{{Name: "app", Key: "key"}: 111},
			Files:  map[string][]byte{"files/app.yaml": []byte("listen: 80\n"), "keys": []byte("ssh-ed25519 AAAA\n"), "tree/a/b.yaml": []byte("tree: true\n"), "tree/c": []byte("c\n")},
		},
		Inputs: host.Workload.Inputs, Config: host.Workload.Config, Meaning: host.Workload.Meaning, Parts: host.Workload.Parts,
	}
	if diff := cmp.Diff(want, host.Workload); diff != "" {
		t.Errorf("workload (-want +got):\n%s", diff)
	}
	secret := fleet.Secrets["bmc-r1"]
	if diff := cmp.Diff([]string{"password", "username"}, secret.Keys); diff != "" || string(secret.Document) != secretfile.SealFile(files["secrets/bmc-r1.yaml"]) {
		t.Errorf("secret keys (-want +got):\n%s\ndocument %s", diff, secret.Document)
	}
}

// TestInputsOfAnInstalledFleet pins the digests that installed machines carry in their records. If this test fails, merging the change
// reinstalls every fleet there is on the day it upgrades ingot: do not change what it wants, change the code back.
func TestInputsOfAnInstalledFleet(t *testing.T) {
	t.Parallel()
	files, _ := archived(t, "good.txtar")
	fleet, findings := load.Fleet(snapshot(files), nil)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	w := fleet.Hosts["web-03"].Workload
	want := map[string]string{
		"butane":          "a6b9c9f5545427a1",
		"image":           strings.Repeat("a", 64),
		"kernelArguments": "555de0af08d51949",
		"rootDisk":        "5ce72726cff5bcc5",
		"steps":           "250ab9b73b3d10e0",
		"vars":            "84488ec00b216a81",
	}
	if diff := cmp.Diff(want, w.Parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if w.Inputs != "bc31c90d6a8420e3" {
		t.Errorf("inputs are %s", w.Inputs)
	}
}

// A host differs from its workload only by its inputs: each change moves exactly the parts it should.
func TestInputsChangeOnlyWithWhatDiffers(t *testing.T) {
	t.Parallel()
	base, _ := archived(t, "good.txtar")
	before, findings := load.Fleet(snapshot(base), nil)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	const host, workload = "hosts/r1/web-03.yaml", "workloads/web.yaml"
	edit := func(file, old, new string) func(map[string]string) {
		return func(files map[string]string) {
			if !strings.Contains(files[file], old) {
				panic(file + " does not hold " + old)
			}
			files[file] = strings.ReplaceAll(files[file], old, new)
		}
	}
	move := func(old, new string) func(map[string]string) {
		return func(files map[string]string) { files[new] = files[old]; delete(files, old) }
	}
	for _, test := range []struct {
		name   string
		change func(map[string]string)
		parts  []string
	}{
		{"image", edit(workload, strings.Repeat("a", 64), strings.Repeat("b", 64)), []string{"image"}},
		{"URL of the same image", edit(workload, "example.com", "mirror.example.com"), nil},
		{"kernel argument", edit(workload, `["console=ttyS0"]`, `["console=ttyS0", "quiet"]`), []string{"kernelArguments"}},
		{"Butane", edit("workloads/web/web.bu", "/etc/site", "/etc/place"), []string{"butane"}},
		{"local file", edit("workloads/web/files/app.yaml", "80", "81"), []string{"butane"}},
		{"file of a tree", edit("workloads/web/tree/c", "c", "d"), []string{"butane"}},
		{"new file of a tree", func(files map[string]string) { files["workloads/web/tree/new"] = "" }, []string{"butane"}},
		{"file that nothing names", func(files map[string]string) { files["workloads/web/files/new"] = "" }, nil},
		{"var that is used", edit(host, "fra1", "fra2"), []string{"vars"}},
		{"var that is not used", edit(host, "unused: x", "unused: z"), nil},
		{"root disk", edit(host, "0x5000C500A1B2C3D4", "0x5000C500A1B2C3D5"), []string{"rootDisk"}},
		{"root disk in other letters", edit(host, "0x5000C500A1B2C3D4", "5000c500a1b2c3d4"), nil},
		{"root disk as naa.", edit(host, "0x5000C500A1B2C3D4", "naa.5000c500a1b2c3d4"), nil},
		{"root disk as wwn-0x", edit(host, "0x5000C500A1B2C3D4", "wwn-0x5000c500a1b2c3d4"), nil},
		{"script", edit("steps/burn-in.sh", "/bin/sh", "/bin/bash"), []string{"steps"}},
		{"order of steps", edit(workload, "[{step: burn-in}, {step: install}]", "[{step: install}, {step: burn-in}]"), []string{"steps"}},
		{"attempts of a step", edit("steps/burn-in.yaml", "script:", "attempts: 3, script:"), nil},
		{"a step that may run once", edit("steps/burn-in.yaml", "script:", "repeatable: false, script:"), nil},
		{"a schema of arguments", edit("steps/burn-in.yaml", "script:", "args: {type: object}, script:"), nil},
		{"timeout of a use", edit(workload, "{step: burn-in}", "{step: burn-in, timeout: 5m, attempts: 2}"), nil},
		{"a condition of a step", edit("steps/burn-in.yaml", "script:", "when: 'true', script:"), []string{"steps"}},
		{"a condition of a use", edit(workload, "{step: burn-in}", "{step: burn-in, when: 'true'}"), []string{"steps"}},
		{"a condition of a step that writes nothing", func(files map[string]string) {
			files["steps/look.yaml"] = apiVersion + "kind: Step\nmetadata: {name: look}\nspec: {script: steps/burn-in.sh, writes: [], when: 'true'}\n"
			edit(workload, "{step: install}", "{step: install}, {step: look, when: 'facts.uefi == 1'}")(files)
			edit(workload, "facts.uefi == 1", "facts.firmware.uefi")(files)
		}, nil},
		{"a step that writes to disks", func(files map[string]string) {
			edit("steps/burn-in.yaml", "script:", "writes: [data], script:")(files)
			edit(host, "spec:", "spec:\n  disks: {data: [{serial: D1}]}")(files)
			edit("hosts/r1/web-04.yaml", "spec:", "spec:\n  disks: {data: [{serial: D2}]}")(files)
		}, []string{"disks", "steps"}},
		{"names of disks that no step writes to", edit(host, "spec:", "spec:\n  disks: {data: [{serial: D1}]}"), nil},
		{"a step that reboots", edit("steps/burn-in.yaml", "script:", "reboots: true, script:"), nil},
		{"reserved steps", edit(workload, "{step: burn-in}", "{step: hold}, {step: wait, args: {for: 30s}}, {step: burn-in}, {step: reboot}, {step: power, args: {state: \"Off\"}}"), nil},
		{"id of a step", edit(workload, "{step: burn-in}", "{step: burn-in, id: warm-up}"), nil},
		{"a step that says that it writes nothing", edit("steps/burn-in.yaml", "script:", "writes: [], script:"), []string{"steps"}},
		{"a new step that writes nothing", func(files map[string]string) {
			files["steps/look.yaml"] = apiVersion + "kind: Step\nmetadata: {name: look}\nspec: {script: steps/burn-in.sh, writes: []}\n"
			edit(workload, "{step: install}", "{step: install}, {step: look}")(files)
		}, nil},
		{"a host's step that writes nothing", func(files map[string]string) {
			files["steps/look.yaml"] = apiVersion + "kind: Step\nmetadata: {name: look}\nspec: {script: steps/burn-in.sh, writes: []}\n"
			edit(host, "spec:", "spec:\n  steps: [{step: look, before: install}]")(files)
		}, nil},
		{"a host's step", func(files map[string]string) {
			edit(host, "spec:", "spec:\n  steps: [{step: burn-in, id: again, before: install}]")(files)
		}, []string{"steps"}},
		{"an argument", func(files map[string]string) {
			edit("steps/burn-in.yaml", "script:", "args: {type: object, properties: {minutes: {type: integer}}}, script:")(files)
			edit(workload, "{step: burn-in}", "{step: burn-in, args: {minutes: 10}}")(files)
		}, []string{"steps"}},
		{"a default of the schema", edit("steps/burn-in.yaml", "script:", "args: {type: object, properties: {minutes: {type: integer, default: 10}}}, script:"), []string{"steps"}},
		{"timeout of a step", edit("steps/burn-in.yaml", "script:", "timeout: 20m, script:"), nil},
		{"ciphertext", edit("app.yaml", "key: abc", "key: abd"), nil},
		{"console", edit(host, "credentials: bmc-r1", `credentials: bmc-r1, console: {fingerprint: "SHA256:uJH4mYxk+7f0oVhyIJm1dyKLBoGBqXJHmWbDYEmzP8c"}`), nil},
		{"labels", edit(host, "rack: r1", "rack: r1, ring: canary"), nil},
		{"comments", edit(host, "kind: Host", "kind: Host # web"), nil},
		{"update", edit(workload, "spec:", "spec:\n  update: Reinstall"), nil},
		{"what becomes of a failed one", edit(workload, "spec:", "spec:\n  onFailure: Keep"), nil},
		{"files renamed", func(files map[string]string) { move(host, "hosts/other.yaml")(files); move(workload, "w.yml")(files) }, nil},
		{"Butane moved with its files", func(files map[string]string) {
			for _, file := range []string{"web.bu", "files/app.yaml", "keys", "tree/a/b.yaml", "tree/c"} {
				move("workloads/web/"+file, "os/"+file)(files)
			}
			edit(workload, "workloads/web/web.bu", "os/web.bu")(files)
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(base)
			test.change(files)
			fleet, findings := load.Fleet(snapshot(files), nil)
			if len(findings) > 0 {
				t.Fatal(findings)
			}
			old, now := before.Hosts["web-03"].Workload, fleet.Hosts["web-03"].Workload
			var changed []string
			for part := range now.Parts {
				if old.Parts[part] != now.Parts[part] {
					changed = append(changed, part)
				}
			}
			slices.Sort(changed)
			if diff := cmp.Diff(test.parts, changed); diff != "" {
				t.Errorf("changed parts (-want +got):\n%s", diff)
			}
			if (old.Inputs != now.Inputs) != (len(test.parts) > 0) {
				t.Errorf("inputs %s → %s", old.Inputs, now.Inputs)
			}
		})
	}
}

// Whatever is taken out or garbled, Load answers the same again and never panics; a fleet without fatal findings is complete.
func TestLoadIsDeterministic(t *testing.T) {
	t.Parallel()
	good, _ := archived(t, "good.txtar")
	bad, _ := archived(t, "references.txtar")
	maps.Copy(bad, good)
	names := slices.Sorted(maps.Keys(bad))
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{}
		for _, name := range names {
			data := bad[name]
			switch rapid.IntRange(0, 5).Draw(t, name) {
			case 0:
				continue
			case 1:
				data = data[:rapid.IntRange(0, len(data)).Draw(t, "cut")]
			}
			files[name] = data
		}
		fleet, findings := load.Fleet(snapshot(files), nil)
		again, findings2 := load.Fleet(snapshot(files), nil)
		if diff := cmp.Diff(findings, findings2); diff != "" {
			t.Fatalf("findings differ: %s", diff)
		}
		if diff := cmp.Diff(fleet, again); diff != "" {
			t.Fatalf("fleets differ: %s", diff)
		}
		for i, f := range findings {
			if f.File == "" || f.Message == "" || (i > 0 && f == findings[i-1]) {
				t.Fatalf("finding %+v", f)
			}
		}
		for id, host := range fleet.Hosts {
			if host.ID != id || host.Name == "" || host.Lifecycle == "" || (host.Workload != nil && len(host.Workload.Inputs) != 16) {
				t.Fatalf("host %+v", host)
			}
		}
	})
}
