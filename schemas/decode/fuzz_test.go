package decode_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// everyKind has a document of each kind that the archives in testdata do not show whole.
const everyKind = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: web}
spec:
  install:
    image: {url: "https://example.com/os.zst", sha256: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"}
    butane: workloads/web.bu
    kernelArguments: ["console=ttyS0,115200"]
    phoneHome: Required
  steps: [{step: burn-in}, {step: install}]
  update: Reinstall
---
apiVersion: ingot.dev/v1alpha1
kind: Step
metadata: {name: burn-in}
spec: {script: steps/burn-in.sh, timeout: 90m}
---
apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: prod}
spec:
  hosts: {matchLabels: {ring: prod}}
  tag: prod-*
  after: [canary]
  canaries: {hosts: [web-01]}
  maxUnavailable: 10%
  pauseAfter: 2
  windows: [{start: "0 22 * * 1-5", duration: 4h, zone: Europe/Berlin}]
  paused: true
---
apiVersion: ingot.dev/v1alpha1
kind: Defaults
metadata: {name: all}
spec:
  hosts: {allHosts: true}
  priority: 10
  defaults:
    bmc: {credentials: bmc, tls: {fingerprint: "sha256:3f1c9e0b7a5d4c2e8f6a1b3d5c7e9f0a2b4d6c8e0f1a3b5c7d9e1f3a5b7c9d0e"}}
    boot: {method: VirtualMedia, secureBoot: true}
    rootDisk: {minSize: 200GB, rotational: false}
    power: On
    vars: {site: fra1}
    lifecycle: Managed
---
apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: big}
spec: {when: "facts.memory > 1024", priority: 10, labels: {size: big}, set: {spec.workload: '"web"'}, credentials: {create: true}, accept: true}
---
apiVersion: ingot.dev/v1alpha1
kind: Delivery
metadata: {name: pallet-7}
spec:
  credentials: bmc
  until: 2026-12-31
  machines: [{serial: S1, name: web-7, labels: {rack: r1}, bmc: {address: 10.0.0.13}}, {serial: S2, bmc: {mac: "04:32:01:aa:bb:c1"}, credentials: other}]
---
apiVersion: ingot.dev/v1alpha1
kind: Fleet
metadata: {name: fleet}
spec: {paused: true, installs: 3, imageHosts: [images.example.com], discovery: {keys: [{id: k1, until: 2026-12-31, labels: {site: fra1}, max: 50}]}}
`

// FuzzDecode: no input makes Decode panic or answer differently twice, findings have a place, and documents without findings are complete.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(twoDocuments))
	f.Add([]byte(everyKind))
	for document := range strings.SplitSeq(everyKind, "---\n") {
		f.Add([]byte(document))
	}
	for _, archive := range archives(f) {
		f.Add(archive.Files[0].Data)
	}
	f.Add([]byte("a: &x [*x, *x]\n<<: *x\n? {b: c}\n: !!binary x\n"))
	f.Add([]byte("apiVersion: ingot.dev/v1alpha1\nkind: Secret\nmetadata: {name: s}\nspec: {data: [{}], scope: {hosts: [~]}}\nsops: {a: [1, {b: ~}]}\n"))
	f.Add([]byte(strings.Repeat("[", 4096)))
	f.Add([]byte("apiVersion: ingot.dev/v1alpha1\nkind: Host\nspec: " + strings.Repeat("{a: ", 64) + strings.Repeat("}", 64)))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, findings := decode.DecodeFile("f.yaml", data)
		_, again := decode.DecodeFile("f.yaml", data)
		if diff := cmp.Diff(findings, again); diff != "" {
			t.Errorf("the second answer differs:\n%s", diff)
		}
		for _, finding := range findings {
			if finding.File != "f.yaml" || finding.Message == "" {
				t.Errorf("a finding without place or message: %+v", finding)
			}
		}
		for _, d := range documents {
			if d.Kind == "" || d.PositionOf("").Line == 0 || (d.Name == "" && !schemas.Fatal(findings)) {
				t.Errorf("document %q %q at %s, findings %v", d.Kind, d.Name, d.PositionOf(""), findings)
			}
		}
	})
}

func archives(t testing.TB) (all []*txtar.Archive) {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, archive)
	}
	return all
}

// The fuzzer starts from documents that are good: what it changes in them gets past the first check.
func TestTheFuzzersSeedsAreGood(t *testing.T) {
	t.Parallel()
	documents, findings := decode.DecodeFile("f.yaml", []byte(everyKind))
	for _, finding := range findings {
		if !strings.Contains(finding.Message, "ingot.yaml") && finding.Severity == schemas.Error {
			t.Errorf("a seed is not good: %s", finding)
		}
	}
	kinds := map[string]bool{}
	for _, d := range documents {
		kinds[d.Kind] = true
	}
	for _, kind := range []string{schemas.KindWorkload, schemas.KindStep, schemas.KindRing, schemas.KindDefaults, schemas.KindRule, schemas.KindDelivery, schemas.KindFleet} {
		if !kinds[kind] {
			t.Errorf("no seed of kind %s", kind)
		}
	}
}
