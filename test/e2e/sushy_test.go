//go:build e2e

package e2e_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/internal/lab/bmc/selfsigned"
	"github.com/gitmetal/ingot/internal/lab/ports"
)

// sushyMachine is a machine of libvirt behind sushy-tools, for the templates of testdata/sushy.
type sushyMachine struct {
	lab.Machine
	Dir, UUID, Port string
}

// TestSushyTools: a machine behind a Redfish service that ingot's authors did not write goes from a commit to the phone call, with Secure Boot on
// from the ramdisk to the installed system. sushy-tools switches Secure Boot off when a client sends BootSourceOverrideMode.
func TestSushyTools(t *testing.T) {
	t.Parallel()
	w := newSushyWorld(t)
	m := w.rack.Machines[0]
	w.write("password", m.Password)
	if said := w.ingot("bmc", "check", m.Address, "--fingerprint", m.Fingerprint, "--username", m.Username, "--password-file", w.path("password")); !strings.Contains(said, "Nothing is missing that ingot needs") {
		t.Errorf("ingot bmc check says:\n%s", said)
	}
	w.serve()

	first := w.head()
	w.awaitActive(first)
	w.checkConsole(installed{commit: first, argument: "ingot.demo=first"})
	w.checkStatusBranch(installed{commit: first})
	if system := w.console(strings.LastIndex(w.console(0), "Welcome to GRUB!")); !strings.Contains(system, "Secure boot enabled") {
		t.Error("the installed system's kernel does not say that Secure Boot is enabled")
	}
	if state := w.askSushy("/SecureBoot"); !strings.Contains(state, `"SecureBootCurrentBoot": "Enabled"`) {
		t.Errorf("the BMC does not say that Secure Boot is enabled: %s", state)
	}
	if drive := w.askSushy("/VirtualMedia/Cd"); !strings.Contains(drive, `"Inserted": false`) {
		t.Errorf("the BMC does not say that the drive is empty: %s", drive)
	}
}

// newSushyWorld starts libvirt and sushy-tools, and writes the fleet of their one machine.
func newSushyWorld(t testing.TB) *world {
	t.Helper()
	takePlaces(t, 1)
	w := &world{TB: t, dir: t.TempDir(), began: time.Now()}
	t.Cleanup(w.showLogs)
	if err := os.Symlink(parts.ramdisk, w.path("ramdisk.iso")); err != nil {
		t.Fatal(err)
	}
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const uuid = "6d3b0d7e-77aa-4000-8000-000000000077"
	m := sushyMachine{Dir: w.dir, UUID: uuid, Port: port, Machine: lab.Machine{
		Name: host, Address: "https://127.0.0.1:" + port + "/redfish/v1/Systems/" + uuid, Username: "admin", Password: "sushy-1234",
		Serial: "SUSHY0077", MAC: "52:54:00:77:00:01", DiskSerial: "SUSHYDISK0077", Console: w.path(host, "console.log"),
	}}
	m.Fingerprint = w.writeCertificate()
	w.prepareSushy(m)
	w.rack = lab.Description{Backend: lab.QEMU, Machines: []lab.Machine{m.Machine}, Image: serveImage(t)}
	w.write("rack.json", asJSON(t, w.rack))
	w.ingot("lab", "fleet", "--dir", w.dir)
	w.change(workload, `"ingot.demo=first"`, `"ingot.demo=first", "ignore_loglevel"`) // the image's own arguments say "quiet"
	w.change("hosts/"+host+".yaml", "    console: {fingerprint: \"\"}\n", "")         // sushy-tools has no serial console
	w.connect()

	venv, err := output(t.Context(), "scripts/sushy-tools.sh")
	if err != nil {
		t.Fatal(err)
	}
	emulator := w.startProgram("lab.log", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "testdata/sushy/run.sh", w.dir, filepath.Join(venv, "venv"))
	w.poll("sushy-tools to listen", func() bool {
		select {
		case <-emulator.ended:
			t.Fatal("libvirt or sushy-tools has ended")
		default:
		}
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		return connection.Close() == nil
	})
	return w
}

// askSushy reads a resource of the machine at its BMC.
func (w *world) askSushy(resource string) string {
	w.Helper()
	m := w.rack.Machines[0]
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, m.Address+resource, nil)
	if err != nil {
		w.Fatal(err)
	}
	request.SetBasicAuth(m.Username, m.Password)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(w.read("bmc.crt")))
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	response, err := client.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		w.Fatalf("GET %s: %s, %v: %s", resource, response.Status, err, body)
	}
	return string(body)
}

// prepareSushy writes what the machine and the emulator begin with.
func (w *world) prepareSushy(m sushyMachine) {
	w.Helper()
	for _, name := range []string{"domain.xml", "emulator.conf"} {
		var text strings.Builder
		if err := template.Must(template.ParseFiles(filepath.Join("testdata", "sushy", name+".tmpl"))).Execute(&text, m); err != nil {
			w.Fatal(err)
		}
		w.write(name, text.String())
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(m.Password), bcrypt.MinCost)
	if err != nil {
		w.Fatal(err)
	}
	w.write("htpasswd", m.Username+":"+string(hash)+"\n")
	if err := os.Mkdir(w.path(host), 0o700); err != nil {
		w.Fatal(err)
	}
	w.write("disk.raw", "")
	if err := os.Truncate(w.path("disk.raw"), 8<<30); err != nil {
		w.Fatal(err)
	}
}

// writeCertificate writes the certificate and key of the BMC, and gives the fingerprint.
func (w *world) writeCertificate() string {
	w.Helper()
	var certificate selfsigned.Certificate
	leaf, err := certificate.GetLeaf(time.Now())
	if err != nil {
		w.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		w.Fatal(err)
	}
	w.write("bmc.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})))
	w.write("bmc.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	fingerprint, err := certificate.Fingerprint(time.Now())
	if err != nil {
		w.Fatal(err)
	}
	return fingerprint
}

// serveImage serves the operating system image over HTTP.
func serveImage(t testing.TB) lab.Image {
	t.Helper()
	file, err := os.Open(parts.image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(parts.image))))
	t.Cleanup(served.Close)
	return lab.Image{URL: served.URL + "/" + filepath.Base(parts.image), SHA256: hex.EncodeToString(sum.Sum(nil))}
}

func asJSON(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
