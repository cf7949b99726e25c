package gitrepo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

func TestEverythingDeletedIsAnEmptySnapshot(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		first := r.commit(t, "main", "", map[string]node{"a": text("1")})
		repo := open(t, r.config)
		latest(t, repo)
		empty := r.commit(t, "main", first, nil)
		got := latest(t, repo)
		if got.Commit != empty || len(got.Files) != 0 {
			t.Errorf("snapshot of an empty tree = %+v", got)
		}
	})
}

func TestWhatCannotBeReadIsRefusedAtItsPlace(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("d/", 17)
	overEach(t, func(t *testing.T, r *remote) {
		good := r.commit(t, "main", "", map[string]node{"a": text("1")})
		repo := open(t, r.config)
		latest(t, repo)
		for file, bad := range map[string]struct {
			node
			place string
		}{
			"dir/link":        {node{"120000", "/etc/passwd"}, "dir/link"},
			"vendor/module":   {node{"160000", good}, "vendor/module"},
			"dir/large.bin":   {text(strings.Repeat("x", 1<<20+1)), "dir/large.bin"},
			"dir/..":          {text("up"), "dir/.."},
			".git":            {text("hook"), ".git"},
			"sub/.GIT/config": {text("hook"), "sub/.GIT"},
			"back\\slash":     {text("x"), "back\\slash"},
			"control\x01":     {text("x"), "control?"},
			"A/x":             {text("besides a/x"), "a"},
			"ntfs/GIT~1":      {text("hook"), "ntfs/GIT~1"},
			"ntfs/.git. ":     {text("hook"), "ntfs/.git. "},
			"ntfs/.git:x":     {text("hook"), "ntfs/.git:x"},
			"hfs/.g\u200cit":  {text("hook"), "hfs/.g?it"},
			"bidi\u202eyaml":  {text("looks like another name"), "bidi?yaml"},
			"caf\u00e9":       {text("besides the same in two letters"), "caf\u00e9"},
			deep + "x":        {text("deep"), strings.TrimSuffix(deep, "/")},
		} {
			r.commit(t, "main", good, map[string]node{file: bad.node, "a/x": text("fine"), "cafe\u0301": text("fine")})
			_, err := repo.Latest(t.Context())
			var refused gitrepo.Refused
			if !errors.As(err, &refused) || len(refused.Findings) == 0 || refused.Findings[0].File != bad.place {
				t.Errorf("%q: %v, want Refused at %q", file, err, bad.place)
			}
			if repo.AcceptedCommit() != good {
				t.Fatalf("%q: the accepted commit moved", file)
			}
		}
		r.commit(t, "main", good, map[string]node{"bad\xff": text("x")})
		if _, err := repo.Latest(t.Context()); !errors.As(err, new(gitrepo.Refused)) {
			t.Errorf("a name that is not UTF-8: %v, want Refused", err)
		}
	})
}

// A few objects can name a tree of 16^15 directories: the reader must not walk it.
func TestATreeOfEmptyDirectoriesEnds(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	tree := r.tree(t, nil)
	for range 15 {
		level := map[string]node{}
		for _, name := range strings.Split("0123456789abcdef", "") {
			level[name] = node{"40000", tree}
		}
		tree = r.tree(t, level)
	}
	git(t, r.bare, "update-ref", "refs/heads/main", git(t, r.bare, "commit-tree", tree, "-m", "bomb"))
	if _, err := open(t, r.config).Latest(t.Context()); !errors.As(err, new(gitrepo.Refused)) {
		t.Errorf("Latest = %v, want Refused", err)
	}
}

// The same commit is taken or refused whatever was read before it.
func TestLimitsDoNotDependOnWhatIsKnown(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.config.Limits.Total = 10
	first := r.commit(t, "main", "", map[string]node{"a": text("123456")})
	repo := open(t, r.config)
	latest(t, repo)
	r.commit(t, "main", first, map[string]node{"a": text("123456"), "b": text("123456")})
	for when, subject := range map[string]*gitrepo.Repo{"known": repo, "fresh": open(t, r.config)} {
		if _, err := subject.Latest(t.Context()); !errors.As(err, new(gitrepo.Refused)) {
			t.Errorf("%s: Latest = %v, want Refused", when, err)
		}
	}
	r.config.Limits = gitrepo.Limits{Files: 1}
	if _, err := open(t, r.config).Latest(t.Context()); !errors.As(err, new(gitrepo.Refused)) {
		t.Errorf("two files, one allowed: Latest = %v, want Refused", err)
	}
}
