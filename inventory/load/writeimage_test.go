package load_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

const otherSum = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

// imageFleet is a fleet whose workload has the given spec in place of an install.
func imageFleet(spec string) map[string]string {
	files := stepFleet("", "  disks: {data: [{serial: S2}]}\n")
	files["workloads/stepped.yaml"] = "apiVersion: ingot.dev/v1alpha1\nkind: Workload\nmetadata: {name: stepped}\nspec:\n" + spec
	return files
}

func writesImage(url, sum string) string {
	return "  phoneHome: Disabled\n  steps: [{step: write-image, args: {image: {url: \"" + url + "\", sha256: " + sum + "}}}]\n"
}

// TestWriteImage resolves write-image: its image is that of the workload, and its URL is no part of the inputs.
func TestWriteImage(t *testing.T) {
	t.Parallel()
	w := loadWorkload(t, imageFleet(writesImage("https://images.example.com/a.qcow2", otherSum)))
	want := schemas.Image{URL: "https://images.example.com/a.qcow2", SHA256: otherSum}
	if w.Image != want || w.PhoneHome != schemas.PhoneHomeDisabled || !w.WritesImage() || w.Butane != nil || len(w.Steps) != 1 || w.Steps[0].Looks || w.Steps[0].Seconds != 7200 {
		t.Errorf("workload = %+v", w)
	}
	moved := loadWorkload(t, imageFleet(writesImage("https://elsewhere.example.com/b.img", otherSum)))
	other := loadWorkload(t, imageFleet(writesImage("https://images.example.com/a.qcow2", strings.Repeat("c", 64))))
	installed := loadWorkload(t, stepFleet("", ""))
	if moved.Inputs != w.Inputs || other.Inputs == w.Inputs || installed.Inputs == w.Inputs {
		t.Errorf("inputs %s, of another URL %s, of another image %s, of an install %s", w.Inputs, moved.Inputs, other.Inputs, installed.Inputs)
	}
}

// TestFindingsOfWriteImage: every mistake is a finding at its line.
func TestFindingsOfWriteImage(t *testing.T) {
	t.Parallel()
	image := "{step: write-image, args: {image: {url: a.raw, sha256: " + otherSum + "}}}"
	for spec, want := range map[string]string{
		"  steps: [" + image + "]\n":                                                                                                "write phoneHome: Disabled",
		"  phoneHome: Required\n  steps: [" + image + "]\n":                                                                         "write phoneHome: Disabled",
		"  phoneHome: Disabled\n  steps: [" + image + ", {step: install}]\n":                                                        "stands for spec.install, which is not there",
		"  phoneHome: Disabled\n  steps: [" + image + ", " + image + "]\n":                                                          "it occurs 2 times",
		"  phoneHome: Disabled\n  steps: [{step: write-image}]\n":                                                                   "missing property 'image'",
		"  phoneHome: Disabled\n  steps: [{step: write-image, args: {image: {url: a.raw}}}]\n":                                      "missing property 'sha256'",
		"  phoneHome: Disabled\n  steps: [{step: write-image, args: {image: {url: a.raw, sha256: abc}}}]\n":                         "64 lower case hex digits",
		"  phoneHome: Disabled\n  steps: [{step: write-image, args: {image: {url: \"ftp://a\", sha256: " + otherSum + "}}}]\n":      "not read from",
		"  phoneHome: Disabled\n  steps: [{step: write-image, args: {image: {url: \"${vars.x}\", sha256: " + otherSum + "}}}]\n":    "all hosts of a workload get the same image",
		"  phoneHome: Disabled\n  steps: [" + strings.Replace(image, "args", "when: \"true\", args", 1) + "]\n":                     "write-image has no condition",
		"  phoneHome: Disabled\n  steps: [" + image + ", {step: erase-disks, args: {disks: [root], policy: clear}}]\n":              "erases the root disk behind the install",
		"  install: {image: {url: a, sha256: " + otherSum + "}}\n  steps: [{step: install}, " + image + "]\n":                       "two systems",
		"  phoneHome: Disabled\n  install: {image: {url: a, sha256: " + otherSum + "}}\n":                                           "write it into spec.install",
		"  phoneHome: Disabled\n  steps: [{step: write-image, args: {image: {url: a.raw, sha256: " + otherSum + "}, mode: raw}}]\n": "additional properties 'mode' not allowed",
	} {
		_, findings := load.Fleet(snapshot(imageFleet(spec)), nil)
		var all []string
		for _, f := range findings {
			all = append(all, f.String())
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, want) {
			t.Errorf("%s: %q, want %q", spec, text, want)
		}
	}
	host := imageFleet(writesImage("a.raw", otherSum))
	host["ingot.yaml"] = "apiVersion: ingot.dev/v1alpha1\nkind: Fleet\nmetadata: {name: fleet}\nspec: {imageHosts: [images.example.com]}\n"
	host["workloads/stepped.yaml"] = strings.Replace(host["workloads/stepped.yaml"], "a.raw", "https://other.example.com/a.raw", 1)
	if _, findings := load.Fleet(snapshot(host), nil); len(findings) != 1 || !strings.Contains(findings[0].String(), "not fetched from other.example.com") {
		t.Errorf("findings %v", findings)
	}
}

// drives is the spec of a workload with a config drive.
func drives(drive string) string {
	return "  steps: [{step: write-image, args: {image: {url: a.raw, sha256: " + otherSum + "}, configDrive: " + drive + "}}]\n"
}

// TestConfigDrive: its system calls home, what the drive says is part of the inputs, and a file counts by its content.
func TestConfigDrive(t *testing.T) {
	t.Parallel()
	plain := loadWorkload(t, imageFleet(writesImage("a.raw", otherSum)))
	inline := loadWorkload(t, imageFleet(drives("{userData: {packages: [curl], write_files: [{path: /a, content: \"${vars.site}\"}]}}")))
	file := imageFleet(drives("{userDataFrom: cloud/web.yaml}"))
	file["cloud/web.yaml"] = "#cloud-config\n# a comment\nwrite_files: [{content: '${vars.site}', path: /a}]\npackages: [curl]\n"
	for name, w := range map[string]*inventory.Workload{"inline": inline, "file": loadWorkload(t, file)} {
		drive, has := steps.ReadDrive(w.Steps[0].Args)
		data, _ := json.Marshal(drive.UserData)
		if !has || w.Image.SHA256 != otherSum || drive.Label != "cidata" || string(data) != `{"packages":["curl"],"write_files":[{"content":"fra1","path":"/a"}]}` || w.PhoneHome != schemas.PhoneHomeRequired {
			t.Errorf("%s: drive %+v, %s, phone home %s", name, drive, data, w.PhoneHome)
		}
		if w.Inputs != inline.Inputs || w.Inputs == plain.Inputs {
			t.Errorf("%s: inputs %s, inline %s, without a drive %s", name, w.Inputs, inline.Inputs, plain.Inputs)
		}
	}
	file["cloud/web.yaml"] = "#!/bin/sh\necho ${site} ${HOME}\n"
	if drive, _ := steps.ReadDrive(loadWorkload(t, file).Steps[0].Args); drive.UserData != file["cloud/web.yaml"] {
		t.Errorf("a script became %q", drive.UserData)
	}
}

// TestFindingsOfConfigDrive: every mistake is a finding.
func TestFindingsOfConfigDrive(t *testing.T) {
	t.Parallel()
	for drive, want := range map[string]string{
		"{userDataFrom: cloud/run.sh}":                 "cloud/run.sh:2:6: warning: ${ vars.site } stays as it is: references, such as ${vars.site}, count in a cloud-config only",
		"{userDataFrom: none.yaml}":                    "there is no file none.yaml",
		"{userDataFrom: cloud/list.yaml}":              "is no object of cloud-init's modules",
		"{userDataFrom: cloud/bad.yaml}":               "cloud/bad.yaml",
		"{userDataFrom: cloud/web.yaml, userData: a}":  "are both set",
		"{userData: {password: \"${secret.no.key}\"}}": "there is no Secret",
		"{userData: {a: \"x ${secret.no.key}\"}}":      "not the whole of the text",
		"{userData: {a: \"${vars.missing}\"}}":         "spec.vars.missing",
		"{label: CIDATA}":                              "value must be one of",
		"{sshKeys: [\"AAAA\"]}":                        "does not match pattern",
		"{network: {}}":                                "additional properties 'network' not allowed",
	} {
		files := imageFleet(drives(drive))
		files["cloud/web.yaml"], files["cloud/list.yaml"], files["cloud/bad.yaml"] = "#cloud-config\n{}\n", "#cloud-config\n- a\n", "#cloud-config\na: [\n"
		files["cloud/run.sh"] = "#!/bin/sh\necho ${ vars.site } ${HOME:-x}\n"
		_, findings := load.Fleet(snapshot(files), nil)
		var all []string
		for _, f := range findings {
			all = append(all, f.String())
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, want) {
			t.Errorf("%s: %q, want %q", drive, text, want)
		}
	}
}

// TestDocumentedImage loads the YAML about write-image of docs/steps.md.
func TestDocumentedImage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Writing an image\n\n```yaml\nkind: Workload\nspec:\n")
	block, _, ended := strings.Cut(section, "```")
	if !found || !ended {
		t.Fatal("docs/steps.md has no block about images")
	}
	if w := loadWorkload(t, imageFleet(block)); !w.WritesImage() {
		t.Errorf("steps = %+v", w.Steps)
	}
}
