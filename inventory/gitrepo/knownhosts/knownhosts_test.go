package knownhosts_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gitmetal/ingot/inventory/gitrepo/knownhosts"
)

// newSigner makes a key of a kind.
func newSigner(t *testing.T, kind string) ssh.Signer {
	t.Helper()
	var key any
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// textOf is a key as it stands in known_hosts.
func textOf(key ssh.PublicKey) string {
	return key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
}

// newCertificate makes a certificate of a host.
func newCertificate(t *testing.T, key ssh.PublicKey, authority ssh.Signer, change func(*ssh.Certificate)) ssh.PublicKey {
	t.Helper()
	c := &ssh.Certificate{Key: key, CertType: ssh.HostCert, ValidPrincipals: []string{"git.example.com"}, ValidBefore: ssh.CertTimeInfinity}
	change(c)
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCheck judges keys. What a real sshd and the ssh program say is compared in TestKnownHosts of package gitrepo.
func TestCheck(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	right, wrong, otherKind, authority, stranger := newSigner(t, "ed25519").PublicKey(), newSigner(t, "ed25519").PublicKey(),
		newSigner(t, "ecdsa").PublicKey(), newSigner(t, "ed25519"), newSigner(t, "ed25519")
	good := newCertificate(t, right, authority, func(*ssh.Certificate) {})
	expired := newCertificate(t, right, authority, func(c *ssh.Certificate) { c.ValidBefore = 1_700_000_000 })
	ofAnother := newCertificate(t, right, authority, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"www.example.com"} })
	ofAUser := newCertificate(t, right, authority, func(c *ssh.Certificate) { c.CertType = ssh.UserCert })
	authorities := "@cert-authority *.example.com,[*.example.com]:* " + textOf(authority.PublicKey())
	for name, test := range map[string]struct {
		known string
		port  string
		key   ssh.PublicKey
		want  error
	}{
		"nothing":                          {"", "22", right, knownhosts.ErrUnknown},
		"the key":                          {"git.example.com " + textOf(right), "22", right, nil},
		"the key, with the port 22":        {"[git.example.com]:22 " + textOf(right), "22", right, nil},
		"the key of another port":          {"[git.example.com]:2222 " + textOf(right), "22", right, knownhosts.ErrUnknown},
		"another key":                      {"git.example.com " + textOf(wrong), "22", right, knownhosts.ErrOtherKey},
		"another key beside":               {"git.example.com " + textOf(wrong) + "\ngit.example.com " + textOf(right), "22", right, nil},
		"another kind":                     {"git.example.com " + textOf(otherKind), "22", right, knownhosts.ErrOtherKind},
		"another kind, wrong, and the key": {"git.example.com " + textOf(otherKind) + "\ngit.example.com " + textOf(right), "22", right, nil},
		"no port":                          {"git.example.com " + textOf(right), "2222", right, nil},
		"no port, and a key with it":       {"[git.example.com]:2222 " + textOf(wrong) + "\ngit.example.com " + textOf(right), "2222", right, knownhosts.ErrOtherKey},
		"no port, and a kind with it":      {"[git.example.com]:2222 " + textOf(otherKind) + "\ngit.example.com " + textOf(right), "2222", right, knownhosts.ErrOtherKind},
		"no port, another key":             {"git.example.com " + textOf(wrong), "2222", right, knownhosts.ErrUnknown},
		"revoked":                          {"git.example.com " + textOf(right) + "\n@revoked * " + textOf(right), "22", right, knownhosts.ErrRevoked},
		"revoked without the port":         {"git.example.com " + textOf(right) + "\n@revoked git.example.com " + textOf(right), "2222", right, knownhosts.ErrRevoked},
		"revoked of others":                {"git.example.com " + textOf(right) + "\n@revoked www.example.com " + textOf(right), "22", right, nil},
		"a certificate":                    {authorities, "22", good, nil},
		"a certificate at a port":          {authorities, "2222", good, nil},
		"an authority without a port":      {"@cert-authority git.example.com " + textOf(authority.PublicKey()), "2222", good, nil},
		"an authority is no key":           {authorities, "22", authority.PublicKey(), knownhosts.ErrUnknown},
		"another authority":                {"@cert-authority * " + textOf(stranger.PublicKey()), "22", good, knownhosts.ErrUnknown},
		"another authority, the key":       {"@cert-authority * " + textOf(stranger.PublicKey()) + "\n* " + textOf(right), "22", good, nil},
		"expired":                          {authorities, "22", expired, knownhosts.ErrCertificate},
		"expired, the key":                 {authorities + "\n* " + textOf(right), "22", expired, nil},
		"expired, another key":             {authorities + "\n* " + textOf(wrong), "22", expired, knownhosts.ErrCertificate},
		"of another host":                  {authorities, "22", ofAnother, knownhosts.ErrCertificate},
		"of a user":                        {authorities, "22", ofAUser, knownhosts.ErrCertificate},
		"a revoked authority":              {authorities + "\n@revoked * " + textOf(authority.PublicKey()), "22", good, knownhosts.ErrRevoked},
		"a certificate of a revoked key":   {authorities + "\n@revoked * " + textOf(right), "22", good, knownhosts.ErrRevoked},
	} {
		known, err := knownhosts.Parse([]byte(test.known))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := known.Find("Git.Example.com", test.port).Check(test.key, now); !errors.Is(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%s: Check = %v, want %v", name, got, test.want)
		}
	}
	for _, line := range []string{"@revoked * nonsense", "@revoked git.example.com ssh-ed25519 AAAA", "@revoked"} {
		if _, err := knownhosts.Parse([]byte("# keys\n" + line + "\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("Parse(%q) = %v, want an error: nobody knows what is revoked", line, err)
		}
	}
}

// TestAlgorithms: the kinds that are known come first, in the order of ssh; with an ed25519 key its order stays. All are
// asked for, so that a server without a known key is refused for its key.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	line := func(mark, kind string) string {
		return mark + "git.example.com " + textOf(newSigner(t, kind).PublicKey()) + "\n"
	}
	revoked := textOf(newSigner(t, "ecdsa").PublicKey())
	all, _ := knownhosts.Parse(nil)
	standard := all.Find("git.example.com", "22").Algorithms()
	if len(standard) != 12 || standard[0] != ssh.CertAlgoED25519v01 || standard[6] != ssh.KeyAlgoED25519 || slices.Contains(standard, ssh.KeyAlgoRSA) {
		t.Errorf("without a key: %v", standard)
	}
	for name, test := range map[string]struct {
		known string
		first []string
	}{
		"ed25519 beside others": {line("", "rsa") + line("", "ecdsa") + line("", "ed25519"), standard},
		"ecdsa":                 {line("", "ecdsa"), []string{ssh.CertAlgoECDSA256v01, ssh.KeyAlgoECDSA256, ssh.CertAlgoED25519v01}},
		"rsa and ecdsa":         {line("", "rsa") + line("", "ecdsa"), []string{ssh.CertAlgoECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.CertAlgoED25519v01}},
		"an authority":          {line("@cert-authority ", "rsa"), standard},
		"an authority, and rsa": {line("@cert-authority ", "ed25519") + line("", "rsa"), append(slices.Clone(standard[:6]), ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoED25519)},
		"a revoked kind":        {"git.example.com " + revoked + "\n@revoked git.example.com " + revoked + "\n", standard},
		"of others":             {strings.Replace(line("", "ecdsa"), "git.", "www.", 1), standard},
	} {
		known, err := knownhosts.Parse([]byte(test.known))
		if err != nil {
			t.Fatal(err)
		}
		got := known.Find("git.example.com", "22").Algorithms()
		sorted := slices.Sorted(slices.Values(got))
		if !slices.Equal(got[:len(test.first)], test.first) || !slices.Equal(sorted, slices.Sorted(slices.Values(standard))) {
			t.Errorf("%s: %v, want first %v", name, got, test.first)
		}
	}
}

// TestNames: which names of a line mean a server. Names that ssh-keygen -H hashed are in TestKnownHosts of package gitrepo.
func TestNames(t *testing.T) {
	t.Parallel()
	key := newSigner(t, "ed25519").PublicKey()
	for names, want := range map[string]bool{
		"git.example.com": true, "GIT.example.COM": true, "www.example.com,git.example.com": true, "*.example.com": true, "g?t.example.com": true,
		"*": true, "git*com*": true, "*git.example.com": true, "*.example.com,!www.example.com": true,
		"git.example": false, "it.example.com": false, "git.example.com.": false, "g?git.example.com": false, "*.example.org": false, "": false,
		"!git.example.com": false, "*,!git.example.com": false, "!git.example.com,*": false, "[git.example.com]:2222": false,
		"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=": false, "|1|no|no": false, "|2|AAAA|AAAA": false, "|1|": false,
	} {
		known, err := knownhosts.Parse([]byte(names + " " + textOf(key) + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := known.Find("git.example.com", "22").Check(key, time.Unix(0, 0)) == nil; got != want {
			t.Errorf("%q means git.example.com: %t, want %t", names, got, want)
		}
	}
	// The hashed name is the example of package golang.org/x/crypto/ssh/knownhosts.
	known, _ := knownhosts.Parse([]byte("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + textOf(key) + "\n"))
	if err := known.Find("192.168.1.61", "22").Check(key, time.Unix(0, 0)); err != nil {
		t.Errorf("a hashed name: %v", err)
	}
	for host, names := range map[string]string{"::1": "[::1]:2222", "[::1]": "[::1]:2222"} {
		known, _ := knownhosts.Parse([]byte(names + " " + textOf(key)))
		if err := known.Find(host, "2222").Check(key, time.Unix(0, 0)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}
