package conn

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// TestARestingConnHoldsNothing: the connection to a BMC ends soon after the last request, and the HTTP client with it;
// the next request makes both anew.
func TestARestingConnHoldsNothing(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := server.TLS.Certificates
	server.Close()
	const body = `{"@odata.id":"/redfish/v1/","Systems":{"@odata.id":"/systems"}}`
	root := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	synctest.Test(t, func(t *testing.T) {
		var open, dialled atomic.Int32
		c, err := Open(Config{Address: "https://10.0.0.1", Username: "u", Password: secret.New("correct horse"), TLS: TLS{FirstUse: true},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				open.Add(1)
				dialled.Add(1)
				go func() {
					defer open.Add(-1)
					answerSome(tls.Server(theirs, &tls.Config{Certificates: certificate}), []string{root, root, root}, false)
				}()
				return ours, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		for round := range int32(2) {
			for range 2 {
				if _, err := Get[map[string]any](c.Call(t.Context(), "read the root"), "/redfish/v1/"); err != nil {
					t.Fatal(err)
				}
			}
			if n := dialled.Load(); n != round+1 || open.Load() != 1 {
				t.Errorf("round %d: %d connections were made, %d are open; want one that is used again", round, n, open.Load())
			}
			<-time.After(2 * idleTimeout)
			synctest.Wait()
			if open.Load() != 0 || c.http.client != nil {
				t.Errorf("round %d: %d connections are open, client %v; want none", round, open.Load(), c.http.client)
			}
		}
	})
}

// TestTLSSessionsResume: the second connection resumes the TLS session of the first, and is checked against the pin all
// the same.
func TestTLSSessionsResume(t *testing.T) {
	t.Parallel()
	var resumed []bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed = append(resumed, r.TLS.DidResume)
		_, _ = io.WriteString(w, `{"@odata.id":"/redfish/v1/"}`)
	}))
	defer server.Close()
	pin := fingerprintOf(server.Certificate())
	c, err := Open(Config{Address: server.URL, Username: "u", Password: secret.New("correct horse"), TLS: TLS{Fingerprint: pin}})
	if err != nil {
		t.Fatal(err)
	}
	get := func() error {
		defer c.dropHTTP()
		_, err := c.sendRequest(t.Context(), request{method: http.MethodGet, path: "/redfish/v1/", doing: "read"}, credentials{})
		return err
	}
	for range 2 {
		if err := get(); err != nil {
			t.Fatal(err)
		}
	}
	if len(resumed) != 2 || resumed[0] || !resumed[1] {
		t.Errorf("resumed: %v, want the second connection only", resumed)
	}
	c.trust.VerifyConnection = c.verifyPin("sha256:" + strings.Repeat("0", 64))
	if err := get(); err == nil || !strings.Contains(err.Error(), errPin.Error()) {
		t.Errorf("with another pin: %v, want the connection refused", err)
	}
}
