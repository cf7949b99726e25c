package load_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// scales is a Translator for which a config has as many bytes as its vars, and of which 1,000 can be delivered.
type scales struct{ checked *int }

func (s scales) Check(b inventory.Butane) inventory.Translation {
	*s.checked++
	t := inventory.Translation{Room: 1000}
	for _, value := range b.Vars {
		t.Room -= len(value)
	}
	if t.Room < 0 {
		t.Findings = []schemas.Finding{{Position: schemas.Position{File: b.Path}, Severity: schemas.Error, Message: "too large"}}
	}
	return t
}

// motds is a fleet whose hosts have that text in a file, each its own.
func motds(lengths ...int) map[string]string {
	files := map[string]string{
		"workloads/web.yaml": "apiVersion: ingot.dev/v1alpha1\nkind: Workload\nmetadata: {name: web}\nspec:\n  install:\n    image: {url: https://example.com/os.raw, sha256: " +
			strings.Repeat("a", 64) + "}\n    butane: workloads/web.bu\n",
		"workloads/web.bu": "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /etc/motd, contents: {inline: \"${vars.motd}\"}}\n",
	}
	for i, length := range lengths {
		files[fmt.Sprintf("hosts/web-%02d.yaml", i)] = fmt.Sprintf("apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: web-%02d}\n"+
			"spec:\n  bmc: {address: \"https://10.0.0.%[1]d/redfish/v1/Systems/1\", credentials: bmc}\n  rootDisk: {serial: D%[1]d}\n  workload: web\n  vars: {motd: \"%s\"}\n",
			i, strings.Repeat(string(rune('a'+i)), length))
	}
	return files
}

func TestConfigsAreMeasuredOnceWhereTheyFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lengths []int
		checked int
		found   bool
	}{
		"all are small":                  {[]int{10, 20, 30, 40}, 1, false},
		"one may be too large, and fits": {[]int{10, 900, 30, 40}, 2, false},
		"one is too large":               {[]int{10, 1100, 30, 40}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checked := 0
			_, findings := load.Fleet(snapshot(motds(test.lengths...)), scales{&checked})
			found := false
			for _, f := range findings {
				found = found || f.String() == "workloads/web.bu: error: too large"
			}
			if checked != test.checked || found != test.found {
				t.Errorf("Fleet = %v after %d measures, want %d, too large: %t", findings, checked, test.checked, test.found)
			}
		})
	}
}

// The real translator: what is rendered counts, base64 and compression too.
func TestAConfigThatCannotBeDeliveredIsFound(t *testing.T) {
	t.Parallel()
	files := motds(10)
	files["workloads/web.bu"] += "    - {path: /opt/big, contents: {local: big}}\n"
	files["workloads/big"] = strings.Repeat("A", 65<<20)
	if _, findings := load.Fleet(snapshot(files), ignition.Checker{}); hasLarge(findings) {
		t.Errorf("65 MiB of one letter, which Butane compresses: %v", findings)
	}
	noise := make([]byte, 48<<20) // base64 makes 64 MiB of it
	state := uint64(1)
	for i := range noise {
		state = state*6364136223846793005 + 1442695040888963407
		noise[i] = byte(state >> 56)
	}
	files["workloads/big"] = string(noise)
	_, findings := load.Fleet(snapshot(files), ignition.Checker{})
	if !hasLarge(findings) {
		t.Errorf("48 MiB of noise: findings %v, want one that says how large the config is", findings)
	}
}

func hasLarge(findings []schemas.Finding) bool {
	for _, f := range findings {
		if f.File == "workloads/web.bu" && f.Severity == schemas.Error && strings.Contains(f.Message, "at most 63 MiB can be delivered") && f.Hint != "" {
			return true
		}
	}
	return false
}

func TestSecretsCountByTheirSealedLength(t *testing.T) {
	t.Parallel()
	b := inventory.Butane{Path: "w/x.bu", Source: []byte("variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /a, contents: {inline: \"${secret.app.key}${secret.app.key}\"}}\n")}
	without := (ignition.Checker{}).Check(b)
	b.Sealed = sealedApp(1000)
	if with := (ignition.Checker{}).Check(b); without.Room-with.Room < 2000 {
		t.Errorf("two times 1,000 sealed bytes took %d bytes of room, want as many at least", without.Room-with.Room)
	}
	b.Sealed = sealedApp(20 << 20)
	if with := (ignition.Checker{}).Check(b); with.Room >= 0 || len(with.Findings) != 1 {
		t.Errorf("Check = %+v, want a finding", with)
	}
}

func sealedApp(size int) map[refs.Secret]int {
	return map[refs.Secret]int{{Name: "app", Key: "key"}: size}
}

func TestScriptsThatCannotBeDeliveredAreFound(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]bool{1 << 20: false, 2<<20 + 1: true} {
		files := motds(10)
		files["workloads/web.yaml"] += "  steps: [{step: burn-in}, {step: install}]\n"
		files["steps/burn-in.yaml"] = "apiVersion: ingot.dev/v1alpha1\nkind: Step\nmetadata: {name: burn-in}\nspec: {script: steps/burn-in.sh}\n"
		files["steps/burn-in.sh"] = "#!/bin/sh\n" + strings.Repeat("#", size-10)
		_, findings := load.Fleet(snapshot(files), nil)
		found := false
		for _, f := range findings {
			found = found || f.Field == "spec.steps" && strings.Contains(f.Message, "can be delivered")
		}
		if found != want {
			t.Errorf("scripts of %d bytes: findings %v, want one about it: %t", size, findings, want)
		}
	}
}

// A file counts as often as it is named: Butane has each of its copies in memory.
func TestLocalFilesThatAreNamedOften(t *testing.T) {
	t.Parallel()
	files := motds(10)
	files["workloads/big"] = strings.Repeat("A", 1<<20)
	for i := range 300 {
		files["workloads/web.bu"] += fmt.Sprintf("    - {path: /opt/%d, contents: {local: big}}\n", i)
	}
	checked := 0
	_, findings := load.Fleet(snapshot(files), scales{&checked})
	found := false
	for _, f := range findings {
		found = found || strings.HasPrefix(f.String(), "workloads/web.bu:262:42: error: the local files up to here have more than 256 MiB")
	}
	if !found || checked > 0 {
		t.Errorf("Fleet = %v, and %d configs were translated", findings, checked)
	}
}
