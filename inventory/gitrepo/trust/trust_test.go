package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
)

type key struct {
	ssh.Signer
	line string // as in authorized_keys
}

func newKey(t *testing.T) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
}

func (k key) sign(t *testing.T, payload, namespace string) string {
	t.Helper()
	signature, err := sshsig.Sign(strings.NewReader(payload), k, sshsig.HashSHA512, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return string(sshsig.Armor(signature))
}

func TestSSHSignatures(t *testing.T) {
	t.Parallel()
	jo, eve := newKey(t), newKey(t)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		signers, revoked   string
		signature, payload string
		names              []string
		why                string
	}{
		"good":              {"jo " + jo.line, "", jo.sign(t, "p", "git"), "p", []string{"jo"}, ""},
		"two names":         {"jo,jo@example.com " + jo.line, "", jo.sign(t, "p", "git"), "p", []string{"jo", "jo@example.com"}, ""},
		"another's":         {"jo " + jo.line, "", eve.sign(t, "p", "git"), "p", nil, "not an allowed signer"},
		"another payload":   {"jo " + jo.line, "", jo.sign(t, "p", "git"), "q", nil, "signature is wrong"},
		"another namespace": {"jo " + jo.line, "", jo.sign(t, "p", "file"), "p", nil, "signature is wrong"},
		"revoked":           {"jo " + jo.line, "# gone\n" + jo.line, jo.sign(t, "p", "git"), "p", nil, "is revoked"},
		"in its time":       {`jo valid-after="20260101Z",valid-before="20270101Z" ` + jo.line, "", jo.sign(t, "p", "git"), "p", []string{"jo"}, ""},
		"too late":          {`jo valid-before="20260531Z" ` + jo.line, "", jo.sign(t, "p", "git"), "p", nil, "not an allowed signer"},
		"too early":         {`jo valid-after="202606010001Z" ` + jo.line, "", jo.sign(t, "p", "git"), "p", nil, "not an allowed signer"},
		"unsigned":          {"jo " + jo.line, "", "", "p", nil, "it is not signed"},
		"no signature":      {"jo " + jo.line, "", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "p", nil, "cannot be read"},
		"something else":    {"jo " + jo.line, "", "-----BEGIN SIGNED MESSAGE-----", "p", nil, "neither SSH's nor PGP's"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy, err := trust.New(trust.Config{AllowedSigners: []byte(test.signers), RevokedKeys: []byte(test.revoked), Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			names, err := policy.Verify(test.signature, []byte(test.payload))
			if !slices.Equal(names, test.names) || (err == nil) != (test.why == "") || (err != nil && !strings.Contains(err.Error(), test.why)) {
				t.Errorf("Verify = %v, %v; want %v, %q", names, err, test.names, test.why)
			}
		})
	}
}

func TestPGPSignatures(t *testing.T) {
	t.Parallel()
	jo, err := openpgp.NewEntity("Jo", "", "jo@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	eve, err := openpgp.NewEntity("Eve", "", "eve@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var ring, good, bad bytes.Buffer
	w, err := armor.Encode(&ring, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := jo.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for entity, out := range map[*openpgp.Entity]*bytes.Buffer{jo: &good, eve: &bad} {
		if err := openpgp.ArmoredDetachSign(out, entity, strings.NewReader("p"), nil); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := trust.New(trust.Config{PGPKeys: ring.Bytes(), Paths: []trust.Rule{{Path: "hosts/*", Signers: []string{"jo@example.com"}}}})
	if err != nil {
		t.Fatal(err)
	}
	names, err := policy.Verify(good.String(), []byte("p"))
	if err != nil || !slices.Contains(names, "jo@example.com") {
		t.Errorf("Verify = %v, %v; want jo", names, err)
	}
	if allowed, _ := policy.AllowsChange(names, "hosts/a.yaml"); !allowed {
		t.Error("jo may not change hosts/a.yaml")
	}
	for what, signature := range map[string]string{"another's": bad.String(), "of another payload": good.String()} {
		payload := map[string]string{"another's": "p", "of another payload": "q"}[what]
		if names, err := policy.Verify(signature, []byte(payload)); err == nil {
			t.Errorf("a signature %s gave %v", what, names)
		}
	}
}

func TestPoliciesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	jo := newKey(t)
	tests := map[string]struct {
		config trust.Config
		why    string
	}{
		"nobody":               {trust.Config{}, "allowedSigners and pgpKeys name no signer"},
		"a pattern":            {trust.Config{AllowedSigners: []byte("*@example.com " + jo.line)}, "name each signer"},
		"a certificate":        {trust.Config{AllowedSigners: []byte("jo cert-authority " + jo.line)}, `option "cert-authority" is not read`},
		"another namespace":    {trust.Config{AllowedSigners: []byte(`jo namespaces="file" ` + jo.line)}, "not for the namespace git"},
		"local time":           {trust.Config{AllowedSigners: []byte(`jo valid-before="20270101" ` + jo.line)}, "in UTC"},
		"no key":               {trust.Config{AllowedSigners: []byte("jo")}, "line 1"},
		"a KRL":                {trust.Config{AllowedSigners: []byte("jo " + jo.line), RevokedKeys: []byte("SSHKRL\n\x00")}, "no KRL"},
		"no PGP key":           {trust.Config{PGPKeys: []byte("x")}, "pgpKeys: "},
		"a stranger's path":    {trust.Config{AllowedSigners: []byte("jo " + jo.line), Paths: []trust.Rule{{Path: "a/", Signers: []string{"eve"}}}}, `"eve", who has no key`},
		"a path of no pattern": {trust.Config{AllowedSigners: []byte("jo " + jo.line), Paths: []trust.Rule{{Path: "a[", Signers: []string{"jo"}}}}, "is no pattern"},
	}
	for name, test := range tests {
		if _, err := trust.New(test.config); err == nil || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s: New = %v, want %q", name, err, test.why)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	jo := newKey(t)
	policy, err := trust.New(trust.Config{AllowedSigners: []byte("jo,eve " + jo.line), Paths: []trust.Rule{
		{Path: "hosts/lab/", Signers: []string{"jo", "eve"}}, {Path: "hosts/", Signers: []string{"jo"}}, {Path: "*.md", Signers: nil},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"hosts/lab/a.yaml": true, "hosts/a.yaml": false, "hosts": true, "README.md": false, "docs/a.md": true, "workloads/x": true} {
		if got, who := policy.AllowsChange([]string{"eve"}, file); got != want {
			t.Errorf("AllowsChange(eve, %s) = %t (%v), want %t", file, got, who, want)
		}
	}
}
