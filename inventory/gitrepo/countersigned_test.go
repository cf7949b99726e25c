package gitrepo_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// twoSigners is a repository whose ring prod runs prod-1, which jo signed, under a configuration that counts signers. Her other key is known by one name of
// hers and one of its own; ann's key is another allowed signer's, and old's was one.
func twoSigners(t *testing.T, r *remote) (*signed, gitrepo.Config) {
	t.Helper()
	s := newSignedOver(t, r, "jo", "jo2", "ann", "eve", "old")
	s.change("jo", "hosts/a.yaml")
	policy, err := trust.New(trust.Config{
		AllowedSigners: fmt.Appendf(nil,
			"jo@example.com,jo %s\nJo@Example.com,laptop %s\nann@example.com %s\nold@example.com %s\n", s.public("jo"),
			s.public("jo2"), s.public("ann"), s.public("old")),
		RevokedKeys: []byte(s.public("old") + "\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	config := r.config
	config.TagSigners, config.TwoSigners = policy, true
	config.TagPatterns = func(inventory.Snapshot) map[string]string { return map[string]string{"prod": "prod-*"} }
	s.tag("jo", "prod-1", "HEAD")
	return s, config
}

// counts checks who countersigned what the ring prod runs, or why nobody did.
func (s *signed) counts(repo *gitrepo.Repo, tag, second, why string) inventory.Sources {
	s.Helper()
	sources, err := repo.Latest(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	release := sources.Releases["prod"]
	got := release.Signatures
	if release.Tag != tag || got.Tag != tag || got.Second != second {
		s.Fatalf("prod runs %q (%s), countersigned by %q, want %q by %q: %+v", release.Tag, release.Trouble, got.Second,
			tag, second, got)
	}
	if (why == "") != (got.Why == "") || !strings.Contains(got.Why, why) {
		s.Fatalf("prod runs %q, why it is not countersigned is %q, want %q", tag, got.Why, why)
	}
	return sources
}

// A tag with one good signature is a release, whoever signed its commit; who countersigned its object is said beside.
func TestATagIsCountersigned(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		s, config := twoSigners(t, r)
		repo := open(t, config)
		first := s.counts(repo, "prod-1", "", "")
		if got, want := first.Releases["prod"].Signatures,
			(inventory.Signatures{Tag: "prod-1", Object: s.git("rev-parse", "prod-1"),
				Signer: "jo@example.com, jo"}); got != want {
			t.Errorf("signatures %+v, want %+v", got, want)
		}
		runs(t, repo, "prod-1", s.git("rev-parse", "HEAD"), "")

		for _, command := range change.Countersign("prod-1") { // as people are told to
			command = strings.Replace(strings.ReplaceAll(command, "$USER", "ann"), "git ",
				"git -c gpg.format=ssh -c user.signingkey="+filepath.Join(s.dir, "ann.pub")+" ", 1)
			s.run(filepath.Join(s.dir, "clone"), "sh", "-c", command)
		}
		second := s.counts(repo, "prod-1", "ann@example.com", "")
		if first.Key() == second.Key() {
			t.Error("sources with a countersignature cannot be told from those without")
		}
		s.counts(restart(t, config, repo), "prod-1", "ann@example.com", "")
		s.git("push", "-q", "origin", ":refs/tags/countersign/prod-1/ann")
		s.counts(repo, "prod-1", "", "")
		s.git("push", "-q", "origin", "countersign/prod-1/ann")
		s.counts(repo, "prod-1", "ann@example.com", "")
	})
}

func TestWhatIsNoCountersignature(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	s, config := twoSigners(t, r)
	older := s.git("rev-parse", "HEAD")
	s.change("jo", "hosts/a.yaml")
	s.tag("jo", "other-1", older)  // another tag of the same commit
	s.tag("jo", "other-2", "HEAD") // and of another one
	lightweight := func(name, target string) { s.git("push", "-q", "origin", target+":refs/tags/"+name) }
	for name, test := range map[string]struct {
		push func(ref string)
		why  string
	}{
		"the same signer":   {func(ref string) { s.tag("jo", ref, "prod-1") }, "jo@example.com signed the tag too"},
		"the same person":   {func(ref string) { s.tag("jo2", ref, "prod-1") }, "Jo@Example.com signed the tag too"},
		"an unknown signer": {func(ref string) { s.tag("eve", ref, "prod-1") }, "is not an allowed signer's"},
		"a revoked key":     {func(ref string) { s.tag("old", ref, "prod-1") }, "is revoked"},
		"nobody":            {func(ref string) { s.tag("", ref, "prod-1") }, "it is not signed"},
		"the commit": {func(ref string) { s.tag("ann", ref, "prod-1^{commit}") },
			"it is of the commit, not of tag prod-1"},
		"another tag": {func(ref string) { s.tag("ann", ref, "other-1") }, "it is of another tag object"},
		"another commit's tag": {func(ref string) { s.tag("ann", ref, "other-2") },
			"it is of another commit than tag prod-1"},
		"a countersignature": {func(ref string) {
			s.git("tag", "-f", "-a", "-m", "x", "inner", "prod-1")
			s.tag("ann",
				ref, "inner")
		}, "it is of another tag object"},
		"the tag itself": {func(ref string) { lightweight(ref, s.git("rev-parse", "prod-1")) },
			`its object is that of a tag "prod-1"`},
		"a bare commit": {func(ref string) { lightweight(ref, older) }, "it is not signed, having no tag object"},
		"another ref's": {func(ref string) {
			s.tag("ann", "countersign/prod-9/ann", "prod-1")
			lightweight(ref, s.git("rev-parse", "countersign/prod-9/ann"))
		}, `its object is that of a tag "countersign/prod-9/ann"`},
	} {
		ref := "countersign/prod-1/x"
		repo := open(t, config)
		test.push(ref)
		release := s.counts(repo, "prod-1", "", test.why).Releases["prod"]
		if !strings.HasPrefix(release.Signatures.Why, ref+" does not count: ") || release.Trouble != "" {
			t.Errorf("%s: it says %q, and the ring's trouble is %q", name, release.Signatures.Why, release.Trouble)
		}
		if name == "another commit's tag" && gitrepo.Has(repo, s.git("rev-parse", ref)) {
			t.Errorf("%s was fetched", name)
		}
		s.tag("ann", "countersign/prod-1/y", "prod-1") // beside it, a good one counts
		s.counts(repo, "prod-1", "ann@example.com", "")
		s.git("push", "-q", "origin", ":refs/tags/"+ref, ":refs/tags/countersign/prod-1/y")
		s.git("tag", "-d", "countersign/prod-1/y")
		if s.git("tag", "--list", ref) != "" { // it was made in the clone
			s.git("tag", "-d", ref)
		}
		s.counts(repo, "prod-1", "", "")
	}
}

// A release tag that is made anew has nothing of the countersignatures of the one before, whoever looked at it and said so.
func TestACountersignatureIsOfOneObject(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	s, config := twoSigners(t, r)
	repo := open(t, config)
	s.tag("ann", "countersign/prod-1/ann", "prod-1")
	s.counts(repo, "prod-1", "ann@example.com", "")

	s.git("tag", "-d", "prod-1")
	s.git("push", "-q", "origin", ":refs/tags/prod-1")
	commit := s.git("rev-parse", "HEAD")
	s.git("-c", "gpg.format=ssh", "-c", "user.signingkey="+filepath.Join(s.dir, "jo.pub"), "tag", "-s", "-m",
		"made anew", "prod-1", commit)
	s.git("push", "-q", "origin", "prod-1")
	runs(t, repo, "prod-1", commit, "tag prod-1 was moved") // nothing is erased
	if err := repo.RepinTag("prod-1"); err != nil {
		t.Fatal(err)
	}
	s.counts(repo, "prod-1", "", "it is of another tag object")
	s.counts(open(t, config), "prod-1", "", "it is of another tag object")

	s.git("tag", "-d", "countersign/prod-1/ann")
	s.git("push", "-q", "origin", ":refs/tags/countersign/prod-1/ann")
	s.tag("ann", "countersign/prod-1/ann", "prod-1")
	s.counts(repo, "prod-1", "ann@example.com", "")
	s.tag("jo", "prod-2", commit) // another release needs its own
	s.counts(repo, "prod-2", "", "")
}

func TestACountersignatureIsNoRelease(t *testing.T) {
	t.Parallel()
	s, config := twoSigners(t, overPath(t))
	s.tag("ann", "countersign/prod-1/ann", "prod-1")
	s.tag("ann", "countersign/prod-1/v99", "HEAD")
	for _, pattern := range []string{"*", "countersign/*", "countersign/prod-1/*", "c*"} {
		config.TagPatterns = func(inventory.Snapshot) map[string]string { return map[string]string{"prod": pattern} }
		sources, err := open(t, config).Latest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if tag := sources.Releases["prod"].Tag; strings.HasPrefix(tag, "countersign") ||
			(tag == "prod-1") != (pattern == "*") {
			t.Errorf("a ring that follows %s runs %q", pattern, tag)
		}
	}
}

// Whoever may push tags cannot have many of them fetched; those in the way are named.
func TestAFewCountersignaturesAreLookedAt(t *testing.T) {
	t.Parallel()
	s, config := twoSigners(t, overPath(t))
	repo := open(t, config)
	refs := []string{"push", "-q", "origin"}
	for n := range 20 {
		name := fmt.Sprintf("countersign/prod-1/%02d", n)
		s.git("tag", "-a", "-m", "x", name, "prod-1")
		refs = append(refs, name)
	}
	s.git(refs...)
	s.tag("ann", "countersign/prod-1/ann", "prod-1")
	s.counts(repo, "prod-1", "",
		"21 others are there, of which the first 16 are looked at: delete those that do not count")
	if fetched := strings.Count(strings.Join(gitrepo.References(repo), "\n"), "countersign/"); fetched != 16 {
		t.Errorf("%d countersignatures were fetched, want 16", fetched)
	}
	s.git(append([]string{"push", "-q", "origin", "--delete"}, refs[3:]...)...)
	s.counts(repo, "prod-1", "ann@example.com", "")
}

// A poll that finds the countersignatures as they were is one request, and none is fetched where nobody asked for two signers.
func TestCountersignaturesArePolledWithTheTags(t *testing.T) {
	t.Parallel()
	r := overHTTP(t)
	s, config := twoSigners(t, r)
	s.tag("ann", "countersign/prod-1/ann", "prod-1")
	s.tag("ann", "countersign/other/ann", "prod-1")
	repo := open(t, config)
	s.counts(repo, "prod-1", "ann@example.com", "")
	requests := r.requests.Load()
	s.counts(repo, "prod-1", "ann@example.com", "")
	if got := r.requests.Load() - requests; got != 1 {
		t.Errorf("a poll without news took %d requests, want 1", got)
	}
	if refs := strings.Join(gitrepo.References(repo), " "); strings.Contains(refs, "countersign/other") {
		t.Errorf("fetched %s", refs)
	}
	config.TwoSigners = false
	one := open(t, config)
	runs(t, one, "prod-1", s.git("rev-parse", "HEAD"), "")
	if refs := strings.Join(gitrepo.References(one), " "); strings.Contains(refs, "countersign") {
		t.Errorf("fetched %s", refs)
	}
}
