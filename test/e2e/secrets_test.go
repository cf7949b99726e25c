//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/reconcile/status"
)

// leaks gives the names of the secrets that a text holds.
func leaks(text []byte, secrets map[string]string) []string {
	var names []string
	for name, value := range secrets {
		if bytes.Contains(text, []byte(value)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// place is somewhere a secret must not be. Its mark is known to be there: a place that cannot be read, or is empty, is no clean one.
type place struct {
	name, mark string
	text       []byte
}

// checkNoSecrets looks for every secret of this fleet in every place that outlives its use, and for the media they were on.
func (w *world) checkNoSecrets(processes *processSample) {
	w.Helper()
	secrets := w.secrets()
	for _, p := range w.places(processes) {
		if len(leaks(p.text, map[string]string{"mark": p.mark})) != 1 {
			w.Errorf("%s does not hold %q: it was not looked at", p.name, p.mark)
		}
		if found := leaks(p.text, secrets); len(found) > 0 {
			w.Errorf("%s holds %s", p.name, strings.Join(found, ", "))
		}
	}
	w.checkDiskHoldsItsToken(secrets)
	media := w.mediaURLs()
	if len(media) != 2 {
		w.Errorf("the BMC was given the media %v, want 2", media)
	}
	for _, url := range media {
		if code, _ := w.get(url); code != http.StatusNotFound {
			w.Errorf("after its boot a medium is answered with %d, want %d", code, http.StatusNotFound)
		}
	}
	w.say("%d secrets looked for", len(secrets))
}

// places are all that is kept of a run, but for the two files that hold secrets because they must: the rack's own description and the keys.
func (w *world) places(processes *processSample) []place {
	w.Helper()
	w.git("fetch", "--quiet", "origin")
	bare := w.path("fleet.git")
	machine := w.rack.Machines[0]
	_, told := w.get(w.page + "/v1/hosts/" + host + "/story")
	_, shown := w.get(w.page + "/v1/hosts/" + host + "/console")
	return []place{
		{"the daemon's log", "installed system phoned home", []byte(w.read("daemon.log"))},
		{"the rack's log", machine.Address, []byte(w.read("lab.log"))},
		{"the console", "demo: " + host, []byte(w.read(host, "console.log"))},
		{"the consoles that the daemon keeps", "demo: " + host, w.tree("state", "consoles")},
		{"the story on the page", "demo: " + host, told},
		{"the console on the page", "demo: " + host, shown},
		{"the history of all branches", "phase: Held", []byte(w.run(bare, "git", "log", "--patch", "--all"))},
		{"the clone of the fleet", machine.Address, w.tree("fleet")},
		{"the journal", host, w.tree("state", "journal")},
		{"the base ISO", "CD001", []byte(w.read("ramdisk.iso"))},
		{"the command lines of processes", w.path("ingot.yaml"), processes.text()},
		{"the command lines of QEMU", "qemu-system-x86_64", processes.text()},
	}
}

// tree is all files below a directory, one after the other.
func (w *world) tree(elements ...string) []byte {
	w.Helper()
	var all []byte
	err := filepath.WalkDir(w.path(elements...), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, data...)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// secrets are the BMC's password, also as HTTP's Basic authentication sends it, the daemon's age key, and the tokens of all boots and installs that
// the status branch knows, by name.
func (w *world) secrets() map[string]string {
	w.Helper()
	keys, err := secrets.LoadKeys(w.path("age.key"), nil)
	if err != nil {
		w.Fatal(err)
	}
	account, err := secrets.OpenSecret([]byte(w.read("fleet", "secrets", "bmc-lab.yaml")), keys)
	if err != nil {
		w.Fatal(err)
	}
	user, password := account["username"].Reveal(), account["password"].Reveal()
	all := map[string]string{
		"the BMC's password":       password,
		"the BMC's password, sent": base64.StdEncoding.EncodeToString([]byte(user + ":" + password)),
		"the age key":              strings.TrimSpace(w.read("age.key")),
	}
	tokens := w.tokens()
	boots, installs := map[inventory.Epoch]bool{}, map[string]bool{}
	for _, document := range w.history() {
		if boot := document.Boot; boot != nil && boot.Target == inventory.FromRamdisk {
			boots[boot.Epoch] = true
			all[bootToken(boot.Epoch)] = tokens.BootToken(host, boot.ID, boot.Epoch).Reveal()
		}
		if operation := document.Operation; operation != nil {
			installs[operation.ID] = true
			token := tokens.PhoneHomeToken(host, operation.ID, document.Epoch, operation.Attempt).Reveal()
			call := wire.PhoneHome{Host: host, Install: operation.ID, Epoch: document.Epoch, Attempt: operation.Attempt, Token: token,
				Commit: operation.Commit}
			all[fmt.Sprintf("the phone-home token of install %s, epoch %d", operation.ID, document.Epoch)] = token
			all[inIgnition(operation.ID, document.Epoch)] = w.inIgnition(call)
		}
	}
	if len(boots) != 2 || len(installs) != 2 {
		w.Errorf("the status branch knows the ramdisk boots %v and the installs %v, want 2 and 2", boots, installs)
	}
	for name, value := range all {
		if len(value) < 16 {
			w.Errorf("%s has %d characters: too short to look for", name, len(value))
		}
	}
	return all
}

// inIgnition names the phone-home token as an Ignition config holds it.
func inIgnition(install string, epoch inventory.Epoch) string {
	return fmt.Sprintf("the phone call of install %s, epoch %d, in Ignition", install, epoch)
}

// inIgnition is the phone call's file as a data URL (RFC 2397) of an Ignition config.
func (w *world) inIgnition(call wire.PhoneHome) string {
	w.Helper()
	body, err := json.Marshal(call)
	if err != nil {
		w.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(body)
}

// checkDiskHoldsItsToken: the installed disk is where the phone-home token must be, so it is the one that is looked for elsewhere.
func (w *world) checkDiskHoldsItsToken(secrets map[string]string) {
	w.Helper()
	installed := w.published().Installed
	found := w.onDisk(secrets)
	if !slices.ContainsFunc(found, func(name string) bool { return strings.HasPrefix(name, "the phone call of install "+installed.ID) }) {
		w.Errorf("the disk with install %s holds %v, want the phone call of that install", installed.ID, found)
	}
	if slices.Contains(found, "the BMC's password") || slices.Contains(found, "the age key") {
		w.Errorf("the installed disk holds %v", found)
	}
}

// onDisk gives the names of the secrets that the machine's disk holds, anywhere on it.
func (w *world) onDisk(secrets map[string]string) []string {
	w.Helper()
	file, err := os.Open(w.diskPath())
	if err != nil {
		w.Fatal(err)
	}
	defer file.Close()
	const step, overlap = 16 << 20, 64 << 10
	found := map[string]bool{}
	for at, buffer := int64(0), make([]byte, step+overlap); ; at += step {
		n, err := file.ReadAt(buffer, at)
		for _, name := range leaks(buffer[:n], secrets) {
			found[name] = true
		}
		if errors.Is(err, io.EOF) {
			return slices.Sorted(maps.Keys(found))
		}
		if err != nil {
			w.Fatal(err)
		}
	}
}

func bootToken(epoch inventory.Epoch) string { return fmt.Sprintf("the boot token of epoch %d", epoch) }

// tokens computes the tokens as the daemon does: from its identity.
func (w *world) tokens() *hub.Hub {
	w.Helper()
	identity, err := hub.LoadIdentity(w.path("identity"))
	if err != nil {
		w.Fatal(err)
	}
	return hub.New(hub.Config{Identity: identity})
}

// history is the host's documents on the status branch, oldest first.
func (w *world) history() []status.Document {
	w.Helper()
	w.git("fetch", "--quiet", "origin")
	var documents []status.Document
	for _, commit := range strings.Fields(w.git("log", "--reverse", "--format=%H", "origin/ingot/status", "--", status.Path(host))) {
		document, err := status.Parse([]byte(w.git("show", commit+":"+status.Path(host))))
		if err != nil {
			w.Fatal(err)
		}
		documents = append(documents, document)
	}
	return documents
}

// checkMediumCarriesItsToken reads the medium of the running boot as the BMC does: the token looked for later is the one that was used.
func (w *world) checkMediumCarriesItsToken() {
	w.Helper()
	boot := w.awaitWrite(0, 0).Boot
	if boot == nil {
		w.Fatal("an install is under way without a boot")
	}
	media := w.mediaURLs()
	if len(media) != 1 {
		w.Fatalf("the BMC was given the media %v, want 1", media)
	}
	code, medium := w.get(media[0])
	if code != http.StatusOK {
		w.Fatalf("the medium of the running boot is answered with %d", code)
	}
	token := w.tokens().BootToken(host, boot.ID, boot.Epoch).Reveal()
	if got, want := leaks(medium, map[string]string{bootToken(boot.Epoch): token}), []string{bootToken(boot.Epoch)}; !cmp.Equal(got, want) {
		w.Errorf("the medium of the running boot holds %v, want %v", got, want)
	}
}

// mediaURLs are the media that the BMC was given, oldest first.
func (w *world) mediaURLs() []string {
	w.Helper()
	var urls []string
	for _, line := range w.state().Story {
		if url, ok := strings.CutPrefix(line, "insert "); ok {
			urls = append(urls, url)
		}
	}
	return urls
}

func (w *world) get(url string) (code int, body []byte) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		w.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(response.Body, 1<<30)); err != nil {
		w.Fatal(err)
	}
	return response.StatusCode, body
}

// processSample is the command lines of all processes of this machine, as anybody who is logged in sees them.
type processSample struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

// sampleProcesses looks ten times a second until the test ends.
func sampleProcesses(t *testing.T) *processSample {
	s := &processSample{seen: map[string]struct{}{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-tick.C:
				s.look()
			}
		}
	}()
	t.Cleanup(func() { <-ended })
	return s
}

func (s *processSample) look() {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && len(line) > 0 { // or it has ended
			s.seen[string(line)] = struct{}{}
		}
	}
}

// text is every command line seen, one a line, arguments told apart by spaces.
func (s *processSample) text() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []byte
	for line := range s.seen {
		all = append(all, strings.ReplaceAll(line, "\x00", " ")+"\n"...)
	}
	return all
}
