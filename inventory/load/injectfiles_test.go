package load_test

import (
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/load"
)

// injects is a list whose last step injects files.
func injects(files string) map[string]string {
	return stepFleet("  steps: [{step: install}, {step: inject-files, args: {files: ["+files+"]}}]\n", "")
}

// TestInjectFiles resolves the files: vars, a file of the commit by its content, what the machine replaces, and the digest of
// a URL.
func TestInjectFiles(t *testing.T) {
	t.Parallel()
	files := injects("{path: /etc/a, content: \"${vars.site} ${machine.serial} $${machine.id}\"}, {path: /etc/b, from: files/b}, {path: /etc/c, url: \"https://a/c\", sha256: " +
		otherSum + "}, {path: /etc/d, content: \"${secret.bmc.password}\"}")
	files["files/b"] = "\x00${vars.site}"
	w := loadWorkload(t, files)
	step := w.Steps[1]
	read, err := step.ReadFiles(step.Args)
	if err != nil || len(read) != 4 || string(read[0].Content) != "fra1 ${machine.serial} $${machine.id}" || !read[0].Template ||
		string(read[1].Content) != files["files/b"] || read[2].SHA256 != otherSum || len(step.Secrets) != 1 || step.Looks {
		t.Fatalf("files %+v of %+v, %v", read, step, err)
	}
	if !w.Fetches(otherSum) || len(w.Secrets) != 1 {
		t.Errorf("the mirror need not hold the file, or secrets are %v", w.Secrets)
	}
	moved := strings.Replace(files["workloads/stepped.yaml"], "https://a/c", "https://b/c", 1)
	moved = strings.Replace(moved, "files/b", "files/renamed", 1)
	renamed := injects("")
	renamed["workloads/stepped.yaml"], renamed["files/renamed"] = moved, files["files/b"]
	if other := loadWorkload(t, renamed); other.Inputs != w.Inputs {
		t.Errorf("inputs %s with other places of the files, want %s", other.Inputs, w.Inputs)
	}
	renamed["files/renamed"] += "x"
	if other := loadWorkload(t, renamed); other.Inputs == w.Inputs {
		t.Error("another content of a file has the same inputs")
	}
}

// TestFindingsOfInjectFiles: every mistake is a finding, and all of them come together.
func TestFindingsOfInjectFiles(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"{path: /etc/}, {path: /a}":                                               {"is not the path of a file", "a file directly in / needs its partition"},
		"{path: /etc/a, from: none}":                                              {"there is no file none"},
		"{path: /etc/a, from: files/b, base64: aGk=}":                             {"from and base64 are both set"},
		"{path: /etc/a, mode: 0644}":                                              {"YAML readers do not agree"},
		"{path: /etc/a, owner: root}":                                             {"want integer"},
		"{path: /etc/a, from: files/b}":                                           {"files/b:1:2: warning: ${vars.site} stays as it is: references count in content only"},
		"{path: /etc/a, source: b}":                                               {"additional properties 'source' not allowed"},
		"{path: /etc/a, content: \"x ${secret.bmc.password}\"}":                   {"not the whole of the text"},
		"{path: /etc/a, content: \"${machine.mac}\"}":                             {"there is no ${machine.mac}"},
		"{path: /etc/a, url: \"ftp://a\", sha256: " + otherSum + "}":              {"not read from"},
		"{path: /etc/a, url: \"https://${vars.site}\", sha256: " + otherSum + "}": {"a URL holds no references"},
		"{path: /etc/a, partition: \"disk:1\"}":                                   {"does not match pattern"},
	} {
		files := injects(file)
		files["files/b"] = "b${vars.site}"
		_, findings := load.Fleet(snapshot(files), nil)
		var all []string
		for _, f := range findings {
			all = append(all, f.String())
		}
		for _, w := range want {
			if text := strings.Join(all, "\n"); !strings.Contains(text, w) {
				t.Errorf("%s: %q, want %q", file, text, w)
			}
		}
	}
	early := stepFleet("  steps: [{step: inject-files, args: {files: [{path: /etc/a}]}}, {step: install}]\n", "")
	if _, findings := load.Fleet(snapshot(early), nil); len(findings) != 1 || !strings.Contains(findings[0].String(), "there is no installed system yet") {
		t.Errorf("in front of install: %v", findings)
	}
	hosts := injects("{path: /etc/a, url: \"https://other.example.com/a\", sha256: " + otherSum + "}")
	hosts["ingot.yaml"] = "apiVersion: ingot.dev/v1alpha1\nkind: Fleet\nmetadata: {name: fleet}\nspec: {imageHosts: [images.example.com]}\n"
	if _, findings := load.Fleet(snapshot(hosts), nil); len(findings) != 1 || !strings.Contains(findings[0].String(), "not fetched from other.example.com") {
		t.Errorf("findings %v", findings)
	}
}

// TestDocumentedFiles loads the YAML about inject-files of docs/steps.md.
func TestDocumentedFiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Files in the installed system\n\n```yaml\nkind: Workload\nspec:\n")
	block, _, ended := strings.Cut(section, "```")
	if !found || !ended {
		t.Fatal("docs/steps.md has no block about files")
	}
	if w := loadWorkload(t, stepFleet(block, "")); len(w.Steps) != 2 || len(w.Steps[1].Files) != 1 {
		t.Errorf("steps = %+v", w.Steps)
	}
}
