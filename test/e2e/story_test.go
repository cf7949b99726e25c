//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// workload is the file of the fleet whose kernel argument the story changes.
const workload = "workloads/hello.yaml"

// TestStory: a commit becomes a running system; a change that would erase it is held until its consent; the used consent erases nothing again; no
// secret is to be found anywhere.
func TestStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	processes := sampleProcesses(t)
	w.serve()

	first := w.head()
	w.checkMediumCarriesItsToken()
	w.awaitActive(first)
	w.checkInstalled(installed{commit: first, argument: "ingot.demo=first", starts: 1})

	consent := w.checkHeld("ingot.demo=first", "ingot.demo=second", change.NeedsConsent)

	from := len(w.console(0))
	w.ingot("consent", host)
	if file := w.read("fleet", "hosts", host+".yaml"); !strings.Contains(file, consent) {
		t.Fatalf("ingot consent did not write %q:\n%s", consent, file)
	}
	second := w.push(host + ": may be erased")
	w.awaitActive(second)
	w.checkInstalled(installed{commit: second, argument: "ingot.demo=second", starts: 2, from: from})

	if again := w.checkHeld("ingot.demo=second", "ingot.demo=third", change.ConsentSpent); again == consent {
		t.Errorf("the consent asked for is %q, the one that is spent", again)
	}
	w.checkNoSecrets(processes)
}

// installed is what an install must have come to.
type installed struct {
	commit   string
	argument string // of the kernel
	starts   int    // from the medium, and from the disk
	from     int    // where in the console's log the install began
}

// checkInstalled asks the machine's console, the status branch, the daemon's log and the BMC.
func (w *world) checkInstalled(want installed) {
	w.Helper()
	w.checkConsole(want)
	w.checkSerialConsole(want)
	document := w.checkStatusBranch(want)
	said := fmt.Sprintf(`msg="installed system phoned home" host=%s install=%s commit=%s`, host, document.Installed.ID, want.commit)
	if !strings.Contains(w.read("daemon.log"), said) {
		w.Errorf("the daemon did not log %q", said)
	}
	state := w.state()
	if state.RamdiskStarts != want.starts || state.DiskStarts != want.starts || state.Power != "On" {
		w.Errorf("%d starts of the ramdisk, %d of the disk, power %s; want %d, %[4]d, On:\n%s",
			state.RamdiskStarts, state.DiskStarts, state.Power, want.starts, strings.Join(state.Story, "\n"))
	}
}

// kernelArgument is the argument with what follows it: a line may come in parts.
var kernelArgument = regexp.MustCompile(`(ingot\.demo=\w+)\s`)

// checkConsole: the unit from the Butane config shows the file with its mode, the hostname, and the kernel's command line.
func (w *world) checkConsole(want installed) {
	w.Helper()
	w.awaitConsole(want.from, "demo: "+host+": hello from "+host+" mode 640")
	w.poll("the kernel's command line on the console", func() bool { return kernelArgument.MatchString(w.console(want.from)) })
	for _, got := range kernelArgument.FindAllStringSubmatch(w.console(want.from), -1) {
		if got[1] != want.argument {
			w.Errorf("the kernel was started with %s, want %s", got[1], want.argument)
		}
	}
}

// checkSerialConsole: the page shows what only the installed system says on its serial port, and what was said before: the daemon reads it at the BMC.
func (w *world) checkSerialConsole(want installed) {
	w.Helper()
	var told daemon.HostHistory
	w.poll("the installed system's words on the page", func() bool {
		code, body := w.get(w.page + "/v1/hosts/" + host + "/story")
		told = daemon.HostHistory{} // of a document without a member the old one stays
		if err := json.Unmarshal(body, &told); code != http.StatusOK || err != nil {
			w.Fatalf("the story is answered with %d %s: %v", code, body, err)
		}
		text := strings.Join(told.Serial.Lines, "\n")
		at := strings.LastIndex(text, "demo: "+host+": hello from "+host+" mode 640")
		return at >= 0 && strings.Contains(text[at:], want.argument)
	})
	if told.Serial.State != consoles.Reads {
		w.Errorf("the serial console is shown, and it %s: %s", told.Serial.State, told.Serial.Text)
	}
	_, whole := w.get(w.page + "/v1/hosts/" + host + "/console")
	for _, said := range []string{"ingot: read from here on", "Welcome to GRUB!", "enrol: done", "login:", "demo: " + host} {
		if !bytes.Contains(whole, []byte(said)) {
			w.Errorf("what is kept of the serial console does not have %q", said)
		}
	}
	if bytes.ContainsAny(whole, "\x1b\r\x00") {
		w.Error("what is kept of the serial console has control characters")
	}
}

// checkStatusBranch reads the host's document as everybody reads it: from a clone.
func (w *world) checkStatusBranch(want installed) status.Document {
	w.Helper()
	document := w.published()
	if document.Phase != plan.Active || document.Commit != want.commit {
		w.Errorf("the status branch says %s at %s, want %s at %s", document.Phase, document.Commit, plan.Active, want.commit)
	}
	if document.Installed == nil || document.Hardware == nil || document.LastOperation == nil {
		w.Fatalf("the status branch lacks installed, hardware or lastOperation: %+v", document)
	}
	if got, serial := document.Installed, w.rack.Machines[0].DiskSerial; got.Commit != want.commit || got.Disk.Serial != serial || got.PhoneHome.IsZero() {
		w.Errorf("installed from %s on disk %q, phoned home %s; want %s, %q, a time", got.Commit, got.Disk.Serial, got.PhoneHome, want.commit, serial)
	}
	if firmware := document.Hardware.Firmware; !firmware.SecureBoot || !firmware.UEFI {
		w.Errorf("the machine was started with UEFI %t, Secure Boot %t; want both", firmware.UEFI, firmware.SecureBoot)
	}
	if last := document.LastOperation; last.Outcome != inventory.Succeeded || last.Attempt != 1 || last.ID != document.Installed.ID {
		w.Errorf("the last operation is %+v, want the first attempt of install %s, %s", last, document.Installed.ID, inventory.Succeeded)
	}
	return document
}

// published is the host's document on the status branch.
func (w *world) published() status.Document {
	w.Helper()
	w.git("fetch", "--quiet", "origin")
	document, err := status.Parse([]byte(w.git("show", "origin/ingot/status:"+status.Path(host))))
	if err != nil {
		w.Fatal(err)
	}
	return document
}

// checkPlan: the clone alone shows, in every form, that a commit would erase the disk and which consent would allow it.
func (w *world) checkPlan(commit, consent string) {
	w.Helper()
	w.git("fetch", "--quiet", "origin")
	for _, form := range []string{"text", "json", "markdown"} {
		command := exec.CommandContext(w.Context(), parts.ingot, "plan", "--base", commit+"~1", "--head", commit, "-o", form)
		command.Dir = w.path("fleet")
		out, err := command.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 {
			w.Errorf("ingot plan -o %s: %v, want exit code 3: would erase without consent", form, err)
		}
		for _, want := range []string{host, w.rack.Machines[0].DiskSerial, consent} {
			if !strings.Contains(string(out), want) {
				w.Errorf("ingot plan -o %s does not say %q:\n%s", form, want, out)
			}
		}
	}
}

// checkHeld commits another kernel argument, waits until that is held, and gives the consent it asks for. Commits that change a label of the host
// make the daemon look again: neither those looks nor the first do anything to the machine.
func (w *world) checkHeld(old, argument string, reason change.Reason) (consent string) {
	w.Helper()
	before, system := w.state(), w.published().Installed
	commit := w.change(workload, old, argument)
	view := w.await(fmt.Sprintf("Held at commit %.10s", commit), func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Commit == commit && h.Hold != nil
	})
	if view.Hold.Reason != reason || len(view.Hold.Consent) != 1 {
		w.Fatalf("held for %s with consent %q, want %s and a consent", view.Hold.Reason, view.Hold.Consent, reason)
	}
	w.checkPlan(commit, view.Hold.Consent[0])
	last := view
	for range 2 {
		w.change("hosts/"+host+".yaml", "rack: lab", "rack: lab, again: yes-it-is")
		last = w.await("another look", func(h daemon.HostView) bool { return h.Looked.After(last.Looked) })
		w.change("hosts/"+host+".yaml", ", again: yes-it-is", "")
		last = w.await("another look", func(h daemon.HostView) bool {
			return h.Looked.After(last.Looked) && h.Metadata.Labels["again"] == ""
		})
		if diff := cmp.Diff(view.Document, last.Document); diff != "" {
			w.Errorf("another look at a machine that is held says (-first +another):\n%s", diff)
		}
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		w.Errorf("something was done to a machine that is held (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(system, w.published().Installed); diff != "" {
		w.Errorf("the installed system of a machine that is held changed (-before +after):\n%s", diff)
	}
	return view.Hold.Consent[0]
}
