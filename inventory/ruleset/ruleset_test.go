package ruleset_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/ruleset"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// shapes are the machines of testdata/machines, in the order of the page.
var shapes = []string{"dell", "hpe", "supermicro", "lenovo", "gb200", "laptop", "vm"}

// shape is a machine that registered with the key of site fra1.
func shape(t testing.TB, name string) ruleset.Machine {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "machines", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts inventory.Facts
	if err := format.Unmarshal(data, &facts); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return ruleset.Machine{ID: "m-7f3a9c21e0b4", Facts: &facts, Labels: map[string]string{"site": "fra1"}, Key: "fra1-pallet-7"}
}

// secrets has one Secret that opens BMCs.
var secrets = map[string]inventory.Sealed{"bmc-factory": {Name: "bmc-factory", Keys: []string{"password", "username"}}}

// compile compiles the Rules of a text.
func compile(t testing.TB, text string) (*ruleset.Set, []schemas.Finding) {
	t.Helper()
	documents, findings := decode.DecodeFile("rules/all.yaml", []byte(text))
	set, more := ruleset.Compile(documents, secrets)
	return set, append(findings, more...)
}

// rule is a Rule with a spec in flow style.
func rule(name, spec string) string {
	return fmt.Sprintf("apiVersion: ingot.dev/v1alpha1\nkind: Rule\nmetadata: {name: %s}\nspec: {%s}\n---\n", name, spec)
}

// mustCompile compiles Rules without findings.
func mustCompile(t testing.TB, text string) *ruleset.Set {
	t.Helper()
	set, findings := compile(t, text)
	if len(findings) > 0 {
		t.Fatalf("%s\n%v", text, findings)
	}
	return set
}

// tableRows gives the cells of the tables of docs/rules.md whose header begins with these cells.
func tableRows(t *testing.T, header string) [][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	_, rest, found := strings.Cut(string(page), header+"\n")
	if !found {
		t.Fatalf("the page has no table %q", header)
	}
	for line := range strings.SplitSeq(rest, "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|")), "`")
		}
		if !strings.HasPrefix(cells[0], "---") {
			rows = append(rows, cells)
		}
	}
	return rows
}

// TestConditionsOfThePage runs every condition of docs/rules.md on every machine.
func TestConditionsOfThePage(t *testing.T) {
	t.Parallel()
	rows := tableRows(t, "| Inspector | Ironic | ingot | holds on |")
	if len(rows) < 30 {
		t.Fatalf("the page has %d conditions", len(rows))
	}
	for _, row := range rows {
		when, err := json.Marshal(row[2])
		if err != nil {
			t.Fatal(err)
		}
		set := mustCompile(t, rule("r", "when: "+string(when)+", labels: {a: b}"))
		var holds []string
		for _, name := range shapes {
			if set.Decide(shape(t, name)).Decisions[0].Holds {
				holds = append(holds, name)
			}
		}
		if got := strings.Join(holds, ", "); got != row[3] {
			t.Errorf("%s holds on %s, the page says %s", row[2], got, row[3])
		}
	}
}

// TestActionsOfThePage runs every action of docs/rules.md on its machine.
func TestActionsOfThePage(t *testing.T) {
	t.Parallel()
	rows := tableRows(t, "| Ironic | ingot | on | gives |")
	if len(rows) < 14 {
		t.Fatalf("the page has %d actions", len(rows))
	}
	for _, row := range rows {
		v := mustCompile(t, rule("r", `when: "true", `+row[1])).Decide(shape(t, row[2]))
		path, want, _ := strings.Cut(row[3], " = ")
		got := fmt.Sprint(v.Values[path])
		switch value := v.Values[path].(type) {
		case []string:
			got = strings.Join(value, ", ")
		case nil:
			want, got = row[3], "refused: "+strings.TrimPrefix(strings.Join(v.Refused, ""), "rule r: ")
		}
		if got != want {
			t.Errorf("%s on %s gives %s, the page says %s (%+v)", row[1], row[2], got, row[3], v.Decisions)
		}
	}
}

// TestEvaluation is how rules meet each other.
func TestEvaluation(t *testing.T) {
	t.Parallel()
	web := func(name string, priority int, workload string) string {
		return rule(name, fmt.Sprintf(`priority: %d, when: "true", set: {spec.workload: '"%s"'}`, priority, workload))
	}
	expected := func(m ruleset.Machine) ruleset.Machine {
		m.Delivery, m.Expected = "pallet-7", &schemas.ExpectedMachine{Name: "web-07", Labels: map[string]string{"rack": "r1"}}
		return m
	}
	for name, test := range map[string]struct {
		rules   string
		machine func(ruleset.Machine) ruleset.Machine
		want    string // as describe prints
	}{
		"priority": {rules: web("a", 10, "low") + web("b", 20, "high"),
			want: "b sets spec.workload; a holds, lost spec.workload by rule b | spec.workload=high"},
		"a tie of one value": {rules: web("a", 10, "web") + web("b", 10, "web"),
			want: "a sets spec.workload; b holds | spec.workload=web"},
		"a tie of two values": {rules: web("a", 10, "x") + web("b", 10, "y"),
			want: "a sets spec.workload; b holds | spec.workload=x | finding rules/all.yaml:4:57: spec.set.spec.workload: Rule b (rules/all.yaml:9:57) gives spec.workload another value, with the same priority | finding rules/all.yaml:9:57: spec.set.spec.workload: Rule a (rules/all.yaml:4:57) gives spec.workload another value, with the same priority"},
		"a tie that a higher rule decides": {rules: web("a", 10, "x") + web("b", 10, "y") + web("c", 11, "z"),
			want: "c sets spec.workload; a holds, lost spec.workload by rule c; b holds, lost spec.workload by rule c | spec.workload=z"},
		"fail wins": {rules: web("a", 100, "x") + rule("nope", `when: "facts.cpu.count > 1", fail: no such machine`),
			want: "a sets spec.workload; nope holds | spec.workload=x | refused rule nope: no such machine"},
		"no rule sees another": {rules: rule("a", `priority: 9, when: "true", labels: {pool: web}`) + rule("b", `when: "labels.pool == 'web'", labels: {seen: "yes"}`),
			want: "a sets metadata.labels.pool; b: the machine has no pool | metadata.labels.pool=web"},
		"an error of an action": {rules: rule("a", `when: "true", labels: {k: v}, set: {spec.rootDisk.wwn: "facts.disks[9].wwn"}`),
			want: "a: spec.rootDisk.wwn: the expression fails: index out of bounds: 9 |"},
		"an absent field, and a default": {rules: rule("a", `when: "true", set: {spec.vars.v: "facts.disks[0].vendor"}`) + rule("b", `when: "true", set: {spec.vars.v: "'none'"}`),
			want: "a: spec.vars.v: the machine has no vendor; b sets spec.vars.v | spec.vars.v=none"},
		"a value that is not allowed": {rules: rule("a", `when: "true", set: {metadata.labels.model: "facts.system.product"}`) + rule("b", `when: "true", set: {metadata.labels.model: "facts.system.product.replace(' ', '-')"}`),
			want: `a: metadata.labels.model: "PowerEdge R750" is not allowed (want at most 63 letters, digits, dashes, dots and underscores); b sets metadata.labels.model | metadata.labels.model=PowerEdge-R750`},
		"a disk by a kernel name": {rules: rule("a", `when: "true", set: {spec.rootDisk.path: "'/dev/sda'"}`),
			want: `a: spec.rootDisk.path: "/dev/sda" may be another disk after the next boot (a name in /dev/disk/by-path, or the disk's serial or wwn) |`},
		"a name": {rules: rule("a", `when: "true", set: {metadata.name: "'  Web_' + facts.system.product + '--É'"}`),
			want: `a sets metadata.name | metadata.name=web-poweredge-r750 | note the name "  Web_PowerEdge R750--É" was made web-poweredge-r750`},
		"a long name": {rules: rule("a", `when: "true", set: {metadata.name: "'`+strings.Repeat("ab-", 30)+`'"}`),
			want: "a sets metadata.name | metadata.name=" + strings.Repeat("ab-", 20) + "ab | note the name \"" + strings.Repeat("ab-", 30) + "\" was made " + strings.Repeat("ab-", 20) + "ab"},
		"no name": {rules: rule("a", `when: "true", set: {metadata.name: "'!!'"}`),
			want: `a: metadata.name: "!!" has no letter or digit for a name |`},
		"an empty text": {rules: rule("a", `when: "true", set: {spec.workload: "''"}`), want: "a: spec.workload: the expression gives an empty text |"},
		"labels of the key are below": {rules: rule("a", `when: "labels.site == 'fra1'", labels: {site: fra2}`),
			want: "a sets metadata.labels.site | metadata.labels.site=fra2"},
		"a Delivery is above": {machine: expected, rules: rule("a", `priority: 9999, when: "name == 'web-07' && labels.rack == 'r1'", labels: {rack: r2}, set: {metadata.name: "'other'"}`),
			want: "a holds, lost metadata.labels.rack by Delivery pallet-7, metadata.name by Delivery pallet-7 | metadata.labels.rack=r1 metadata.name=web-07"},
		"credentials": {rules: rule("a", `priority: 1, when: "true", credentials: {create: true}`) + rule("b", `when: "true", credentials: {secret: bmc-factory}`),
			want: "a sets credentials; b holds, lost credentials by rule a | credentials {create}"},
		"a tie of credentials": {rules: rule("a", `when: "true", credentials: {create: true}`) + rule("b", `when: "true", credentials: {secret: bmc-factory}`),
			want: "a sets credentials; b holds | credentials {create} | finding rules/all.yaml:4:22: spec.credentials: Rule b (rules/all.yaml:9:22) gives credentials another value, with the same priority | finding rules/all.yaml:9:22: spec.credentials: Rule a (rules/all.yaml:4:22) gives credentials another value, with the same priority"},
		"accept": {rules: rule("a", `when: "true", accept: true`), want: "a holds | accept a"},
		"too long a look": {rules: rule("a", `when: "facts.disks.exists(a, facts.disks.exists(b, facts.disks.exists(c, facts.disks.exists(d, facts.disks.exists(e, facts.disks.exists(f, facts.disks.exists(g, facts.disks.exists(h, facts.disks.exists(i, facts.disks.exists(j, false))))))))))", labels: {a: b}`),
			want: "a: the expression takes too long |"},
		"values that do not go together": {rules: rule("a", `when: "true", set: {spec.rootDisk.minSize: "'2TB'"}`) + rule("b", `when: "true", set: {spec.rootDisk.maxSize: "'1TB'"}`),
			want: "a: spec.rootDisk.minSize: no disk is at least 2TB and at most 1TB; b sets spec.rootDisk.maxSize | spec.rootDisk.maxSize=1TB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := shape(t, "dell")
			if test.machine != nil {
				m = test.machine(m)
			}
			v := mustCompile(t, test.rules).Decide(m)
			if diff := cmp.Diff(strings.TrimSuffix(test.want, " |"), describe(v)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// describe is a verdict as a text, without the label of the key.
func describe(v ruleset.Verdict) string {
	var rules, values []string
	for _, d := range v.Decisions {
		text := d.Rule
		switch {
		case !d.Holds:
			text += ": " + d.Why
		case len(d.Sets) > 0:
			text += " sets " + strings.Join(d.Sets, ", ")
		default:
			text += " holds"
		}
		if len(d.Lost) > 0 {
			text += ", lost " + strings.Join(d.Lost, ", ")
		}
		rules = append(rules, text)
	}
	for path, value := range v.Values {
		if v.From[path] != "key fra1-pallet-7" {
			values = append(values, fmt.Sprintf("%s=%v", path, value))
		}
	}
	slices.Sort(values)
	parts := []string{strings.Join(rules, "; ")}
	if len(values) > 0 {
		parts = append(parts, strings.Join(values, " "))
	}
	if v.Credentials != nil && v.Credentials.Create {
		parts = append(parts, "credentials {create}")
	}
	if v.Accept != "" {
		parts = append(parts, "accept "+v.Accept)
	}
	for _, f := range v.Findings {
		parts = append(parts, fmt.Sprintf("finding %s: %s: %s", f.Position, f.Field, f.Message))
	}
	for _, lines := range [][2]any{{"refused ", v.Refused}, {"problem ", v.Problems}, {"note ", v.Notes}} {
		for _, line := range lines[1].([]string) {
			parts = append(parts, lines[0].(string)+line)
		}
	}
	return strings.Join(parts, " | ")
}

// TestFindings are the mistakes of Rules that package decode cannot see.
func TestFindings(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		`when: "facts.system.maker == 'x'", labels: {a: b}`:                                    "rules/all.yaml:4:14: error: spec.when: line 1, column 13 of the expression: undefined field 'maker'",
		`when: "'${secret.bmc.password}' == ''", labels: {a: b}`:                               "rules/all.yaml:4:14: error: spec.when: line 1, column 2 of the expression: an expression has no ${…}",
		`when: "true", set: {spec.vars.p: "'${secret.bmc.password}'"}`:                         "rules/all.yaml:4:41: error: spec.set.spec.vars.p: line 1, column 2 of the expression: an expression has no ${…}",
		`when: "true", fail: "${secret.bmc.password}"`:                                         "error: spec.fail: a message has no ${…}",
		`when: "facts.cpu.count", labels: {a: b}`:                                              "the expression gives int, want true or false",
		`when: "true", set: {spec.consent.erase: "'x'"}`:                                       "rules/all.yaml:4:48: error: spec.set.spec.consent.erase: a rule does not set this field",
		`when: "true", set: {spec.protect: "true"}`:                                            "a rule does not set this field",
		`when: "true", set: {spec.lifecycle: "'Retired'"}`:                                     "a rule does not set this field",
		`when: "true", set: {spec.identity.serial: "'x'"}`:                                     "a rule does not set this field",
		`when: "true", set: {spec.bmc.address: "'x'"}`:                                         "a rule does not set this field",
		`when: "true", set: {metadata.id: "'x'"}`:                                              "a rule does not set this field",
		`when: "true", set: {spec.steps: "'x'"}`:                                               "a rule does not set this field",
		`when: "true", set: {spec.requests.reboot.id: "'x'"}`:                                  "a rule does not set this field",
		`when: "true", set: {spec.vars: "'x'"}`:                                                "a rule does not set this field",
		`when: "true", set: {spec.workloads: "'x'"}`:                                           "a rule does not set this field",
		`when: "true", set: {spec.rootDisk.wnn: "'x'"}`:                                        "there is no field wnn here",
		`when: "true", set: {spec.rootDisk.rotational: "'x'"}`:                                 "the expression gives string, want true or false",
		`when: "true", set: {spec.workload: "1"}`:                                              "the expression gives int, want a text",
		`when: "true", set: {spec.network.ramdisk: "'x'"}`:                                     "name a field below",
		`when: "true", set: {"spec.disks.data[].size[]": "'x'"}`:                               "[] stands once in a path",
		`when: "true", set: {"spec.disks.data[].all": "true"}`:                                 "behind [] stands a field that is a text",
		`when: "true", set: {"spec.workload[0]": "'x'"}`:                                       "a rule does not set this field",
		`when: "true", set: {"spec.disks.data[99].wwn": "'x'"}`:                                "a list has at most 64 entries",
		`when: "true", set: {"spec.disks.data[x].wwn": "'x'"}`:                                 `"data[x]" is no name of a field`,
		`when: "true", credentials: {secret: nobody}`:                                          `there is no Secret "nobody"`,
		`when: "true", credentials: {secret: bmc-factory}, set: {spec.bmc.credentials: "'x'"}`: "spec.set gives spec.bmc.credentials too",
		`when: "true", labels: {a: b}, set: {metadata.labels.a: "'x'"}`:                        "spec.labels sets this label too",
	} {
		_, findings := compile(t, rule("r", spec))
		text := fmt.Sprint(findings)
		if len(findings) != 1 || !strings.Contains(text, want) {
			t.Errorf("%s\n got %s\nwant %s", spec, text, want)
		}
	}
}

// TestOrderOfFiles: a verdict does not depend on the order in which rules are given.
func TestOrderOfFiles(t *testing.T) {
	t.Parallel()
	var texts []string
	for i := range 6 {
		texts = append(texts, rule(fmt.Sprint("r", i), fmt.Sprintf(`priority: %d, when: "true", labels: {a: "%d"}, set: {spec.vars.v%d: "'x'"}`, i/2, i/2, i)))
	}
	want := describe(mustCompile(t, strings.Join(texts, "")).Decide(shape(t, "vm")))
	slices.Reverse(texts)
	if got := describe(mustCompile(t, strings.Join(texts, "")).Decide(shape(t, "vm"))); got != want {
		t.Errorf("verdict %s\nwant %s", got, want)
	}
}

// TestFillAListAndItsEntry: the entry replaces its place of the list, in whatever order a map gives the two.
func TestFillAListAndItsEntry(t *testing.T) {
	t.Parallel()
	values := map[string]any{
		"spec.network.ramdisk.dns-resolver.config.server":    []string{"10.0.0.1", "10.0.0.2"},
		"spec.network.ramdisk.dns-resolver.config.server[0]": "10.9.9.9",
	}
	for range 50 {
		host, err := ruleset.Fill(schemas.Host{}, values)
		if err != nil {
			t.Fatal(err)
		}
		got := host.Spec.Network.Ramdisk.DNSResolver.Config.Server
		if diff := cmp.Diff([]string{"10.9.9.9", "10.0.0.2"}, got); diff != "" {
			t.Fatal(diff)
		}
	}
}
