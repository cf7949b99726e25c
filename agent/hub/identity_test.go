package hub_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitmetal/ingot/agent/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnIdentityStaysTheSame(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "identity")
	if _, err := hub.LoadIdentity(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadIdentity before there is one = %v, want fs.ErrNotExist", err)
	}
	made, err := hub.CreateIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := hub.LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if made.Pin() != loaded.Pin() || !bytes.Equal(made.CAPEM(), loaded.CAPEM()) ||
		!bytes.Equal(made.DeriveKey("x"), loaded.DeriveKey("x")) {
		t.Error("the loaded identity is not the one that was made")
	}
	if bytes.Equal(made.DeriveKey("x"), made.DeriveKey("y")) || len(made.DeriveKey("x")) != 32 {
		t.Error("derived keys are not 32 bytes that belong to their purpose")
	}
	if _, err := hub.CreateIdentity(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateIdentity over an identity = %v, want fs.ErrExist", err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory mode = %v, %v, want 0700", info.Mode(), err)
	}
}

func TestThePinIsOfTheServersKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	config, err := r.identity.ServerTLS([]string{"192.0.2.1", "ingot.test"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != r.identity.Pin() {
		t.Errorf("pin = %s, the server shows %s", r.identity.Pin(), got)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.identity.CAPEM())
	for _, name := range []string{"192.0.2.1", "ingot.test"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("the certificate for %s: %v", name, err)
		}
	}
}

// The certificate of the media server is of the daemon's authority, for a key that agents do not pin; it also speaks TLS 1.2.
func TestTheMediaServersCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	config, err := r.identity.MediaTLS([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.identity.CAPEM())
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "192.0.2.1"}); err != nil {
		t.Error(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if base64.StdEncoding.EncodeToString(sum[:]) == r.identity.Pin() || config.MinVersion != tls.VersionTLS12 {
		t.Errorf("it has the agents' key, or speaks %x at least", config.MinVersion)
	}
}

func TestABadIdentityIsRefusedInWords(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"others may enter": {func(dir string) error { return os.Chmod(dir, 0o755) }, "chmod 700"},
		"others may read": {func(dir string) error { return os.Chmod(filepath.Join(dir, "root.key"), 0o644) },
			"chmod 600"},
		"a file is missing": {func(dir string) error { return os.Remove(filepath.Join(dir, "server.key")) },
			"server.key"},
		"the root is short": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "root.key"),
				[]byte("00"), 0o600)
		}, "64 hex digits"},
		"a key is no key": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "ca.key"),
				[]byte("secret?"), 0o600)
		}, "backup"},
		"keys do not belong": {swapKeys, "is not of"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "identity")
			if _, err := hub.CreateIdentity(dir); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := hub.LoadIdentity(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret?") {
				t.Errorf("LoadIdentity = %v, want an error with %q and without the file's content", err, c.want)
			}
		})
	}
}

func swapKeys(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "server.key"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca.key"), data, 0o600)
}
