package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// TestExamples follows the README of each example as a newcomer would: every command of its console blocks, in order, prints what stands below it. A
// line "…" stands for any lines. Where the text says that a daemon installed the machines, the test writes the status branch that it would leave.
// With -update the README gets what the commands print.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"coreos-install", "discovery", "ephemeral", "lifecycle", "production", "steps"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			if err := os.CopyFS(filepath.Join(c.dir, "examples"), os.DirFS("../../examples")); err != nil {
				t.Fatal(err)
			}
			n := &newcomer{clone: c, cwd: c.dir}
			readme := filepath.Join("../../examples", name, "README.md")
			text, err := os.ReadFile(readme)
			if err != nil {
				t.Fatal(err)
			}
			followed := n.follow(string(text))
			if *update && followed != string(text) {
				if err := os.WriteFile(readme, []byte(followed), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if n.commands < 10 || n.plans < 3 {
				t.Errorf("the README has %d commands, %d of them plans: this test would prove little", n.commands, n.plans)
			}
			n.planAsJSON()
			n.namesSchemas()
			sealed(t, filepath.Join("../../examples", name))
		})
	}
}

// newcomer types the commands of a README.
type newcomer struct {
	*clone
	cwd             string
	commands, plans int
}

// played is where the text says that a daemon was there meanwhile.
const (
	played    = "<!-- a daemon installed the machines -->"
	inspected = "<!-- a daemon inspected the machines -->"
)

// follow does what a README says, and gives the README with what the commands printed.
func (n *newcomer) follow(text string) string {
	n.t.Helper()
	var out []string
	lines := strings.Split(text, "\n")
	inside := false
	for at := 0; at < len(lines); at++ {
		line := lines[at]
		out = append(out, line)
		switch {
		case line == played || line == inspected:
			n.daemon()
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			end := at + 1
			for end < len(lines) && !strings.HasPrefix(lines[end], "$ ") && !strings.HasPrefix(lines[end], "```") {
				end++
			}
			out = append(out, n.command(at+1, line[2:], lines[at+1:end])...)
			at = end - 1
		}
	}
	return strings.Join(out, "\n")
}

// command types one command, and compares what it prints with what is wanted.
func (n *newcomer) command(line int, command string, want []string) []string {
	n.t.Helper()
	n.commands++
	if strings.Contains(command, "ingot plan") {
		n.plans++
	}
	where := filepath.Join(n.t.TempDir(), "cwd")
	printed, code := n.run([]string{"CWD=" + n.cwd, "WHERE=" + where}, "sh", "-c", "cd \"$CWD\" && { "+command+"\n}\ncode=$?\npwd >\"$WHERE\"\nexit $code")
	if code != 0 {
		n.t.Fatalf("README.md:%d: %s: exit code %d:\n%s", line, command, code, printed)
	}
	cwd, err := os.ReadFile(where)
	if err != nil {
		n.t.Fatal(err)
	}
	n.cwd = strings.TrimSpace(string(cwd))
	got := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
	if printed == "" {
		got = nil
	}
	pattern := anything.ReplaceAllString(regexp.QuoteMeta(generic(strings.Join(want, "\n"))), ".*?")
	if regexp.MustCompile("^(?s:" + pattern + ")$").MatchString(generic(strings.Join(got, "\n"))) {
		return want
	}
	if *update {
		return got
	}
	n.t.Errorf("README.md:%d: %s\nprinted:\n%s\nwant:\n%s", line, command, printed, strings.Join(want, "\n"))
	return want
}

var anything = regexp.MustCompile(`(?m)^…$`)

var commitID = regexp.MustCompile(`\bcommit [0-9a-f]{8}\b`)

// generic takes the ids of commits out: the README is part of its own commit.
func generic(text string) string { return commitID.ReplaceAllString(text, "commit") }

// daemon leaves the status of a fleet whose workloads are installed.
func (n *newcomer) daemon() {
	fleet := &clone{t: n.t, dir: n.cwd, env: n.env}
	fleet.status("HEAD", schemas.Scope{MatchLabels: map[string]string{"data": "none"}}, func(h inventory.Desired) *status.Document {
		w := h.Workload
		if w == nil && h.Claimable {
			d := status.Document{APIVersion: schemas.APIVersion, Kind: status.KindHostStatus, Commit: h.Commit, Epoch: 1, Metadata: status.NewMetadata(h.Name, h.ID, h.Labels), Phase: plan.Unmanaged,
				Hardware: &inventory.Facts{Epoch: 1, Memory: 64 << 30, CPU: inventory.CPU{Count: 32}}}
			return &d
		}
		if w == nil {
			return nil
		}
		hints := *h.RootDisk
		hints.Serial = cmp.Or(hints.Serial, "DISK-"+h.Name)
		h.RootDisk = &hints
		d := seen(h, inventory.Content{Signature: "aaaaaaaaaaaaaaaa", Summary: "data"})
		disk := &d.Hardware.Disks[0]
		disk.WWN, disk.Transport = hints.WWN, hints.Transport
		d.Phase, d.Workload, d.Installed = plan.Active, w.Name, &inventory.Installed{
			ID: "0123456789abcdef01234567", Workload: w.Name, Inputs: w.Inputs, Parts: w.Parts, Config: w.Config, Commit: h.Commit, Image: w.Image.SHA256, Disk: inventory.IdentifyDisks(d.Hardware.Disks)[0].ID(), Update: w.Update, At: d.Hardware.At, PhoneHome: d.Hardware.At,
			Mark: "0a1b2c3d-0000-8000-8000-000000000001",
		}
		return &d
	})
}

// planAsJSON holds what a real plan prints against the committed schema.
func (n *newcomer) planAsJSON() {
	n.t.Helper()
	fleet := &clone{t: n.t, dir: n.cwd, env: n.env}
	printed, _ := fleet.run(nil, "sh", "-c", "ingot plan --base none -o json 2>/dev/null")
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(printed))
	if err != nil {
		n.t.Fatalf("%v in:\n%s", err, printed)
	}
	schema, err := jsonschema.NewCompiler().Compile("../../docs/plan.schema.json")
	if err != nil {
		n.t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		n.t.Error(fmt.Errorf("ingot plan -o json: %w", err))
	}
}

var modeline = regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`)

// namesSchemas wants every document that people write to begin with a schema that is there, for editors.
func (n *newcomer) namesSchemas() {
	n.t.Helper()
	fleet := &clone{t: n.t, dir: n.cwd, env: n.env}
	documents := 0
	for file := range strings.FieldsSeq(fleet.git("ls-files", "*.yaml")) {
		if strings.HasPrefix(file, ".") || strings.HasPrefix(file, "secrets/") { // those are written by ingot secret
			continue
		}
		documents++
		line := modeline.FindStringSubmatch(fleet.read(file))
		if line == nil {
			n.t.Errorf("%s begins without a schema", file)
		} else if _, err := os.Stat(filepath.Join(fleet.dir, filepath.Dir(file), line[1])); err != nil {
			n.t.Errorf("%s: %v", file, err)
		}
	}
	if documents < 5 {
		n.t.Errorf("the fleet has %d documents", documents)
	}
}

// sealed wants an example's Secrets to be SOPS files for the recipient of its .sops.yaml.
func sealed(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Secrets: %v", dir, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := secrets.ListRecipients(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if rule, err := secrets.FindRule(file); err != nil || len(rule.Recipients) != 1 || !slices.Equal(got, rule.Recipients) {
			t.Errorf("%s is for %v, .sops.yaml names %v (%v)", file, got, rule.Recipients, err)
		}
	}
}
