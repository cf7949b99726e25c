//go:build e2e

package media_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
)

// probe is a drop-in of the agent's service, brought by an overlay directory: it says on the console what only the inside knows. The marks keep
// its own text in the console's log from being found as its answer.
const probe = `[Service]
ExecStartPre=/bin/sh -c 'echo "<secure-boot $(od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-*)>"'
ExecStartPre=/bin/sh -c 'echo "<boot-config $(stat -c %%a:%%U /etc/ingot/boot.json)>"'
ExecStartPre=/bin/sh -c 'echo "<etc $(stat -c %%a /etc)>"'
ExecStartPre=/bin/sh -c 'echo "<installer $(coreos-installer --version)>"'
ExecStartPre=/bin/sh -c 'echo "<default-network $(stat -Lc %%s /etc/systemd/network/99-dhcp.network 2>/dev/null || echo kept)>"'
ExecStartPre=/bin/sh -c 'echo "<disk $(cat /sys/block/vda/serial)>"'
`

// TestRamdiskBoots builds the ISO and starts it with Secure Boot enforced, read over HTTP as a BMC does, until the agent inside asks its daemon to
// let it in: by DHCP when the boot brings no network, and by the network that the boot brings.
func TestRamdiskBoots(t *testing.T) {
	iso := buildRamdisk(t)
	tests := map[string]struct {
		network        map[string][]byte
		defaultNetwork string
	}{
		"dhcp":    {nil, "kept"},
		"network": {map[string][]byte{"20-mgmt.network": []byte("[Match]\nPermanentMACAddress=52:54:00:00:00:07\n[Network]\nDHCP=ipv4\n")}, "0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			asked := make(chan wire.Enrol, 16)
			config := bootConfig(t, asked)
			files, err := media.BootFiles(config, test.network)
			if err != nil {
				t.Fatal(err)
			}
			key := media.Key{Host: config.Host, Boot: config.Boot, Epoch: config.Epoch}
			server := serve(t, iso)
			if err := server.Publish(key, files); err != nil {
				t.Fatal(err)
			}

			console, got, took := start(t, server.URL(key), asked)

			want := wire.Enrol{Version: wire.Version, Host: config.Host, Boot: config.Boot, Epoch: config.Epoch, Token: config.Token}
			got.CSR = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the agent asked (-want +got):\n%s", diff)
			}
			for name, value := range map[string]string{
				"secure-boot": " *1", "boot-config": "600:root", "etc": "755", "installer": `coreos-installer \d+\.\d+\.\d+`, "disk": "DISK0001",
				"default-network": test.defaultNetwork,
			} {
				if !regexp.MustCompile("<" + name + " " + value + ">").MatchString(console) {
					t.Errorf("the console does not say <%s %s>", name, value)
				}
			}
			reads := server.Reads(key)
			if reads.Requests == 0 || reads.Bytes < wire.OverlaySize || reads.Last.IsZero() {
				t.Errorf("reads = %+v", reads)
			}
			if t.Failed() {
				t.Logf("console:\n%s", console)
			}
			t.Logf("from the start of the machine to the agent's first word at its daemon: %s; %d reads, %d MB", took.Round(100*time.Millisecond), reads.Requests, reads.Bytes>>20)
		})
	}
}

// buildRamdisk builds the ISO with this tree's agent; the Debian tree comes from the cache when it is there.
func buildRamdisk(t *testing.T) *media.ISO {
	t.Helper()
	dir := t.TempDir()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	agent := filepath.Join(dir, "ingot-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", agent, "github.com/gitmetal/ingot/cmd/ingot-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build agent: %v: %s", err, out)
	}
	installer, err := exec.CommandContext(t.Context(), "../../scripts/coreos-installer.sh").Output()
	if err != nil {
		t.Fatalf("coreos-installer: %v", err)
	}
	overlay := filepath.Join(dir, "overlay")
	drop := filepath.Join(overlay, "etc/systemd/system/ingot-agent.service.d")
	if err := os.MkdirAll(drop, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(drop, "probe.conf"), []byte(probe), 0o644); err != nil {
		t.Fatal(err)
	}
	o := media.BuildOptions{Kernel: media.KernelCloud, Overlay: overlay, Agent: agent, Installer: strings.TrimSpace(string(installer)),
		Output: filepath.Join(dir, "ramdisk.iso"), Cache: filepath.Join(cache, "ingot"), Log: t.Output()}
	for _, which := range []string{"first", "again"} {
		began := time.Now()
		if err := media.Build(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(o.Output)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("built %s in %s: %d bytes", which, time.Since(began).Round(100*time.Millisecond), info.Size())
	}
	iso, err := media.OpenISO(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := iso.Close(); err != nil {
			t.Error(err)
		}
	})
	return iso
}

// serve starts a media server on loopback.
func serve(t *testing.T, iso *media.ISO) *media.Server {
	t.Helper()
	var server *media.Server
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
	t.Cleanup(listening.Close)
	server = media.NewServer(iso, listening.URL, []byte("a key of the test"), time.Now)
	return server
}

// bootConfig points at a daemon that hears who asks to be let in, and lets nobody in.
func bootConfig(t *testing.T, asked chan<- wire.Enrol) wire.BootConfig {
	t.Helper()
	daemon := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message wire.Enrol
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxBody)).Decode(&message); err == nil && r.URL.Path == wire.PathEnrol {
			select {
			case asked <- message:
			default:
			}
		}
		http.Error(w, "not yet", http.StatusServiceUnavailable)
	}))
	daemon.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	daemon.StartTLS()
	t.Cleanup(daemon.Close)
	at, err := url.Parse(daemon.URL)
	if err != nil {
		t.Fatal(err)
	}
	return wire.BootConfig{
		Version: wire.Version, Host: "web-07", Boot: "b00t", Epoch: 7, Token: strings.Repeat("t", 43),
		URLs: []string{"https://10.0.2.2:" + at.Port()}, Pins: []string{pin(daemon.Certificate())}, Time: time.Now().UTC(),
	}
}

func pin(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// start runs a machine from the medium until its agent asks to be let in, and gives the console's log, the question and the time it took.
func start(t *testing.T, medium string, asked <-chan wire.Enrol) (console string, question wire.Enrol, took time.Duration) {
	t.Helper()
	machine, err := qemu.New(qemu.Config{Dir: filepath.Join(t.TempDir(), "machine"), Identity: bmc.Identity{
		Manufacturer: "ingot, lab", Model: "q35", Serial: "LAB0007", UUID: "6d3b0d7e-0000-4000-8000-000000000007",
		NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:07"}}, Disks: []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 1 << 30}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	began := time.Now()
	exits, err := machine.Start(ctx, bmc.Boot{From: bmc.FromCD, MediaURL: medium})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case question = <-asked:
		took = time.Since(began)
	case exit := <-exits:
		t.Fatalf("the machine ended: %+v\n%s", exit, read(t, machine.ConsolePath()))
	case <-ctx.Done():
		t.Errorf("the agent did not ask within 3 minutes")
	}
	if err := machine.Unplug(); err != nil {
		t.Fatal(err)
	}
	<-exits
	console = read(t, machine.ConsolePath())
	if t.Failed() {
		t.Fatalf("console:\n%s", console)
	}
	return console, question, took
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
