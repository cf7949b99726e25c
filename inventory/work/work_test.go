package work_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/work"
	"github.com/gitmetal/ingot/schemas/decode"
)

const workload = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: pi}
spec:
  replicas: 3
  hosts: {matchLabels: {pool: batch}}
  run:
    script: jobs/pi.sh
    args: {points: 10}
    RUN
`

func resolve(t *testing.T, run string, files map[string]string) work.Resolved {
	t.Helper()
	documents, findings := decode.DecodeFile("workloads/pi.yaml", []byte(strings.Replace(workload, "RUN", run, 1)))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	tree := map[string]inventory.File{"jobs/pi.sh": {Data: []byte("#!/bin/bash\n")}}
	for name, text := range files {
		tree[name] = inventory.File{Data: []byte(text)}
	}
	r, runs := work.Resolve(documents[0], tree)
	if !runs {
		t.Fatal("the Workload has no runs")
	}
	return r
}

// TestItems: the items of a range, a list and a file, and the runs without items.
func TestItems(t *testing.T) {
	t.Parallel()
	for run, want := range map[string]struct{ count, completions int }{
		"batch: a":                                             {3, 3},
		"completions: 7":                                       {7, 7},
		"items: {range: {from: 1, to: 5}}":                     {5, 5},
		"items: {list: [{a: 1}, {a: 2}]}":                      {2, 2},
		"items: {file: items.jsonl}":                           {2, 2},
		"items: {range: {from: 1, to: 5}}\n    completions: 2": {5, 2},
	} {
		r := resolve(t, run, map[string]string{"items.jsonl": "{\"a\": 1}\n\n{\"a\": 2}\n"})
		if r.Work.Count() != want.count || r.Work.Completions != want.completions || len(r.Findings) > 0 {
			t.Errorf("%s: %d items, %d completions, %v, want %+v", run, r.Work.Count(), r.Work.Completions, r.Findings, want)
		}
	}
	if got := resolve(t, "items: {list: [{points: 20, seed: 1}]}", nil).Work.Arguments(0); fmt.Sprint(got["points"]) != "20" || len(got) != 2 {
		t.Errorf("arguments %v, want those of the item over those of all", got)
	}
}

// TestMistakesOfARun are findings at the Workload's line.
func TestMistakesOfARun(t *testing.T) {
	t.Parallel()
	for run, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"batch: a":                   {map[string]string{"jobs/pi.sh": "echo"}, "names no interpreter"},
		"batch: b":                   {map[string]string{"jobs/pi.sh": strings.Repeat("#", 2<<20)}, "at most"},
		"items: {file: gone.jsonl}":  {nil, "there is no file gone.jsonl"},
		"items: {file: items.jsonl}": {map[string]string{"items.jsonl": "{}\n[]\n"}, "items.jsonl:2 is no JSON object"},
		"items: {list: [{a: 1}]}\n    completions: 2": {nil, "each succeeds once"},
		"items: {list: [{a: \"${vars.x}\"}]}":         {nil, "not supported yet"},
	} {
		r := resolve(t, run, test.files)
		if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Message, test.want) || r.Findings[0].Line == 0 {
			t.Errorf("%s: %v, want %q", run, r.Findings, test.want)
		}
	}
}

// TestWhatBeginsABatch: what a run computes from, and the text; no limit.
func TestWhatBeginsABatch(t *testing.T) {
	t.Parallel()
	first := resolve(t, "batch: a", nil).Work.Batch
	for run, anew := range map[string]bool{"batch: a\n    deadline: 3h": false, "batch: a\n    retries: 7": false,
		"batch: b": true, "batch: a\n    completions: 4": true, "batch: a\n    items: {range: {from: 0, to: 2}}": true} {
		if got := resolve(t, run, nil).Work.Batch; (got != first) != anew {
			t.Errorf("%s: batch %s, before %s, want a new one: %t", run, got, first, anew)
		}
	}
	if got := resolve(t, "batch: a", map[string]string{"jobs/pi.sh": "#!/bin/sh\n"}).Work.Batch; got == first {
		t.Error("another script is the same batch")
	}
}

const kernelWorkload = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: pi}
spec:
  replicas: 3
  hosts: {matchLabels: {pool: batch}}
  run:
    boot:
      kernel: {url: "https://a/vmlinuz", sha256: "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK"}
      initrds: [{url: a/initrd, sha256: "1111111111111111111111111111111111111111111111111111111111111111"}]
      arguments: [console=ttyS0]
      files: [{path: /etc/motd, content: "${vars.site}", mode: "0600"}]
`

func resolveKernel(t *testing.T, replace ...string) work.Resolved {
	t.Helper()
	text := strings.NewReplacer(append(replace, "K", "0")...).Replace(kernelWorkload)
	documents, findings := decode.DecodeFile("workloads/pi.yaml", []byte(text))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	r, _ := work.Resolve(documents[0], nil)
	return r
}

// TestAKernelBeginsABatch: its content and what it is given decide, and not where it is fetched.
func TestAKernelBeginsABatch(t *testing.T) {
	t.Parallel()
	first := resolveKernel(t)
	k := first.Work.Kernel
	if len(first.Findings) > 0 || k == nil || len(k.Fetches()) != 2 || k.Files[0].Mode != 0o600 || k.HidesToken || len(first.Files) > 0 {
		t.Fatalf("%+v, %v, files %q", k, first.Findings, first.Files)
	}
	for replace, anew := range map[[2]string]bool{{"https://a/", "https://b/"}: false, {"\"K", "\"2"}: true, {"\"1", "\"2"}: true,
		{"console=ttyS0", "quiet"}: true, {"vars.site", "vars.rack"}: true, {"0600", "0644"}: true,
		{"arguments:", "tokenOnCommandLine: false\n      arguments:"}: true} {
		if got := resolveKernel(t, replace[0], replace[1]).Work.Batch; (got != first.Work.Batch) != anew {
			t.Errorf("%s for %s: batch %s, before %s, want a new one: %t", replace[1], replace[0], got, first.Work.Batch, anew)
		}
	}
}

// TestAnISOBeginsABatch: its content decides, and not where it is fetched, nor what ends a run.
func TestAnISOBeginsABatch(t *testing.T) {
	t.Parallel()
	const workload = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: pi}
spec:
  replicas: 3
  hosts: {matchLabels: {pool: batch}}
  run: {iso: {url: "https://a/x.iso", sha256: "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK"}, endsWith: PowerOff}
`
	read := func(replace ...string) work.Resolved {
		documents, findings := decode.DecodeFile("workloads/pi.yaml", []byte(strings.NewReplacer(append(replace, "K", "0")...).Replace(workload)))
		if len(findings) > 0 {
			t.Fatal(findings)
		}
		r, _ := work.Resolve(documents[0], nil)
		return r
	}
	first := read()
	if w := first.Work; w.ISO == nil || w.Kernel != nil || !w.EndsWithOff || len(w.BootFiles()) != 1 || len(first.Findings) > 0 {
		t.Fatalf("%+v, %v", w, first.Findings)
	}
	for replace, anew := range map[[2]string]bool{{"https://a/", "https://b/"}: false, {"\"K", "\"2"}: true} {
		if got := read(replace[0], replace[1]).Work.Batch; (got != first.Work.Batch) != anew {
			t.Errorf("%s for %s: batch %s, before %s, want a new one: %t", replace[1], replace[0], got, first.Work.Batch, anew)
		}
	}
}

// TestMistakesOfAKernel: a secret would be on the medium for whoever reads it, and arguments are not replaced.
func TestMistakesOfAKernel(t *testing.T) {
	t.Parallel()
	for replace, want := range map[[2]string]string{{"${vars.site}", "${secret.a.b}"}: "not supported yet: ${secret.a.b}",
		{"${vars.site}", "${var.site}"}: "${var.site}", {"console=ttyS0", "\"site=${vars.site}\""}: "in the arguments of a kernel"} {
		r := resolveKernel(t, replace[0], replace[1])
		if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Message, want) || r.Findings[0].Line == 0 {
			t.Errorf("%s: %v, want %q", replace[1], r.Findings, want)
		}
	}
}
