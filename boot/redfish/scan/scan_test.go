package scan_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gitmetal/ingot/boot/redfish/scan"
)

func TestList(t *testing.T) {
	t.Parallel()
	for cidr, want := range map[string]struct {
		count       int
		first, fail string
	}{
		"10.0.0.0/24":        {count: 254, first: "10.0.0.1"},
		"10.0.0.77/24":       {count: 254, first: "10.0.0.1"},
		"10.0.0.13/32":       {count: 1, first: "10.0.0.13"},
		"10.0.0.12/31":       {count: 2, first: "10.0.0.12"},
		"10.0.0.0/20":        {count: 4094, first: "10.0.0.1"},
		"10.0.0.0/19":        {fail: "more than 4096 addresses"},
		"0.0.0.0/0":          {fail: "more than 4096 addresses"},
		"2001:db8::/116":     {count: 4096, first: "2001:db8::"},
		"2001:db8::/64":      {fail: "more than 4096 addresses"},
		"10.0.0.0":           {fail: "want an address and a length"},
		"255.255.255.255":    {fail: "want an address and a length"},
		"255.255.255.254/31": {count: 2, first: "255.255.255.254"},
	} {
		list, err := scan.List(cidr)
		if want.fail != "" {
			if err == nil || !strings.Contains(err.Error(), want.fail) {
				t.Errorf("List(%s) = %d addresses, %v, want %q", cidr, len(list), err, want.fail)
			}
			continue
		}
		if err != nil || len(list) != want.count || list[0].String() != want.first {
			t.Errorf("List(%s) = %d addresses from %v, %v, want %d from %s", cidr, len(list), list[:1], err, want.count, want.first)
		}
	}
}

// TestFind asks loopback addresses: one is a Redfish service, one another web server, the others answer nothing.
func TestFind(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodGet || r.URL.Path != "/redfish/v1/" || r.Header.Get("Authorization") != "" {
			t.Errorf("the service is asked %s %s", r.Method, r.URL)
		}
		_, _ = w.Write([]byte(`{"RedfishVersion":"1.15.0","Vendor":"Acme","UUID":"u","Systems":{"@odata.id":"/redfish/v1/Systems"}}`))
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.StartTLS()
	defer server.Close()
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	other, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.3:"+text)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	_ = web.Listener.Close()
	web.Listener = other
	web.StartTLS()
	defer web.Close()
	list, err := scan.List("127.0.0.0/29")
	if err != nil {
		t.Fatal(err)
	}
	found := scan.Find(t.Context(), list, uint16(port))
	if len(found) != 1 || found[0].Address != netip.MustParseAddr("127.0.0.2") || found[0].Vendor != "Acme" ||
		!strings.HasPrefix(found[0].Fingerprint, "sha256:") || asked.Load() != 1 {
		t.Errorf("Find() = %+v after %d questions, want the service at 127.0.0.2 after 1", found, asked.Load())
	}
}
