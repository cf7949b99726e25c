//go:build e2e

// Package discovery_test is the story of an unknown machine on real parts: firmware that enforces Secure Boot, Debian's stock
// kernel, the kernel's own IPMI interface, and a Gitea.
package discovery_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
	"github.com/gitmetal/ingot/internal/lab/gitea"
	"github.com/gitmetal/ingot/internal/lab/leaks"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// TestFromThePalletToASystem: a person starts an unknown machine from a discovery medium. It registers, makes an account of
// its own BMC in-band, and becomes a pull request with credentials that work. A person merges the request, and the machine is
// installed by the agent that waits in it, without another start of a ramdisk. By the BMC's own log nobody gave the machine a
// power or boot command between the person's and the install's end.
func TestFromThePalletToASystem(t *testing.T) {
	w := newWorld(t)
	medium := w.makeMedium()
	w.startByHand(medium)
	byHand := len(w.bmc.Log().Story())

	record := w.awaitRecord("a proved record with a pull request", func(r discovery.Record) bool {
		return r.Account.Holds() && r.ProvenBy(r.Account.System) == discovery.ByAccount && r.Proposal != nil && r.Proposal.Pull > 0 &&
			r.Proposal.Secret != ""
	})
	host := string(record.ID.Machine())
	text := w.awaitBranch(record, "Proof: the agent made a BMC account in-band")
	for _, want := range []string{"name: " + name, "id: " + host, "serial: " + serial, record.Account.System, "credentials: bmc-" + host, record.Fingerprint} {
		if !strings.Contains(text, want) {
			t.Errorf("the proposal does not say %q:\n%s", want, text)
		}
	}
	password := w.checkRequest(record)
	w.say("the request is #%d, and its credentials work", record.Proposal.Pull)
	untilMerge := w.bmc.Log().Story()[byHand:]
	for _, line := range untilMerge {
		if !strings.HasPrefix(line, string(oplog.InBand)) {
			t.Errorf("before the merge the BMC was told: %s", line)
		}
	}
	if len(untilMerge) == 0 {
		t.Error("the BMC's log does not show the account")
	}

	w.merge(record.Proposal.Pull)
	w.say("merged")
	w.awaitHost("the machine runs its workload", func(h daemon.HostView) bool {
		return string(h.Metadata.Host()) == host && h.Phase == plan.Active && h.Installed != nil
	})
	w.checkStarts(byHand + len(untilMerge))
	w.checkSays(password)
}

// checkRequest asks the Gitea for the pull request, opens the Secret on the request's branch as the daemon does, and logs in
// with the account at the BMC. It gives the password.
func (w *world) checkRequest(record discovery.Record) (password string) {
	w.Helper()
	path := fmt.Sprintf("/repos/%s/pulls/%d", repository, record.Proposal.Pull)
	var pull struct{ Title, State string }
	w.call(gitea.Call{Method: http.MethodGet, Path: path}, &pull)
	if pull.Title != "Discovered: "+name || pull.State != "open" {
		w.Errorf("Gitea shows the request %+v", pull)
	}
	var files []struct{ Filename string }
	w.call(gitea.Call{Method: http.MethodGet, Path: path + "/files"}, &files)
	var names []string
	for _, file := range files {
		names = append(names, file.Filename)
	}
	sealed := "secrets/bmc-" + string(record.ID.Machine()) + ".yaml"
	if slices.Sort(names); !slices.Equal(names, []string{"hosts/discovered/" + name + ".yaml", sealed}) {
		w.Errorf("the request changes %q", names)
	}
	account := w.openSecret(w.git("show", "FETCH_HEAD:"+sealed))
	if !w.bmc.Login(account["username"].Reveal(), account["password"]) || account["username"].Reveal() != record.Account.Name {
		w.Errorf("the credentials of the request do not work at the BMC; the user is %s", account["username"].Reveal())
	}
	return account["password"].Reveal()
}

// checkStarts: after the merge the machine went off once, by its agent, and came on from its disk.
func (w *world) checkStarts(merged int) {
	w.Helper()
	var got []string
	for _, line := range w.bmc.Log().Story()[merged:] {
		kind, _, _ := strings.Cut(line, " ")
		if kind == string(oplog.Eject) {
			line = kind
		}
		got = append(got, line)
	}
	counts := w.bmc.Log().Counts()
	if want := []string{"exit powered-off", "eject", "power-on", "start disk"}; !slices.Equal(got, want) || counts.CDStarts != 1 {
		w.Errorf("after the merge the BMC's log is %q, want %q; %d starts from a medium", got, want, counts.CDStarts)
	}
}

// checkSays: the installed system shows what the merged file says, and the password stands nowhere in any encoding: not in
// logs, journal, records, media, Gitea, the history of all branches, nor in what processes were started with.
func (w *world) checkSays(password string) {
	w.Helper()
	w.awaitConsole("demo: " + name + ": " + greeting)
	places, err := leaks.ReadProcesses()
	w.must("read processes", err)
	for _, dir := range []string{"state", "media", "gitea", "fleet"} {
		files, err := leaks.ReadFiles(w.path(dir))
		w.must("read "+dir, err)
		if len(files) == 0 {
			w.Errorf("%s is empty: nothing was looked at", dir)
		}
		maps.Copy(places, files)
	}
	for _, file := range []string{"daemon.log", "machine/console.log", "machine/qemu.log"} {
		places[file] = []byte(w.read(file))
	}
	w.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
	places["the history"] = []byte(w.git("log", "--patch", "--all"))
	for place, mark := range map[string]string{"daemon.log": "takes the host's boot", "machine/console.log": "is a host now", "the history": "kind: Secret"} {
		if !strings.Contains(string(places[place]), mark) {
			w.Errorf("%s does not hold %q: it was not looked at", place, mark)
		}
	}
	for place, data := range places {
		if how := leaks.Find(data, password); how != "" {
			w.Errorf("%s has the password, %s", place, how)
		}
	}
	w.say("%d places were searched for the password", len(places))
}
