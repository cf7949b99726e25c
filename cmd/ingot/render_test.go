package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
)

// TestRenderExamples compares `ingot render` of the first host of each workload of each example with a golden, and wants
// the same bytes again, no secret's ciphertext, and JSON that programs can read.
func TestRenderExamples(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"coreos-install", "lifecycle", "production", "steps"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			if err := os.CopyFS(c.dir, os.DirFS(filepath.Join("../../examples", name))); err != nil {
				t.Fatal(err)
			}
			c.git("add", "--all")
			c.git("commit", "--quiet", "--message", "fleet")
			c.git("tag", "v1")
			fleet, _, err := fleets.NewReader(c.dir).ReadFleet("HEAD", nil)
			if err != nil {
				t.Fatal(err)
			}
			rendered := map[string]bool{}
			for _, id := range slices.Sorted(maps.Keys(fleet.Hosts)) {
				h := fleet.Hosts[id]
				if h.Workload == nil || rendered[h.Workload.Name] {
					continue
				}
				rendered[h.Workload.Name] = true
				c.wantRendering(h.Name, filepath.Join("testdata", "render", name, h.Workload.Name+".yaml"))
			}
			if len(rendered) == 0 {
				t.Error("the example has no workload: this test proves nothing")
			}
		})
	}
}

func (c *clone) wantRendering(host, golden string) {
	c.t.Helper()
	text, code := c.run(nil, "ingot", "render", host)
	if code != 0 {
		c.t.Fatalf("ingot render %s: exit code %d: %s", host, code, text)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		c.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		c.t.Errorf("ingot render %s (-want +got; -update writes it):\n%s", host, diff)
	}
	if again, _ := c.run(nil, "ingot", "render", host, "--commit", "HEAD"); again != text {
		c.t.Errorf("ingot render %s gives other bytes of the same commit", host)
	}
	config, code := c.run(nil, "ingot", "render", host, "-o", "json")
	if code != 0 || !json.Valid([]byte(config)) {
		c.t.Errorf("ingot render %s -o json: exit code %d: %s", host, code, config)
	}
	for _, shown := range []string{text, config} {
		if strings.Contains(shown, "ENC[") || strings.Contains(shown, "sealedsecretvalue") || strings.Contains(shown, "ingotmask") {
			c.t.Errorf("ingot render %s shows a secret's ciphertext, or a mask: %s", host, shown)
		}
	}
}
