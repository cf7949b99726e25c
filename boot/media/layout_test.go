package media_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/inventory"
)

// TestPartsOfAMedium reads a medium up to each part, and asks what was read.
func TestPartsOfAMedium(t *testing.T) {
	t.Parallel()
	all := []string{inventory.MediumDirectory, inventory.MediumShim, inventory.MediumGRUB, inventory.MediumKernel,
		inventory.MediumInitrd, inventory.MediumOverlay}
	for _, test := range []struct {
		upTo int
		want []string
	}{{sim.MediumShim, all[:1]}, {sim.MediumGRUB, all[:2]}, {sim.MediumKernel, all[:3]}, {sim.MediumConfig, all[:5]},
		{sim.MediumEnd, all}} {
		if diff := cmp.Diff(test.want, readParts(t, sim.NewMedium(), test.upTo)); diff != "" {
			t.Errorf("up to byte %d (-want +got):\n%s", test.upTo, diff)
		}
	}
	// a medium whose layout is not known: only the part with the boot's own files is told
	other := make([]byte, 64<<10+wire.OverlaySize)
	copy(other[64<<10:], wire.OverlayMagic)
	if got := readParts(t, other, len(other)); !cmp.Equal(got, all[5:]) {
		t.Errorf("of a medium with another layout were read: %v", got)
	}
}

// readParts serves a medium, reads its first bytes by ranges, and gives the parts that were read.
func readParts(t *testing.T, image []byte, upTo int) (read []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ramdisk.iso")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	iso, err := media.OpenISO(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = iso.Close() }()
	server := httptest.NewUnstartedServer(nil)
	served := media.NewServer(iso, "http://"+server.Listener.Addr().String(), []byte("key"), time.Now)
	server.Config.Handler = served
	server.Start()
	defer server.Close()
	key := media.Key{Host: "h", Boot: "b", Epoch: 1}
	if err := served.Publish(key, nil); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < upTo; at += 64 << 10 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, served.URL(key), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, min(at+64<<10, upTo)-1))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err != nil || response.Body.Close() != nil {
			t.Fatal(err)
		}
	}
	for _, part := range served.Reads(key).Parts {
		if part.WasRead() {
			read = append(read, part.Name)
		}
	}
	return read
}

// TestProtocolOfAMedium opens media of several protocols: one of another protocol is served to machines that run from it,
// and boots none.
func TestProtocolOfAMedium(t *testing.T) {
	t.Parallel()
	now := wire.ProtocolMagic + strconv.Itoa(wire.Version) + "\n"
	for name, test := range map[string]struct{ names, unusable, unopened string }{
		"the present one":       {now, "", ""},
		"an earlier one":        {wire.ProtocolMagic + "1\n", "the ramdisk speaks protocol 1", ""},
		"none, as before":       {"", "the ramdisk speaks protocol 1", ""},
		"one that is no number": {wire.ProtocolMagic + "x\n", "", "`ingot ramdisk build`"},
	} {
		image := make([]byte, 64<<10+wire.OverlaySize)
		copy(image, test.names)
		copy(image[64<<10:], wire.OverlayMagic)
		path := filepath.Join(t.TempDir(), "ramdisk.iso")
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		iso, err := media.OpenISO(path)
		if test.unopened != "" {
			if err == nil || !strings.Contains(err.Error(), test.unopened) {
				t.Errorf("%s: opened with %v, want an error with %q", name, err, test.unopened)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := iso.WhyUnusable(); (got == "") != (test.unusable == "") || !strings.Contains(got, test.unusable) {
			t.Errorf("%s: unusable because %q, want %q", name, got, test.unusable)
		}
		_ = iso.Close()
	}
}
