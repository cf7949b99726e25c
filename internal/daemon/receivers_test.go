package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon/config"
)

// TestSecretsOfReceiversAreReadAtTheStart opens receivers and forges whose files hold something else than a URL or a token:
// the daemon does not start, and says nothing of what the files hold.
func TestSecretsOfReceiversAreReadAtTheStart(t *testing.T) {
	t.Parallel()
	for content, good := range map[string]bool{
		"https://hooks.example.com/canary\n": true, "http://10.0.0.1:9/canary": true, "hooks.example.com/canary": false, "ftp://a/canary": false,
		"https://me:canary@a": false, "https://a/canary\nhttps://b/canary\n": false, "canary": false, "https://": false, "\n": false,
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d := &Daemon{secrets: &vault{}}
		_, err := d.readReceiver(config.Notify{Name: "ops", URLFile: file})
		if (err == nil) != good || err != nil && (!strings.Contains(err.Error(), "urlFile: ") || strings.Contains(err.Error(), "canary")) {
			t.Errorf("readReceiver with %q: %v, want it good: %t", content, err, good)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{secrets: &vault{}}
	if _, err := d.openForge(config.Forge{Kind: "Gitea", URL: "https://a", Repository: "a/b", TokenFile: file}); err == nil || !strings.Contains(err.Error(), "holds more than a token") {
		t.Errorf("openForge with two lines: %v", err)
	}
}
