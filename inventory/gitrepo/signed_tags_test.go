package gitrepo_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
)

// tag makes a tag, signed, and pushes it.
func (s *signed) tag(signer, name, commit string) {
	s.Helper()
	args := []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + filepath.Join(s.dir, signer+".pub"), "tag",
		"-s"}
	if signer == "" {
		args = []string{"tag", "-a"}
	}
	s.git(append(args, "-m", "release "+name, name, commit)...)
	s.git("push", "-q", "origin", "refs/tags/"+name)
}

// releasing is a configuration in which only the named may sign tags of the ring prod; commits need no signature.
func (s *signed) releasing(c trust.Config, signers ...string) gitrepo.Config {
	s.Helper()
	for _, name := range signers {
		c.AllowedSigners = fmt.Appendf(c.AllowedSigners, "%s@example.com %s\n", name, s.public(name))
	}
	policy, err := trust.New(c)
	if err != nil {
		s.Fatal(err)
	}
	return gitrepo.Config{
		URL: s.remote.bare, Branch: "main", TagSigners: policy,
		TagPatterns: func(inventory.Snapshot) map[string]string { return map[string]string{"prod": "prod-*"} },
	}
}

func TestOnlySignedTagsAreReleases(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "jo", "eve")
	first, second := s.change("", "hosts/a.yaml"), s.change("jo", "hosts/a.yaml")
	repo := open(t, s.releasing(trust.Config{}, "jo"))

	s.git("tag", "prod-1", second) // a signed commit does not make a signed tag
	s.git("push", "-q", "origin", "prod-1")
	runs(t, repo, "", "", "tag prod-1: it is not signed, having no tag object")
	s.tag("", "prod-2", first)
	runs(t, repo, "", "", "tag prod-2: it is not signed: have an allowed signer tag")
	s.tag("eve", "prod-3", first)
	runs(t, repo, "", "", "is not an allowed signer's")
	s.tag("jo", "prod-4", first)
	runs(t, repo, "prod-4", first, "")
	s.tag("eve", "prod-5", second)
	runs(t, repo, "prod-4", first, "tag prod-5: its key")

	signedTag := s.git("rev-parse", "prod-4") // jo's own signature, shown under another name
	s.git("push", "-q", "origin", signedTag+":refs/tags/prod-6")
	runs(t, repo, "prod-4", first, `tag prod-6: its object is that of a tag "prod-4"`)
	tampered := strings.Replace(s.git("cat-file", "tag", "prod-4"), first, second, 1)
	tampered = strings.Replace(tampered, "tag prod-4", "tag prod-7", 1)
	s.git("push", "-q", "origin", gitInput(t, filepath.Join(s.dir, "clone"), tampered+"\n", "hash-object", "-t", "tag",
		"-w", "--stdin")+":refs/tags/prod-7")
	runs(t, repo, "prod-4", first, "tag prod-7: its signature is wrong")
	s.tag("jo", "prod-8", second)
	runs(t, repo, "prod-8", second, "")
}

func TestATagOfARevokedKeyStaysWithoutBeingTrusted(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "jo", "ann")
	first, second := s.change("", "hosts/a.yaml"), s.change("", "hosts/a.yaml")
	config := s.releasing(trust.Config{}, "jo", "ann")
	repo := open(t, config)
	s.tag("ann", "prod-1", second)
	runs(t, repo, "prod-1", second, "")
	s.tag("jo", "prod-2", first)
	runs(t, repo, "prod-2", first, "")
	config.TagSigners = s.releasing(trust.Config{RevokedKeys: []byte(s.public("jo") + "\n")}, "jo", "ann").TagSigners
	revoked := restart(t, config, repo)
	runs(t, revoked, "prod-2", first, "is revoked")          // it does not go back by itself
	runs(t, open(t, config), "prod-1", second, "is revoked") // who never knew it does not take it
	s.tag("jo", "prod-3", second)
	runs(t, revoked, "prod-2", first, "tag prod-3: its key")
	s.tag("ann", "prod-4", second)
	runs(t, revoked, "prod-4", second, "")
}

func TestTagsSignedWithPGP(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	commit := s.change("", "hosts/a.yaml")
	entity := map[string]*openpgp.Entity{}
	var ring bytes.Buffer
	for _, name := range []string{"jo", "eve"} {
		made, err := openpgp.NewEntity(name, "", name+"@example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		entity[name] = made
	}
	w, err := armor.Encode(&ring, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := entity["jo"].Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	repo := open(t, s.releasing(trust.Config{PGPKeys: ring.Bytes()}))
	tag := func(signer, name string) {
		payload := fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger A User <a@example.com> 1700000000 "+
			"+0000\n\nrelease\n", commit, name)
		var signature bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&signature, entity[signer], strings.NewReader(payload), nil); err != nil {
			t.Fatal(err)
		}
		made := gitInput(t, filepath.Join(s.dir, "clone"), payload+signature.String()+"\n", "mktag")
		s.git("push", "-q", "origin", made+":refs/tags/"+name)
	}
	tag("eve", "prod-1")
	runs(t, repo, "", "", "tag prod-1: its PGP signature does not count")
	tag("jo", "prod-2")
	runs(t, repo, "prod-2", commit, "")
}
