//go:build e2e

package discovery_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/cmd/ingot/discovered"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/lab/gitea"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/lab/qemu"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/secrets"
)

// patience bounds every single wait; on an idle machine none takes more than 2 minutes.
const patience = 20 * time.Minute

const (
	repository = gitea.User + "/fleet"
	name       = "box-1"
	greeting   = "hello from the pallet"
	serial     = "BOX0001"
)

// address is the BMC's, of the range for tests of networks (RFC 2544), and of this process alone. The agent reports no
// address of the loopback.
var address = netip.AddrFrom4([4]byte{198, 19, byte(os.Getpid() >> 8), byte(os.Getpid())}).String()

// fleet is what a person wrote beside the workload: who may register, and what becomes of a machine.
var fleet = map[string]string{
	"rules/lab.yaml": `apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: lab}
spec:
  when: 'facts.system.manufacturer == "ingot lab"'
  labels: {rack: lab}
  set:
    metadata.name: '"` + name + `"'
    spec.workload: '"hello"'
    spec.rootDisk.serial: 'facts.disks[0].serial'
    spec.boot.secureBoot: 'facts.firmware.secureBoot'
    spec.vars.greeting: '"` + greeting + `"'
  credentials: {create: true}
`,
	"ingot.yaml": `apiVersion: ingot.dev/v1alpha1
kind: Fleet
metadata: {name: lab}
spec:
  discovery:
    keys: [{id: pallet, until: ` + time.Now().UTC().AddDate(0, 0, 3).Format(time.DateOnly) + `}]
`,
}

// world is a machine with its BMC, a Gitea with a fleet that knows no machine, and a daemon.
type world struct {
	testing.TB
	dir     string
	began   time.Time
	bmc     *bmc.BMC
	machine *qemu.Machine
	gitea   *gitea.Server
	token   secret.Value
	client  *daemon.Client
}

// newWorld builds the parts, and starts them. No machine is on.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{TB: t, dir: t.TempDir(), began: time.Now()}
	image := w.buildParts()
	w.began = time.Now() // what comes is the story
	w.startBMC()
	w.startGitea()
	w.writeFleet(image)
	w.serve()
	return w
}

func (w *world) path(elements ...string) string {
	return filepath.Join(append([]string{w.dir}, elements...)...)
}

// say logs a milestone with the time it took to get there.
func (w *world) say(format string, args ...any) {
	w.Helper()
	w.Logf("%4.0fs "+format, append([]any{time.Since(w.began).Seconds()}, args...)...)
}

// must ends the test with an error.
func (w *world) must(what string, err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%s: %v", what, err)
	}
}

// run runs a program, and gives what it prints.
func (w *world) run(dir, program string, args ...string) string {
	w.Helper()
	command := exec.CommandContext(w.Context(), program, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var words bytes.Buffer
	command.Stderr = &words
	out, err := command.Output()
	if err != nil {
		w.Fatalf("%s %s: %v: %s", filepath.Base(program), strings.Join(args, " "), err, words.String())
	}
	return strings.TrimSpace(string(out))
}

// git runs git in the clone of the fleet.
func (w *world) git(args ...string) string {
	w.Helper()
	return w.run(w.path("fleet"), "git", append([]string{"-c", "user.name=E2E", "-c", "user.email=e2e@example.com", "-c", "commit.gpgsign=false"}, args...)...)
}

func (w *world) read(file string) string {
	w.Helper()
	data, err := os.ReadFile(w.path(file))
	w.must("read", err)
	return string(data)
}

func (w *world) write(file, text string) {
	w.Helper()
	w.must("write", errors.Join(os.MkdirAll(filepath.Dir(w.path(file)), 0o755), os.WriteFile(w.path(file), []byte(text), 0o600)))
}

// buildParts makes the ramdisk, with the stock kernel and without the firmware of network cards that QEMU does not have, and
// serves the image of the operating system.
func (w *world) buildParts() lab.Image {
	w.Helper()
	top, err := filepath.Abs("../..")
	w.must("find the checkout", err)
	w.run(top, "go", "build", "-trimpath", "-o", w.path("ingot-agent"), "./cmd/ingot-agent")
	cache, err := os.UserCacheDir()
	w.must("find the cache", err)
	w.must("build the ramdisk", media.Build(w.Context(), media.BuildOptions{Kernel: media.KernelStock, Firmware: []string{},
		Agent: w.path("ingot-agent"), Installer: w.run(top, "scripts/coreos-installer.sh"), Output: w.path("ramdisk.iso"),
		Cache: filepath.Join(cache, "ingot"), Log: w.Output()}))
	images := w.run(top, "scripts/osimage.sh")
	file, err := os.Open(filepath.Join(images, "ingot-os.raw.zst"))
	w.must("open the image", err)
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	w.must("read the image", err)
	server := httptest.NewServer(http.FileServer(http.Dir(images)))
	w.Cleanup(server.Close)
	return lab.Image{URL: server.URL + "/ingot-os.raw.zst", SHA256: hex.EncodeToString(sum.Sum(nil))}
}

// startBMC gives the machine a BMC with an address of its own, which the machine itself reaches through an IPMI interface.
func (w *world) startBMC() {
	w.Helper()
	w.run(w.dir, "ip", "address", "replace", address+"/32", "dev", "lo")
	w.Cleanup(func() {
		_ = exec.CommandContext(context.WithoutCancel(w.Context()), "ip", "address", "delete", address+"/32", "dev", "lo").Run()
	})
	identity := bmc.Identity{Manufacturer: "ingot lab", Model: "q35", Serial: serial, UUID: "6d3b0d7e-0000-4000-8000-000000000011", BIOSVersion: "1",
		Processors: 1, Cores: 1, MemoryMiB: 2560, SecureBoot: true, NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:11"}},
		Disks: []bmc.Disk{{Name: "1", Serial: "DISK0011", Model: "virtual", Bytes: 2 << 30}}}
	socket := w.path("bmc.sock")
	var err error
	w.machine, err = qemu.New(qemu.Config{Dir: w.path("machine"), Identity: identity, BMC: "path=" + socket})
	w.must("make the machine", err)
	w.bmc, err = bmc.New(bmc.Config{Identity: identity, Username: "admin", Password: secret.New("factory"), InBand: inband.Config{
		Channels: []inband.Channel{{Number: 1, Medium: 4, Redfish: true, MAC: [6]byte{4, 0x32, 1, 0xaa, 0xbb, 0xc1}, IPv4: netip.MustParseAddr(address)}}}},
		w.machine)
	w.must("make the BMC", err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	var listen net.ListenConfig
	inside, err := listen.Listen(ctx, "unix", socket)
	w.must("listen for the machine", err)
	outside, err := listen.Listen(ctx, "tcp", address+":443")
	w.must("listen at the BMC's address", err)
	served := make(chan error, 2)
	go func() { served <- w.bmc.InBand().Serve(ctx, inside) }()
	go func() { served <- w.bmc.Serve(ctx, outside) }()
	w.Cleanup(func() {
		closing, done := context.WithTimeout(ctx, time.Minute)
		err := w.bmc.Close(closing)
		done()
		cancel()
		if err = errors.Join(err, <-served, <-served); err != nil {
			w.Errorf("the BMC: %v", err)
		}
		w.showLogs()
	})
}

// startGitea starts a Gitea with an empty repository.
func (w *world) startGitea() {
	w.Helper()
	built := w.run("../..", "scripts/gitea.sh")
	w.must("make a directory", os.Mkdir(w.path("gitea"), 0o700))
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	server, err := gitea.Start(ctx, built, w.path("gitea"))
	w.Cleanup(func() {
		if cancel(); w.Failed() && server != nil {
			w.Logf("gitea: %s", server.Words())
		}
	})
	w.must("start Gitea", err)
	w.gitea = server
	w.token, err = server.Token(w.Context(), "owner", "write:repository,write:user,write:issue")
	w.must("make a token", err)
	w.call(gitea.Call{Method: http.MethodPost, Path: "/user/repos", Body: `{"name":"fleet","default_branch":"main"}`}, &struct{}{})
}

// call calls the Gitea's API.
func (w *world) call(c gitea.Call, into any) {
	w.Helper()
	w.must(c.Path, w.gitea.Call(w.Context(), w.token, c, into))
}

// writeFleet pushes a fleet without hosts, and writes the daemon's configuration.
func (w *world) writeFleet(image lab.Image) {
	w.Helper()
	w.must("write the fleet", lab.WriteFleet(w.Context(), w.dir, lab.Description{Backend: lab.QEMU, Image: image}, nil))
	for file, text := range fleet {
		w.write("fleet/"+file, text)
	}
	w.git("add", "--all")
	w.git("commit", "--quiet", "-m", "a pallet comes")
	w.git("remote", "set-url", "origin", strings.Replace(w.gitea.URL, "://", "://"+gitea.User+":"+w.token.Reveal()+"@", 1)+"/"+repository+".git")
	w.git("push", "--quiet", "origin", "HEAD:main")
	key, err := age.GenerateX25519Identity()
	w.must("make an age key", err)
	w.write("age.key", key.String()+"\n")
	w.write("token", w.token.Reveal()+"\n")
	var port [2]string
	for i := range port {
		port[i], err = ports.Free(w.Context())
		w.must("find a port", err)
	}
	w.write("ingot.yaml", fmt.Sprintf(`fleet: {url: %[1]s/%[2]s.git, branch: main, poll: 5s, username: %[3]s, passwordFile: token}
forge: {kind: Gitea, url: %[1]s, repository: %[2]s, tokenFile: token}
stateDir: state
identityDir: identity
ageKeys: age.key
ramdisk: ramdisk.iso
listen: {agents: 127.0.0.1:%[4]s, media: 127.0.0.1:%[5]s}
advertise: {agents: ["https://10.0.2.2:%[4]s"], media: http://127.0.0.1:%[5]s}
images: {allowHosts: ["127.0.0.1"]}
discovery: {credentials: true, recipients: [%[6]s]}
publishEvery: 2s
bmc: {confirmOff: 1s}
`, w.gitea.URL, repository, gitea.User, port[0], port[1], key.Recipient()))
}

// serve runs the daemon to the end of the test.
func (w *world) serve() {
	w.Helper()
	settings, err := config.LoadFile(w.path("ingot.yaml"))
	w.must("read the configuration", err)
	log, err := os.Create(w.path("daemon.log"))
	w.must("make the log", err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	d, err := daemon.Open(ctx, settings, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		cancel()
		w.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, log.Close()); err != nil {
			w.Errorf("the daemon: %v", err)
		}
	})
	w.client = daemon.Connect(settings.Listen.Socket)
}

// makeMedium has the daemon make a discovery medium, once it has the fleet, and serves the medium. It gives the medium's URL.
func (w *world) makeMedium() string {
	w.Helper()
	w.must("make a directory", os.Mkdir(w.path("media"), 0o700))
	w.poll("a discovery medium", func() bool {
		command := discovered.NewDiscovery(io.Discard, io.Discard)
		command.SetArgs([]string{"iso", "--config", w.path("ingot.yaml"), "--key", "pallet", "-o", w.path("media", "discovery.iso")})
		command.SilenceErrors, command.SilenceUsage = true, true
		return command.ExecuteContext(w.Context()) == nil
	})
	server := httptest.NewServer(http.FileServer(http.Dir(w.path("media"))))
	w.Cleanup(server.Close)
	return server.URL + "/discovery.iso"
}

// startByHand has a person attach the medium and switch the machine on.
func (w *world) startByHand(medium string) {
	w.Helper()
	for _, call := range []struct{ method, path, body string }{
		{http.MethodPost, "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", `{"Image":"` + medium + `"}`},
		{http.MethodPatch, "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once"}}`},
	} {
		request := httptest.NewRequestWithContext(w.Context(), call.method, call.path, strings.NewReader(call.body))
		request.SetBasicAuth("admin", "factory")
		recorder := httptest.NewRecorder()
		if w.bmc.Handler().ServeHTTP(recorder, request); recorder.Code >= 300 {
			w.Fatalf("%s %s: %d %s", call.method, call.path, recorder.Code, recorder.Body)
		}
	}
	w.must("power on", w.bmc.PowerOn(w.Context()))
	w.say("the machine is switched on by hand")
}

// poll looks at what sends no events until it is as wanted.
func (w *world) poll(what string, holds func() bool) {
	w.Helper()
	deadline, tick := time.After(patience), time.NewTicker(300*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			w.Fatalf("waited in vain for %s", what)
		}
	}
	w.say("%s", what)
}

// awaitRecord waits for a record that is as wanted.
func (w *world) awaitRecord(what string, wanted func(discovery.Record) bool) (found discovery.Record) {
	w.Helper()
	said := ""
	w.poll(what, func() bool {
		list, err := w.client.ListDiscovered(w.Context())
		for _, found = range list.Records {
			stage := "waits"
			if found.Account != nil {
				stage = fmt.Sprintf("account %s %s %s", found.Account.Stage, found.Account.Problem, found.Account.Error)
			}
			if stage != said {
				w.say("record %s: %s; conflicts %v, trouble %v", found.ID, stage, found.Conflicts, found.Proposal)
				said = stage
			}
			if err == nil && wanted(found) {
				return true
			}
		}
		return false
	})
	return found
}

// awaitBranch fetches the proposal until its Host file says something, and gives the file.
func (w *world) awaitBranch(record discovery.Record, says string) (text string) {
	w.Helper()
	w.poll("the proposal that says: "+says, func() bool {
		w.git("fetch", "--quiet", "origin", "ingot/proposals/"+string(record.ID))
		text = w.git("show", "FETCH_HEAD:"+record.Proposal.Path)
		return strings.Contains(text, says)
	})
	return text
}

// openSecret opens a Secret with the daemon's key.
func (w *world) openSecret(document string) map[string]secret.Value {
	w.Helper()
	keys, err := secrets.LoadKeys(w.path("age.key"), nil)
	w.must("read the key", err)
	data, err := secrets.OpenSecret([]byte(document), keys)
	w.must("open the Secret", err)
	return data
}

// merge has a person merge a pull request. Gitea looks for conflicts first, and refuses until it has.
func (w *world) merge(pull int) {
	w.Helper()
	var last error
	w.poll("the merge", func() bool {
		last = w.gitea.Call(w.Context(), w.token, gitea.Call{Method: http.MethodPost,
			Path: fmt.Sprintf("/repos/%s/pulls/%d/merge", repository, pull), Body: `{"Do":"merge"}`}, &struct{}{})
		return last == nil
	})
}

// awaitHost follows the daemon's events until a host is as wanted.
func (w *world) awaitHost(what string, wanted func(daemon.HostView) bool) {
	w.Helper()
	last, said := "nothing was heard", ""
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	err := w.client.FollowEvents(ctx, func(e daemon.Event) bool {
		if e.Host == nil {
			return false
		}
		last = fmt.Sprintf("%s, waits for %q, hold %+v, error %q", e.Host.Phase, e.Host.Waits, e.Host.Hold, e.Host.Error)
		if last != said {
			w.say("%s", last)
			said = last
		}
		return wanted(*e.Host)
	})
	if err != nil {
		w.Fatalf("waited in vain until %s: %v; last: %s", what, err, last)
	}
	w.say("%s", what)
}

// awaitConsole waits until the machine's console shows a text, and gives the console.
func (w *world) awaitConsole(text string) (console string) {
	w.Helper()
	w.poll("the console to say "+text, func() bool {
		console = w.read("machine/console.log")
		return strings.Contains(console, text)
	})
	return console
}

// showLogs shows the ends of all logs when the test failed.
func (w *world) showLogs() {
	if !w.Failed() {
		return
	}
	w.Logf("the BMC's log: %q", w.bmc.Log().Story())
	for log, lines := range map[string]int{"daemon.log": 60, "machine/qemu.log": 20, "machine/console.log": 60} {
		if text, err := os.ReadFile(w.path(log)); err == nil {
			all := strings.Split(strings.TrimSpace(string(text)), "\n")
			w.Logf("%s ends:\n%s", log, strings.Join(all[max(0, len(all)-lines):], "\n"))
		}
	}
}
