package load_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/schemas"
)

// named is a host of ring prod that runs web with a var that says which machine it is for. What it is written as is name, or name<former.
func named(written, serial, site string) string {
	name, former, _ := strings.Cut(written, "<")
	metadata := "name: " + name
	if former != "" {
		metadata += ", formerly: " + former
	}
	return apiVersion + "kind: Host\nmetadata: {" + metadata + ", labels: {ring: prod}}\nspec:\n" +
		"  bmc: {address: \"https://" + strings.ToLower(site) + ".example.com/redfish/v1/Systems/1\", credentials: bmc}\n  identity: {serial: " + serial + "}\n" +
		"  rootDisk: {serial: " + site + "}\n  workload: web\n  vars: {site: " + site + "}\n"
}

// siteFleet is a fleet of hosts whose vars come into what is installed.
func siteFleet(hosts ...string) map[string]string {
	files := map[string]string{
		"secrets/bmc.yaml": secretFile,
		"workloads/web.yaml": apiVersion + "kind: Workload\nmetadata: {name: web}\nspec:\n  install:\n    image: {url: \"https://images.example.com/os.zst\", sha256: \"" + imageA + "\"}\n" +
			"    butane: workloads/web.bu\n",
		"workloads/web.bu": "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n    - path: /a\n      contents: {inline: \"${vars.site}\"}\n",
		"rings/prod.yaml":  ringFile("prod", "  tag: prod-*\n"),
	}
	for i, host := range hosts {
		files[fmt.Sprintf("hosts/%d.yaml", i)] = host
	}
	return files
}

// TestAReleaseHasTheSameMachine renames hosts after a release: each runs what the release has for its machine, and not for its name.
func TestAReleaseHasTheSameMachine(t *testing.T) {
	t.Parallel()
	one, two := named("machine-1", "LAB1", "ONE"), named("machine-2", "LAB2", "TWO")
	for name, test := range map[string]struct {
		release, trunk []string
		want           map[string]string // by host, the site it is for
		pending        string
	}{
		"a name moves to another machine": {
			[]string{one, two}, []string{named("machine-2<machine-1", "LAB1", "ONE"), named("db-1<machine-2", "LAB2", "TWO")}, map[string]string{"machine-2": "ONE", "db-1": "TWO"}, "",
		},
		"renamed":             {[]string{one}, []string{named("db-1<machine-1", "LAB1", "ONE")}, map[string]string{"db-1": "ONE"}, ""},
		"a machine by a name": {[]string{one}, []string{named("machine-1", "LAB9", "NEW")}, map[string]string{"machine-1": ""}, "ring prod runs prod-1, in which machine-1 is another machine, with serial LAB1"},
		"a machine by a name that was renamed": {
			[]string{one}, []string{named("machine-1", "LAB9", "NEW"), named("db-1<machine-1", "LAB1", "ONE")}, map[string]string{"machine-1": "", "db-1": "ONE"},
			"ring prod runs prod-1, in which machine-1 is another machine, with serial LAB1",
		},
	} {
		fleet := fleetOf(t, inventory.Sources{Trunk: commit("2", siteFleet(test.trunk...)), Releases: map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: commit("1", siteFleet(test.release...))}}})
		got, pending := map[string]string{}, ""
		for host, d := range fleet.Hosts {
			got[host] = ""
			if d.Workload != nil {
				got[host] = d.Workload.Butane.Vars["site"]
			}
			pending += d.Pending
		}
		if !maps.Equal(got, test.want) || pending != test.pending {
			t.Errorf("%s: they run what is for %v, want %v; pending: %q, want %q", name, got, test.want, pending, test.pending)
		}
	}
}

// TestWhereAReleaseSaysIt: what comes from a release is at its place there.
func TestWhereAReleaseSaysIt(t *testing.T) {
	t.Parallel()
	released, trunk := siteFleet(named("machine-1", "LAB1", "ONE")), siteFleet(named("db-1<machine-1", "LAB1", "TWO"))
	for _, files := range []map[string]string{released, trunk} {
		files["defaults/all.yaml"] = apiVersion + "kind: Defaults\nmetadata: {name: all}\nspec:\n  hosts: {allHosts: true}\n  defaults: {power: On, workload: web, vars: {tier: low}}\n"
	}
	trunk["defaults/all.yaml"] = "\n\n" + trunk["defaults/all.yaml"]
	released["hosts/0.yaml"] = strings.Replace(released["hosts/0.yaml"], "  workload: web\n", "", 1)
	sources := inventory.Sources{Trunk: commit("2", trunk), Releases: map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: commit("1", released)}}}
	given := fleetOf(t, sources).Hosts["db-1"].Given
	for field, want := range map[string]string{
		"spec.power": "defaults/all.yaml:8:21", "spec.workload": "defaults/all.yaml:6:35", "spec.vars.tier": "defaults/all.yaml:6:53", "spec.vars": "hosts/0.yaml:8:3",
	} {
		if got := given[field].String(); got != want {
			t.Errorf("%s comes from %s, want %s", field, got, want)
		}
	}
}

// TestTheCacheKnowsWhoIsWho loads a rename of one host, after which another one, whose file is as it was, is nobody in the release any more.
func TestTheCacheKnowsWhoIsWho(t *testing.T) {
	t.Parallel()
	release := commit("1", siteFleet(named("machine-1", "None", "ONE")))
	sources := inventory.Sources{Trunk: commit("2", siteFleet(named("machine-1", "LAB9", "NEW"), named("db-1", "LAB1", "ONE"))), Releases: map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: release}}}
	release.Files["hosts/0.yaml"] = blob(strings.Replace(named("machine-1", "None", "ONE"), "  identity: {serial: None}\n", "", 1))
	fleet, findings, cache := load.Next(load.Cache{}, sources, nil)
	if schemas.Fatal(findings) || fleet.Hosts["machine-1"].Workload == nil {
		t.Fatalf("machine-1 is in the release by its name: %+v, findings %v", fleet.Hosts["machine-1"], findings)
	}
	sources.Trunk = commit("3", siteFleet(named("machine-1", "LAB9", "NEW"), named("db-1<machine-1", "LAB1", "ONE")))
	fleet, findings, _ = load.Next(cache, sources, nil)
	if schemas.Fatal(findings) || fleet.Hosts["machine-1"].Workload != nil || fleet.Hosts["db-1"].Workload == nil {
		t.Errorf("machine-1 of the release is db-1: %+v, findings %v", fleet.Hosts, findings)
	}
}
