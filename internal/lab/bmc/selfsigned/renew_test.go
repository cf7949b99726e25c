package selfsigned

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestRenew: after a renewal a client with an idle connection and a session is shown the new certificate.
func TestRenew(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var c Certificate
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, listener, http.NotFoundHandler(), time.Now()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}}}
	ask := func() string {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listener.Addr().String(), http.NoBody)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return string(response.TLS.PeerCertificates[0].Raw)
	}
	first := ask()
	if ask() != first {
		t.Error("another certificate without a renewal")
	}
	c.Renew()
	if ask() == first {
		t.Error("the same certificate after a renewal")
	}
}
