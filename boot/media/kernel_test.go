package media_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/inventory"
)

// serveKernels serves media of kernels with the shim and GRUB of an image.
func serveKernels(t *testing.T, image []byte) *media.Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ramdisk.iso")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	iso, err := media.OpenISO(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = iso.Close() })
	return media.NewServer(iso, "http://daemon:7080", []byte("key"), time.Now)
}

// readMedium reads a medium whole, as a BMC does.
func readMedium(t *testing.T, s *media.Server, key media.Key) []byte {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimPrefix(s.URL(key), "http://daemon:7080"), http.NoBody))
	if recorder.Code != http.StatusOK {
		t.Fatalf("status %d", recorder.Code)
	}
	return recorder.Body.Bytes()
}

func partOf(text string) media.Part {
	return media.Part{SHA256: text, Size: int64(len(text)), Content: strings.NewReader(text)}
}

// TestTheMediumOfAKernel: xorriso finds the files that GRUB is told to read, arguments stand for themselves, and reads of its
// parts are told from each other.
func TestTheMediumOfAKernel(t *testing.T) {
	t.Parallel()
	s, key := serveKernels(t, sim.NewMedium()), media.Key{Host: "m1", Boot: "b", Epoch: 1}
	medium := media.KernelMedium{Kernel: partOf(strings.Repeat("kernel", 1000)), Initrds: []media.Part{partOf("one"), partOf("two")},
		Arguments: []string{"console=ttyS0", "x=$y;{z}"}, Files: []media.File{{Path: "/etc/site", Mode: 0o600, Data: []byte("fra1")}}}
	for range 2 { // doing it again changes nothing
		if err := s.PublishKernel(key, medium); err != nil {
			t.Fatal(err)
		}
	}
	image := readMedium(t, s, key)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "boot.iso"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "xorriso", "-osirrox", "on", "-indev", filepath.Join(dir, "boot.iso"), "-extract", "/", filepath.Join(dir, "iso")).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v\n%s", err, out)
	}
	for name, want := range map[string]string{"vmlinuz": strings.Repeat("kernel", 1000), "initrd": "one", "initrd.1": "two",
		"grub/grub.cfg": "set timeout=0\nset default=0\nserial --unit=0 --speed=115200\nterminal_output serial console\nmenuentry run {\n" +
			"  linux /boot/vmlinuz 'console=ttyS0' 'x=$y;{z}'\n  initrd /boot/initrd /boot/initrd.1 /run/initrd\n}\n"} {
		if body, err := os.ReadFile(filepath.Join(dir, "iso", "boot", name)); err != nil || string(body) != want {
			t.Errorf("%s is %.80q, %v, want %.80q", name, body, err, want)
		}
	}
	overlay, err := os.Open(filepath.Join(dir, "iso", "run", "initrd"))
	if err != nil {
		t.Fatal(err)
	}
	defer overlay.Close()
	unpack := exec.CommandContext(t.Context(), "cpio", "--extract", "--quiet", "--make-directories")
	unpack.Dir, unpack.Stdin = dir, overlay
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	if body, err := os.ReadFile(filepath.Join(dir, "etc", "site")); err != nil || string(body) != "fra1" {
		t.Errorf("the file of the machine is %q, %v", body, err)
	}
	var names []string
	for _, part := range s.Reads(key).Parts {
		if part.WasRead() {
			names = append(names, part.Name)
		}
	}
	want := strings.Join([]string{inventory.MediumDirectory, inventory.MediumShim, inventory.MediumGRUB, inventory.MediumKernel,
		inventory.MediumInitrd, inventory.MediumOverlay}, ", ")
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("were read: %s, want %s", got, want)
	}
}

// TestReadingAheadStartsNoKernel: who reads each other file of a medium, and a little more, has not read the initrd of the boot.
func TestReadingAheadStartsNoKernel(t *testing.T) {
	t.Parallel()
	s, key := serveKernels(t, sim.NewMedium()), media.Key{Host: "m1", Boot: "b", Epoch: 1}
	if err := s.PublishKernel(key, media.KernelMedium{Kernel: partOf(strings.Repeat("kernel", 1000))}); err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimPrefix(s.URL(key), "http://daemon:7080"), http.NoBody)
	request.Header.Set("Range", "bytes=0-655359")
	s.ServeHTTP(recorder, request)
	for _, part := range s.Reads(key).Parts {
		if part.WasRead() != (part.Name != inventory.MediumOverlay) {
			t.Errorf("%s was read: %t", part.Name, part.WasRead())
		}
	}
}

// TestAMediumOfNothing is served, and starts nothing.
func TestAMediumOfNothing(t *testing.T) {
	t.Parallel()
	s, key := serveKernels(t, sim.NewMedium()), media.Key{Host: "m1", Boot: "b", Epoch: 1}
	if err := s.PublishEmpty(key); err != nil {
		t.Fatal(err)
	}
	if image := readMedium(t, s, key); !s.Published(key) || bytes.Contains(image, []byte("EL TORITO")) {
		t.Error("the medium starts something")
	}
}

// TestAnImageWithoutShim is refused, and says what to do.
func TestAnImageWithoutShim(t *testing.T) {
	t.Parallel()
	image := sim.NewMedium()
	copy(image[16*2048:], "no volume") // the image has no directory any more
	s := serveKernels(t, image)
	err := s.PublishKernel(media.Key{Host: "m1"}, media.KernelMedium{Kernel: partOf("kernel")})
	_, shim := s.Shim()
	if err == nil || shim == nil || !strings.Contains(err.Error(), "make it again") || !strings.Contains(shim.Error(), "make it again") {
		t.Errorf("PublishKernel() = %v, Shim() = %v", err, shim)
	}
	intact := serveKernels(t, sim.NewMedium())
	if found, err := intact.Shim(); err != nil {
		t.Errorf("Shim() = %v", err)
	} else if _, err := io.ReadAll(io.NewSectionReader(found, 0, 16)); err != nil {
		t.Error(err)
	}
}
