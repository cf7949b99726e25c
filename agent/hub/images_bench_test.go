package hub_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
)

const imageSize = 64 << 20

// BenchmarkImages serves one image to 1, 10 and 100 agents at a time, and has nginx serve the same file with the same
// certificate, protocol and cipher to the same clients, one after the other: x-nginx is how much of nginx' speed the hub
// reaches. Server and clients share the machine's cores.
func BenchmarkImages(b *testing.B) {
	dir := b.TempDir()
	name := writeImage(b, dir)
	r := newRig(b)
	r.server.Close()
	r.images = folder(dir)
	r.start()
	other := startNginx(b, r, dir)
	for _, agents := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("agents=%d", agents), func(b *testing.B) {
			var ours, theirs []*http.Client
			for i := range agents {
				host := fmt.Sprintf("web-%d-%d", agents, i)
				agent := r.agent(host, "boot1", 1)
				job := install("op1", 1, 1)
				job.Steps[0].Install.Image = wire.Image{SHA256: name, Size: imageSize}
				beginJob(b, agent, host, job)
				ours = append(ours, agent.client)
				stranger := r.caller()
				theirs = append(theirs, stranger.client)
			}
			var own, nginx time.Duration
			for b.Loop() {
				own += fetchAll(b, ours, r.server.URL+wire.PathImages+name)
				nginx += fetchAll(b, theirs, other+"/"+name)
			}
			bytes := float64(agents*b.N) * imageSize / 1e6
			b.ReportMetric(bytes/own.Seconds(), "MB/s")
			b.ReportMetric(bytes/nginx.Seconds(), "nginx-MB/s")
			b.ReportMetric(nginx.Seconds()/own.Seconds(), "x-nginx")
		})
	}
}

// folder gives images from files, as the daemon's mirror does.
type folder string

func (f folder) Open(digest string) (io.ReadSeekCloser, int64, error) {
	file, err := os.Open(filepath.Join(string(f), digest))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	return file, info.Size(), err
}

// writeImage writes random bytes to a file that is named by their digest.
func writeImage(b *testing.B, dir string) string {
	b.Helper()
	data := make([]byte, imageSize)
	if _, err := rand.Read(data); err != nil {
		b.Fatal(err)
	}
	name := digestOf(data)
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		b.Fatal(err)
	}
	return name
}

// beginJob hands the job out as one that may write.
func beginJob(b *testing.B, agent *caller, host string, job wire.Job) {
	b.Helper()
	assignment := hub.Assignment{Job: job, Operation: job.ID, Begun: true}
	if err := agent.rig.Assign(b.Context(), host, assignment); err != nil {
		b.Fatal(err)
	}
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
}

// fetchAll has every client fetch the document once, all at the same time, and gives how long that took.
func fetchAll(b *testing.B, clients []*http.Client, url string) time.Duration {
	b.Helper()
	began := time.Now()
	var fetches errgroup.Group
	for _, client := range clients {
		fetches.Go(func() error {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", url, response.Status)
			}
			got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, 256<<10))
			if err == nil && got != imageSize {
				err = fmt.Errorf("%s: %d bytes", url, got)
			}
			return err
		})
	}
	if err := fetches.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// startNginx starts nginx on the folder, with the hub's certificate, and gives its URL.
func startNginx(b *testing.B, r *rig, dir string) string {
	b.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		b.Fatal("nginx is missing: run scripts/setup.sh bench")
	}
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	work := b.TempDir()
	writeCertificate(b, r.server.TLS.Certificates[0], work)
	config := fmt.Sprintf(`daemon off; user root; worker_processes auto; pid %[1]s/pid; error_log stderr;
events { worker_connections 1024; }
http {
	access_log off; sendfile on; root %[2]s;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[3]s ssl;
		ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
		ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
	}
}`, work, dir, address)
	path := filepath.Join(work, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	server := exec.CommandContext(b.Context(), program, "-p", work, "-e", "stderr", "-c", path)
	server.Stderr = os.Stderr
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Wait() })
	awaitListener(b, address)
	return "https://" + address
}

// awaitListener waits until somebody listens.
func awaitListener(b *testing.B, address string) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", address); err == nil {
			_ = conn.Close()
			return
		}
	}
	b.Fatalf("nobody listens on %s", address)
}

// writeCertificate writes cert.pem and key.pem.
func writeCertificate(b *testing.B, certificate tls.Certificate, dir string) {
	b.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		b.Fatal(err)
	}
	var chain []byte
	for _, part := range certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: part})...)
	}
	for name, data := range map[string][]byte{
		"cert.pem": chain, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}
