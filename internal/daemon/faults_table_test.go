package daemon_test

import (
	"testing"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

const (
	workload    = "workloads/hello.yaml"
	wrongDigest = "badc0ffee0ddf00dbadc0ffee0ddf00dbadc0ffee0ddf00dbadc0ffee0ddf00d"
)

func faultsOfImages() []fault {
	return []fault{
		{
			name: "wrong image digest", where: hostPage, phase: plan.Held, reason: change.ImageUnusable,
			found: func(t *testing.T, w *world) {
				w.edit(t, workload, w.rack.Description().Image.SHA256, wrongDigest)
				w.push(t, "another digest")
			},
			line: "the sha256 of image URL {image} is {sha256}, the fleet says {wrong}: fix spec.install.image.sha256, or find out who changed the image: nothing was booted",
		},
		{
			name: "image URL 404", where: hostPage, phase: plan.Held, reason: change.ImageUnusable,
			found: func(t *testing.T, w *world) {
				w.edit(t, workload, w.rack.Description().Image.URL, w.rack.Description().Image.URL+".gone")
				w.push(t, "another image")
			},
			line: "image URL {image}.gone: answered 404 Not Found: fix spec.install.image.url: nothing was booted",
		},
	}
}

func faultsOfDisks() []fault {
	return []fault{
		{
			name: "no matching disk", where: hostPage, phase: plan.Held, reason: change.NoDisk, looks: 1,
			found: func(t *testing.T, w *world) {
				w.change(t, `rootDisk: {serial: "DISK00001"}`, `rootDisk: {serial: "DISK99999"}`)
			},
			line: "no disk matches spec.rootDisk: vda DISK00001 (serial: want DISK99999, have DISK00001)",
		},
		{
			name: "no matching disk under a running system", where: hostPage, phase: plan.Held, reason: change.NoDisk,
			until: active,
			strikes: func(t *testing.T, w *world) {
				w.change(t, `rootDisk: {serial: "DISK00001"}`, `rootDisk: {serial: "DISK99999"}`)
			},
			line: "no disk matches spec.rootDisk: vda DISK00001 (serial: want DISK99999, have DISK00001)",
		},
		{
			name: "two matching disks", where: hostPage, phase: plan.Held, reason: change.SeveralDisks, looks: 1,
			found: func(t *testing.T, w *world) {
				w.rack.Sim("machine-1").AddDisk("SPARE")
				w.change(t, `rootDisk: {serial: "DISK00001"}`, `rootDisk: {minSize: "1 MiB"}`)
			},
			line: "2 disks match spec.rootDisk: vda DISK00001, vdb SPARE: name one by serial, wwn or path",
		},
		{
			name: "a disk with data and no consent", where: hostPage, phase: plan.Held, reason: change.NeedsConsent, looks: 1,
			found: func(t *testing.T, w *world) { w.data(t) },
			line:  "this would erase disk DISK00001 (data): it needs consent",
		},
		{
			name: "a consent for another disk", where: hostPage, phase: plan.Held, reason: change.ConsentForOther,
			until: held,
			found: func(t *testing.T, w *world) { w.data(t) },
			strikes: func(t *testing.T, w *world) {
				w.change(t, `{serial: "DISK00001"}`, `{serial: "SPARE"}`)
				consent := w.awaitConsent(t, "SPARE/")
				w.change(t, `{serial: "SPARE"}`, `{serial: "DISK00001"}`+"\n  consent: {erase: \""+consent+"\"}")
			},
			line: "this would erase disk DISK00001 (data): the consent in the fleet is for another host, disk, content or target",
		},
		{
			name: "a consent for another target", where: hostPage, phase: plan.Held, reason: change.ConsentForOther,
			until: held,
			found: func(t *testing.T, w *world) { w.data(t) },
			strikes: func(t *testing.T, w *world) {
				consent := w.awaitConsent(t, "DISK00001/")
				w.edit(t, workload, "ingot.demo=first", "ingot.demo=second")
				w.change(t, `{serial: "DISK00001"}`, `{serial: "DISK00001"}`+"\n  consent: {erase: \""+consent+"\"}")
			},
			line: "this would erase disk DISK00001 (data): the consent in the fleet is for another host, disk, content or target",
		},
	}
}

func faultsOfBMCs() []fault {
	return []fault{
		{
			name: "a machine found running", where: hostPage, phase: plan.Held, reason: change.FoundRunning,
			found: func(t *testing.T, w *world) {
				if err := w.rack.BMC("machine-1").PowerOn(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			line: "the machine runs and ingot did not start it: it is not powered off. To take it over, run `ingot consent --takeover machine-1` (spec.consent.takeover: \"LAB00001/{digest}\")",
		},
		{
			name: "wrong BMC password", where: hostPage, phase: plan.Waiting, reason: change.BMCUnauthorized,
			found: func(t *testing.T, w *world) { w.seal(t, "not the password") },
			line:  "read the system: BMC {bmc}: the credentials were refused: they are not tried again before {time}, so that the account is not locked; put the right username and password into the Secret that spec.bmc.credentials names: new ones are tried at once, three an hour",
			also: func(t *testing.T, w *world) {
				if n := w.rack.BMC("machine-1").Log().Counts().RefusedLogins; n != 1 {
					t.Errorf("%d logins were refused: repeating them locks accounts", n)
				}
			},
		},
		{
			name: "a Secret for another key", where: hostPage, phase: plan.Waiting, reason: change.SecretUnusable,
			found: func(t *testing.T, w *world) {
				stranger, err := age.GenerateX25519Identity()
				if err != nil {
					t.Fatal(err)
				}
				w.sealFor(t, "another password", stranger.Recipient())
			},
			line: "the Secret bmc-lab (secrets/bmc-lab.yaml) cannot be opened: none of the age keys opens the Secret, which is for {recipient}: rotate it for a recipient whose key is here",
			also: func(t *testing.T, w *world) {
				if n := w.rack.BMC("machine-1").Log().Counts().RefusedLogins; n != 0 {
					t.Errorf("%d logins were refused: there is nothing to log in with", n)
				}
			},
		},
		{
			name: "BMC off the network", where: hostPage, phase: plan.Waiting, reason: change.BMCUnreachable,
			found: func(_ *testing.T, w *world) { w.cut() },
			line:  "read the system: BMC {bmc}: no answer: EOF; check that the address is right, that the BMC is on the network and that its HTTPS service is enabled",
		},
		{
			name: "BMC off the network under a running system", where: hostPage, phase: plan.Active, reason: change.BMCUnreachable,
			until: active,
			strikes: func(t *testing.T, w *world) {
				w.cut()
				w.change(t, "  vars:", "  power: On\n  vars:")
			},
			line: "read the system: BMC {bmc}: no answer: EOF; check that the address is right, that the BMC is on the network and that its HTTPS service is enabled",
		},
	}
}

func faultsOfFleets() []fault {
	return []fault{
		{
			name: "malformed YAML", where: fleetPage,
			until: active,
			strikes: func(t *testing.T, w *world) {
				w.edit(t, workload, "ingot.demo=first", "ingot.demo=second")
				w.change(t, "spec:\n", "spec: [\n")
			},
			line: "hosts/machine-1.yaml:7: error: not YAML: did not find expected ',' or ']' (a bracket was not closed)",
		},
		{
			name: "a commit that deletes every file", where: fleetPage, until: active,
			strikes: func(t *testing.T, w *world) {
				w.git(t, "rm", "--quiet", "-r", ".")
				w.push(t, "nothing is left")
			},
			line: ".: error: commit {commit} holds no hosts, but 1 are known: nothing is changed (revert it; hosts that shall be left alone stay in the fleet with lifecycle: Unmanaged)",
		},
		{
			name: "a deleted host file", where: hostPage, phase: plan.Orphaned, machines: 2, until: active,
			strikes: func(t *testing.T, w *world) {
				w.git(t, "rm", "--quiet", "hosts/machine-1.yaml")
				w.push(t, "machine-1 is gone")
			},
			line: "its file is gone: orphaned: nothing is done to the machine",
		},
		{
			name: "status push refused", where: noPage,
			found: func(t *testing.T, w *world) { w.refusePushes(t) },
			also: func(t *testing.T, w *world) {
				w.takePushes(t)
				w.await(t, 1, "Active", active)
			},
			line: "push ingot/status to {dir}/fleet.git: {git}: the server says: the status branch is protected: check the rules and hooks of branch ingot/status",
		},
		{
			name: "status push refused to a consented reinstall", where: noPage, until: active,
			strikes: func(t *testing.T, w *world) {
				w.edit(t, workload, "ingot.demo=first", "ingot.demo=second")
				w.push(t, "another kernel argument")
				consent := w.awaitConsent(t, "DISK00001/")
				w.refusePushes(t)
				w.change(t, "  vars:", "  consent: {erase: \""+consent+"\"}\n  vars:")
			},
			line: "push ingot/status to {dir}/fleet.git: {git}: the server says: the status branch is protected: check the rules and hooks of branch ingot/status",
		},
	}
}

func held(h daemon.HostView) bool { return h.Phase == plan.Held && h.Pushed }
