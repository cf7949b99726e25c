package fat

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestToolsReadTheImage(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"meta-data": []byte("a: b"), "empty": nil, "openstack/latest/meta_data.json": []byte(`{"uuid":"web-1"}`),
		"openstack/latest/user_data": bytes.Repeat([]byte("x"), 100_000), "a long name-with.Many.parts and spaces": []byte("1")}
	for i := range 40 {
		files[fmt.Sprintf("many/entry-with-a-long-name-%02d", i)] = []byte(fmt.Sprint(i))
	}
	for _, size := range []int{MinSize, 64 << 20, MaxSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			image, err := New(files, "config-2", size)
			if err != nil {
				t.Fatal(err)
			}
			again, err := New(files, "config-2", size)
			if err != nil || !bytes.Equal(image, again) {
				t.Errorf("the same files give other bytes (%v)", err)
			}
			name := filepath.Join(t.TempDir(), "x.img")
			if err := os.WriteFile(name, image, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "fsck.fat", "-n", name).CombinedOutput(); err != nil {
				t.Errorf("fsck.fat: %v\n%s", err, out)
			}
			if out, err := exec.CommandContext(t.Context(), "mlabel", "-s", "-i", name, "::").CombinedOutput(); err != nil || !strings.Contains(string(out), "config-2") {
				t.Errorf("mlabel: %v\n%s", err, out)
			}
			for path, want := range files {
				got, err := exec.CommandContext(t.Context(), "mtype", "-i", name, "::"+path).Output()
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("mtype %s = %d bytes, %v, want %d", path, len(got), err, len(want))
				}
			}
		})
	}
}

func TestBadImages(t *testing.T) {
	t.Parallel()
	for what, files := range map[string]map[string][]byte{
		"up": {"../a": nil}, "case": {"a": nil, "A": nil}, "a file as a directory": {"a": nil, "a/b": nil}, "colon": {"a:b": nil},
		"too large": {"a": make([]byte, MinSize)}, "umlaut": {"ä": nil}, "long": {strings.Repeat("a", 101): nil},
	} {
		if _, err := New(files, "X", MinSize); err == nil {
			t.Errorf("%s: New gives no error", what)
		}
	}
	if _, err := New(nil, "a label that is long", MinSize); err == nil {
		t.Error("a label of more than 11 bytes")
	}
	if _, err := New(nil, "", 1<<20); err == nil {
		t.Error("an image that would be FAT12")
	}
}
