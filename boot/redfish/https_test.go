package redfish_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
)

const (
	secureMedium = "https://10.0.2.2:8444/boot/abc/ramdisk.iso"
	authority    = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
)

// A BMC that takes media over HTTPS only gets the https URL of the medium, declared or not, and at once from then on.
func TestMediaOverHTTPS(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]int{"declares-https": 0, "wants-https": 1, "well-behaved": 0} {
		server := serveShape(t, name)
		c, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}})
		must(t, err)
		want := secureMedium
		if name == "well-behaved" {
			want = medium
		}
		for range 2 {
			slot, err := c.Insert(t.Context(), medium, secureMedium)
			must(t, err)
			if slot.Image != want {
				t.Errorf("%s: the drive holds %s, want %s", name, slot.Image, want)
			}
		}
		must(t, c.Eject(t.Context()))
		_, err = c.Insert(t.Context(), medium, secureMedium)
		must(t, err)
		if diff := cmp.Diff([]string{"insert " + want, "eject " + want, "insert " + want}, server.Log().Story()); diff != "" {
			t.Errorf("%s: story (-want +got):\n%s", name, diff)
		}
		posts := 0
		for _, r := range server.Requests() {
			if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "InsertMedia") {
				posts++
			}
		}
		if posts != 2+refused {
			t.Errorf("%s: %d inserts were sent, want %d", name, posts, 2+refused)
		}
	}
}

// A BMC that does not trust the daemon's certificate says so in plain words.
func TestAnUntrustedMediaServer(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{
		one:                    system(`,"VirtualMedia":{"@odata.id":"/redfish/v1/vm"}`),
		"/redfish/v1/Managers": `{"Members":[]}`,
		"/redfish/v1/vm":       `{"Members":[{"@odata.id":"/redfish/v1/vm/1"}]}`,
		"/redfish/v1/vm/1": `{"@odata.id":"/redfish/v1/vm/1","Id":"1","MediaTypes":["CD"],
			"Actions":{"#VirtualMedia.InsertMedia":{"target":"/redfish/v1/in","TransferProtocolType@Redfish.AllowableValues":["HTTPS"]}}}`,
	}, map[string]func(http.ResponseWriter, *vendor){
		"POST /redfish/v1/in": answerWith(http.StatusBadRequest, `{"error":{"message":"SSL peer certificate was not OK"}}`)})
	_, err := v.open(t, one).Insert(t.Context(), medium, secureMedium)
	got := asKind(t, err, redfish.Refused)
	if !strings.Contains(got.Error(), "does not trust the certificate of the boot medium's server") ||
		!strings.Contains(got.Hint, "ingot bmc trust") {
		t.Errorf("error = %v", got)
	}
}

// The daemon's authority is put into a BMC once, where the BMC has a place for it.
func TestTrustMedia(t *testing.T) {
	t.Parallel()
	server := serveShape(t, "declares-https")
	for i, want := range [][]string{{"/redfish/v1/Managers/1/VirtualMedia/1"}, nil} {
		c, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}})
		must(t, err)
		added, err := c.TrustMedia(t.Context(), authority)
		must(t, err)
		if !slices.Equal(added, want) {
			t.Errorf("call %d added %q, want %q", i, added, want)
		}
		if sent := server.Log().Counts().Writes; sent != 1 {
			t.Errorf("%d writes, want one", sent)
		}
	}
	without := serveShape(t, "wants-https")
	c, err := redfish.Open(redfish.Config{Address: without.URL(), Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	_, err = c.TrustMedia(t.Context(), authority)
	if got := asKind(t, err, redfish.Refused); !strings.Contains(got.Error(), "has no place for authorities") {
		t.Errorf("error = %v", got)
	}
}
