package iso9660

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func fileOf(path, body string) File {
	return File{Path: path, Size: int64(len(body)), Content: strings.NewReader(body)}
}

// extract unpacks an image with xorriso.
func extract(t *testing.T, image []byte) map[string]string {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "x.iso")
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "xorriso", "-osirrox", "on", "-indev", name, "-extract", "/", filepath.Join(dir, "out")).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v\n%s", err, out)
	}
	files := map[string]string{}
	err = filepath.WalkDir(filepath.Join(dir, "out"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Chmod(path, 0o700); err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(dir, "out"), path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		files[rel] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestXorrisoReadsTheImage(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"openstack/latest/meta_data.json": `{"uuid":"web-1"}`, "openstack/latest/user_data": "#cloud-config\n", "meta-data": "a: b",
		"empty": "", "ingot.env": strings.Repeat("x", 5000), ".disk/info": "", "a very long name with-Upper.and.many.dots": "1",
	}
	for i := range 300 { // a directory of many sectors, and equal 8.3 names
		want[fmt.Sprintf("many/file-with-a-long-name-%03d.dat", i)] = fmt.Sprint(i)
	}
	var files []File
	for _, path := range slices.Sorted(maps.Keys(want)) {
		files = append(files, fileOf(path, want[path]))
	}
	image, err := New(files, Options{Label: "config-2"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := image.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, extract(t, body)); diff != "" {
		t.Errorf("xorriso reads other files, -want +got:\n%s", diff)
	}
	if err := iotest.TestReader(io.NewSectionReader(image, 0, image.Size()), body); err != nil {
		t.Error(err)
	}
	slices.Reverse(files)
	again, err := New(files, Options{Label: "config-2"})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Bytes(); err != nil || !bytes.Equal(body, second) {
		t.Errorf("the same files in another order give other bytes (%v)", err)
	}
}

func TestBootRecord(t *testing.T) {
	t.Parallel()
	image, err := New([]File{fileOf("boot/esp.img", strings.Repeat("e", 10_000)), fileOf("a", "1")}, Options{Label: "X", Boot: "boot/esp.img"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := image.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.iso")
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "xorriso", "-indev", name, "-report_el_torito", "plain").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "UEFI") || !strings.Contains(string(out), "/boot/esp.img") {
		t.Errorf("xorriso: %v\n%s", err, out)
	}
}

func TestBadImages(t *testing.T) {
	t.Parallel()
	for what, files := range map[string][]File{
		"up":              {fileOf("../a", "")},
		"empty part":      {fileOf("a//b", "")},
		"twice":           {fileOf("a", ""), fileOf("a", "")},
		"file, directory": {fileOf("a", ""), fileOf("a/b", "")},
		"directory, file": {fileOf("a/b", ""), fileOf("a", "")},
		"long":            {fileOf(strings.Repeat("a", 101), "")},
		"large":           {{Path: "a", Size: 4 << 30}},
	} {
		if _, err := New(files, Options{}); err == nil {
			t.Errorf("%s: New gives no error", what)
		}
	}
	if _, err := New(nil, Options{Boot: "esp.img"}); err == nil {
		t.Error("an image that starts a file which it does not have")
	}
	image, err := New([]File{{Path: "short", Size: 10, Content: strings.NewReader("abc")}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := image.Bytes(); err == nil {
		t.Error("a file that is shorter than it should be is read as zeros")
	}
}
