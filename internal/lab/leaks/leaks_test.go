package leaks_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/leaks"
)

// TestFind finds a password in every encoding, at every place of what was encoded, and no other password.
func TestFind(t *testing.T) {
	t.Parallel()
	const password, other = "aB3kZ9qLmN0pR7sTuVwX", "aB3kZ9qLmN0pR7sTuVwY"
	for before := range 7 {
		for about, encode := range map[string]func([]byte) string{
			"plain":     func(b []byte) string { return string(b) },
			"hex":       hex.EncodeToString,
			"HEX":       func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
			"base64":    base64.StdEncoding.EncodeToString,
			"base64url": base64.RawURLEncoding.EncodeToString,
			"base32":    base32.StdEncoding.EncodeToString,
		} {
			data := encode([]byte(strings.Repeat("user:", before)[:before] + password + ":behind"))
			if leaks.Find([]byte("x"+data+"y"), password) == "" {
				t.Errorf("%s behind %d bytes is not found", about, before)
			}
			if how := leaks.Find([]byte(data), "x"+other[1:]); how != "" {
				t.Errorf("another password is found in %s, as %s", about, how)
			}
		}
	}
	if leaks.Find([]byte("XwVuTs7Rp0NmLq9Zk3Ba"), password) == "" || leaks.Find([]byte("a\x00B\x003\x00k\x00Z\x009\x00q\x00L\x00m\x00N\x000\x00p\x00R\x007\x00s\x00T\x00u\x00V\x00w\x00X\x00"), password) == "" {
		t.Error("backwards, or as UTF-16, it is not found")
	}
}

// TestPlaces: files below a directory are read, and this process is among the processes.
func TestPlaces(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a", "b")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("said"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := leaks.ReadFiles(filepath.Dir(filepath.Dir(file)))
	if err != nil || string(files[file]) != "said" || len(files) != 1 {
		t.Errorf("ReadFiles() = %q, %v", files, err)
	}
	processes, err := leaks.ReadProcesses()
	found := false
	for _, data := range processes {
		found = found || strings.Contains(string(data), filepath.Base(os.Args[0]))
	}
	if err != nil || !found {
		t.Errorf("%d places of processes, this one is among them: %t, %v", len(processes), found, err)
	}
}
