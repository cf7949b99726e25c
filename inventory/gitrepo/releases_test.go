package gitrepo_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// follow reads the rings of these tests from a file, with a ring and its pattern on each line.
func follow(trunk inventory.Snapshot) map[string]string {
	patterns := map[string]string{}
	for line := range strings.Lines(string(trunk.Files["rings"].Data)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			patterns[fields[0]] = fields[1]
		}
	}
	return patterns
}

// history commits n versions of the file "a" to the trunk, which has one ring, prod, that follows prod-*.
func (r *remote) history(t *testing.T, n int) (commits []string) {
	t.Helper()
	r.config.TagPatterns = follow
	for i := range n {
		parent := ""
		if i > 0 {
			parent = commits[i-1]
		}
		commits = append(commits, r.version(t, parent, fmt.Sprint(i)))
	}
	return commits
}

func (r *remote) version(t *testing.T, parent, content string) string {
	t.Helper()
	return r.commit(t, "main", parent, map[string]node{"a": text(content), "rings": text("prod prod-*\n"),
		"big": text("unchanged")})
}

func (r *remote) tag(t *testing.T, args ...string) {
	t.Helper()
	git(t, r.bare, append([]string{"tag"}, args...)...)
}

// runs checks what the ring prod runs: a tag, its commit, and what must be said of the tags, "" for nothing.
func runs(t *testing.T, repo *gitrepo.Repo, tag, commit, trouble string) inventory.Release {
	t.Helper()
	sources, err := repo.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, ok := sources.Releases["prod"]
	if !ok || got.Tag != tag || got.Snapshot.Commit != commit {
		t.Fatalf("prod runs %q at %.12s (%s), want %q at %.12s", got.Tag, got.Snapshot.Commit, got.Trouble, tag, commit)
	}
	if (trouble == "") != (got.Trouble == "") || !strings.Contains(got.Trouble, trouble) ||
		strings.Contains(got.Trouble, "\n") {
		t.Fatalf("prod at %s: trouble %q, want %q", tag, got.Trouble, trouble)
	}
	return got
}

// restart is a new process with what the one before has kept.
func restart(t *testing.T, config gitrepo.Config, before *gitrepo.Repo) *gitrepo.Repo {
	t.Helper()
	config.Accepted, config.RememberedTags = before.AcceptedCommit(), before.RememberedTags()
	return open(t, config)
}

func TestARingRunsTheNewestTagOfItsPattern(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		c := r.history(t, 4)
		repo := open(t, r.config)
		runs(t, repo, "", "", "")
		r.tag(t, "prod-v9", c[1])
		r.tag(t, "other-v99", c[3])
		one := runs(t, repo, "prod-v9", c[1], "")
		if string(one.Snapshot.Files["a"].Data) != "1" {
			t.Errorf("the release holds %q", one.Snapshot.Files["a"].Data)
		}
		if trunk := latest(t, repo); trunk.Commit != c[3] ||
			&trunk.Files["big"].Data[0] != &one.Snapshot.Files["big"].Data[0] {
			t.Errorf("trunk at %s; or the release does not share its blobs", trunk.Commit)
		}
		if _, err := repo.Publish(t.Context(), map[string][]byte{"README.md": []byte("board\n")},
			"status"); err != nil {
			t.Fatal(err)
		}
		r.tag(t, "-a", "-m", "ten", "prod-v10.0.0", c[3])
		r.tag(t, "prod-v10.0.0-rc.2", c[2])
		if two := runs(t, repo, "prod-v10.0.0", c[3], ""); two.Snapshot.Files["a"].Blob != latest(t,
			repo).Files["a"].Blob {
			t.Error("the release at the tip is not the trunk's tree")
		}
		r.tag(t, "-a", "-m", "back", "prod-v10.0.1", c[0])
		runs(t, repo, "prod-v10.0.1", c[0], "")
		runs(t, restart(t, r.config, repo), "prod-v10.0.1", c[0], "")
		runs(t, open(t, r.config), "prod-v10.0.1", c[0], "")
		if refs := strings.Join(gitrepo.References(repo), " "); strings.Contains(refs, "other") {
			t.Errorf("fetched %s", refs)
		}
	})
}

func TestAPollWithoutNewsIsOneRequest(t *testing.T) {
	t.Parallel()
	for name, rings := range map[string]string{"no rings": "", "rings": "prod prod-*\nstage stage-*\n"} {
		r := overHTTP(t)
		r.config.TagPatterns = follow
		first := r.commit(t, "main", "", map[string]node{"rings": text(rings)})
		r.tag(t, "-a", "-m", "one", "prod-1", first)
		r.tag(t, "unrelated", first)
		repo := open(t, r.config)
		before, err := repo.Latest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.tag(t, "unrelated2", first)
		requests := r.requests.Load()
		after, err := repo.Latest(t.Context())
		if err != nil || r.requests.Load() != requests+1 {
			t.Errorf("%s: a poll took %d requests, %v", name, r.requests.Load()-requests, err)
		}
		if reflect.ValueOf(before.Trunk.Files).Pointer() != reflect.ValueOf(after.Trunk.Files).Pointer() ||
			len(before.Releases) != strings.Count(rings, "\n") {
			t.Errorf("%s: trees were read again, or %d releases", name, len(before.Releases))
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: sources changed: %s", name, diff)
		}
	}
}

func TestATagThatIsNotOnTheTrunkIsNoRelease(t *testing.T) {
	t.Parallel()
	overMany(t, func(t *testing.T, r *remote) {
		c := r.history(t, 2)
		r.tag(t, "prod-1", c[0])
		side := r.commit(t, "side", c[0], map[string]node{"a": text("evil"), "rings": text("prod prod-*\n")})
		orphan := r.commit(t, "orphan", "", map[string]node{"a": text("evil")})
		repo := open(t, r.config)
		runs(t, repo, "prod-1", c[0], "")
		r.tag(t, "-a", "-m", "side", "prod-2", side)
		r.tag(t, "prod-3", orphan)
		r.tag(t, "prod-4", git(t, r.bare, "rev-parse", c[1]+":a"))
		runs(t, repo, "prod-1", c[0], "tag prod-4: ")
		git(t, r.bare, "tag", "-d", "prod-4")
		runs(t, repo, "prod-1", c[0], "tag prod-3: "+orphan[:12]+" is not a commit of branch main")
		if gitrepo.Has(repo, side) || gitrepo.Has(repo, orphan) ||
			gitrepo.Has(repo, git(t, r.bare, "rev-parse", "prod-2")) {
			t.Error("what is not on the trunk was fetched")
		}
		git(t, r.bare, "tag", "-d", "prod-3")
		runs(t, repo, "prod-1", c[0], "tag prod-2: "+side[:12]+" is not a commit of branch main")

		merge := git(t, r.bare, "commit-tree", side+"^{tree}", "-p", c[1], "-p", side, "-m", "merge")
		git(t, r.bare, "update-ref", "refs/heads/main", merge)
		runs(t, repo, "prod-2", side, "")
	})
}

func TestAMovedTagIsNotFollowed(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		c := r.history(t, 3)
		for name, kind := range map[string][]string{"lightweight": nil, "annotated": {"-a", "-m", "again"}} {
			r.config.TagPatterns = func(inventory.Snapshot) map[string]string {
				return map[string]string{"prod": name +
					"-*"}
			}
			tag := name + "-1"
			at := func(commit string, more ...string) []string { return append(append(more, kind...), tag, commit) }
			r.tag(t, at(c[1])...)
			repo := open(t, r.config)
			runs(t, repo, tag, c[1], "")
			from := git(t, r.bare, "rev-parse", tag)
			r.tag(t, at(c[2], "-f")...)
			moved := fmt.Sprintf("tag %s was moved from %s to %s", tag, from[:12],
				git(t, r.bare, "rev-parse", tag)[:12])
			runs(t, repo, tag, c[1], moved)
			runs(t, repo, tag, c[1], "ingot trust repin --tag "+tag)
			repo = restart(t, r.config, repo)
			runs(t, repo, tag, c[1], moved)

			git(t, r.bare, "tag", "-d", tag) // deleted, and made anew at another commit
			runs(t, repo, tag, c[1], "was deleted")
			r.tag(t, at(c[0])...)
			runs(t, repo, tag, c[1], "was moved")
			r.tag(t, name+"-2", c[2]) // a newer name ends the trouble, as the message says
			runs(t, repo, name+"-2", c[2], "")
			repo = restart(t, r.config, repo)
			runs(t, repo, name+"-2", c[2], "")
		}
	})
}

func TestARepinnedTagIsTakenForWhatItIs(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	c := r.history(t, 3)
	r.tag(t, "prod-1", c[2])
	repo := open(t, r.config)
	runs(t, repo, "prod-1", c[2], "")
	r.tag(t, "-f", "prod-1", c[0])
	runs(t, repo, "prod-1", c[2], "was moved")
	if err := repo.RepinTag("refs/tags/prod-1"); err != nil {
		t.Fatal(err)
	}
	runs(t, repo, "prod-1", c[0], "")
	if err := repo.RepinTag("prod-7"); err == nil || !strings.Contains(err.Error(), "prod-7") {
		t.Errorf("RepinTag of a tag nobody saw = %v", err)
	}
}

func TestADeletedTagStaysTheRelease(t *testing.T) {
	t.Parallel()
	overMany(t, func(t *testing.T, r *remote) {
		c := r.history(t, 3)
		r.tag(t, "prod-1", c[0])
		r.tag(t, "-a", "-m", "two", "prod-2", c[1])
		object := git(t, r.bare, "rev-parse", "prod-2")
		repo := open(t, r.config)
		runs(t, repo, "prod-2", c[1], "")
		git(t, r.bare, "tag", "-d", "prod-2")
		runs(t, repo, "prod-2", c[1], "tag prod-2 was deleted")
		repo = restart(t, r.config, repo)
		runs(t, repo, "prod-2", c[1], "ingot trust repin --tag prod-2")
		git(t, r.bare, "update-ref", "refs/tags/prod-2", object)
		runs(t, repo, "prod-2", c[1], "")
		git(t, r.bare, "tag", "-d", "prod-2")
		if err := repo.RepinTag("prod-2"); err != nil {
			t.Fatal(err)
		}
		runs(t, repo, "prod-1", c[0], "")
	})
}

func TestATagObjectOfAnotherNameIsNoRelease(t *testing.T) {
	t.Parallel()
	r := overHTTP(t)
	c := r.history(t, 2)
	r.tag(t, "prod-1", c[0])
	made := gitInput(t, r.bare,
		fmt.Sprintf("object %s\ntype commit\ntag prod-0.9\ntagger A User <a@example.com> 1700000000 +0000\n\nolder\n",
			c[1]), "mktag")
	git(t, r.bare, "update-ref", "refs/tags/prod-2", made)
	repo := open(t, r.config)
	runs(t, repo, "prod-1", c[0], `tag prod-2: its object is that of a tag "prod-0.9"`)
	nested := gitInput(t, r.bare,
		fmt.Sprintf("object %s\ntype tag\ntag prod-3\ntagger A User <a@example.com> 1700000000 +0000\n\nnested\n",
			made), "mktag")
	git(t, r.bare, "update-ref", "refs/tags/prod-3", nested)
	runs(t, repo, "prod-1", c[0], "tag prod-3: it is a tag of a tag")
	long := gitInput(t, r.bare,
		fmt.Sprintf("object %s\ntype commit\ntag prod-4\ntagger A User <a@example.com> 1700000000 +0000\n\n%s\n", c[1],
			strings.Repeat("x", 1<<20)), "mktag")
	git(t, r.bare, "update-ref", "refs/tags/prod-4", long)
	runs(t, repo, "prod-1", c[0], "tag prod-4: its object has more than 1048576 bytes")
}

func TestATreeThatIsRefusedIsNoRelease(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.config.TagPatterns = follow
	good := r.version(t, "", "1")
	bad := r.commit(t, "main", good, map[string]node{"dir/link": {"120000", "/etc/passwd"}})
	tip := r.version(t, bad, "2")
	r.tag(t, "prod-1", good)
	r.tag(t, "prod-2", bad)
	repo := open(t, r.config)
	runs(t, repo, "prod-1", good, "dir/link")
	r.tag(t, "prod-3", tip)
	runs(t, repo, "prod-3", tip, "")
}

func TestUnrelatedTagsAreNotFetched(t *testing.T) {
	t.Parallel()
	overMany(t, func(t *testing.T, r *remote) {
		c := r.history(t, 3)
		other := r.commit(t, "elsewhere", "", map[string]node{"secret": text("unrelated")})
		var refs strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&refs, "create refs/tags/build-%d %s\ncreate refs/tags/prod-0.%d %s\n", i, other, i, c[0])
		}
		gitInput(t, r.bare, refs.String(), "update-ref", "--stdin")
		git(t, r.bare, "update-ref", "refs/pull/1/head", other)
		r.tag(t, "-a", "-m", "x", "prod-0.5000", c[0])
		r.tag(t, "-a", "-m", "one", "prod-1", c[1])
		repo := open(t, r.config)
		runs(t, repo, "prod-1", c[1], "")
		if gitrepo.Has(repo, other) || len(gitrepo.References(repo)) > 3 {
			t.Errorf("unrelated objects were fetched: %v", gitrepo.References(repo))
		}
		if seen := repo.RememberedTags(); len(seen) != 1 {
			t.Errorf("%d tags are remembered, want prod-1 alone", len(seen))
		}
	})
}

// A list of tags that fails does not hold up the trunk, on which protection acts at once.
func TestTagsThatCannotBeListedKeepTheirRelease(t *testing.T) {
	t.Parallel()
	r := overHTTP(t)
	c := r.history(t, 2)
	r.tag(t, "prod-1", c[0])
	repo := open(t, r.config)
	runs(t, repo, "prod-1", c[0], "")
	third := r.version(t, c[1], "3")
	r.tag(t, "prod-2", third)
	r.failing.Store(1)
	runs(t, repo, "prod-1", c[0], "the tags cannot be read")
	if got := repo.AcceptedCommit(); got != third {
		t.Errorf("the trunk is at %s, want %s", got, third)
	}
	runs(t, repo, "prod-2", third, "")
}

func TestARewrittenTrunkDoesNotTakeReleasesAway(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	c := r.history(t, 3)
	r.tag(t, "prod-1", c[2])
	repo := open(t, r.config)
	runs(t, repo, "prod-1", c[2], "")
	other := r.version(t, c[0], "other")
	if _, err := repo.Latest(t.Context()); !errors.As(err, new(gitrepo.HistoryRewritten)) {
		t.Fatalf("Latest of a rewritten trunk = %v", err)
	}
	if err := repo.RepinTrunk(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	runs(t, repo, "prod-1", c[2], "is not a commit of branch main")
	git(t, r.bare, "tag", "prod-0", c[0])
	runs(t, restart(t, r.config, repo), "", "",
		"is not a commit of branch main") // nothing to read it from, and no way back to an older one
}

func TestWhatIsRememberedOfTagsMustBeReadable(t *testing.T) {
	t.Parallel()
	for _, bad := range []map[string]string{{"refs/tags/a": "0123"}, {"a": strings.Repeat("0", 40)},
		{"refs/tags/a": strings.Repeat("1", 40) + " x"}} {
		if _, err := gitrepo.Open(gitrepo.Config{URL: "/srv/fleet.git", RememberedTags: bad}); err == nil {
			t.Errorf("Open with %v worked", bad)
		}
	}
	if _, err := gitrepo.Open(gitrepo.Config{URL: "/srv/fleet.git", TwoSigners: true}); err == nil {
		t.Error("two signers without a list of signers worked")
	}
}

func TestTheReleasesOfAClone(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	c := r.history(t, 3)
	r.tag(t, "prod-9", c[0])
	r.tag(t, "-a", "-m", "ten", "prod-10", c[1])
	r.tag(t, "stage-1", git(t, r.bare, "rev-parse", c[1]+":a"))
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, ".", "clone", "-q", r.bare, dir)
	clone, err := gitrepo.OpenClone(dir)
	if err != nil {
		t.Fatal(err)
	}
	patterns := map[string]string{"prod": "prod-*", "stage": "stage-*", "none": "none-*"}
	releases, err := clone.ChooseReleases(patterns, nil)
	if err != nil || len(releases) != 3 {
		t.Fatalf("ChooseReleases = %v, %v", releases, err)
	}
	if got := releases["prod"]; got.Tag != "prod-10" || got.Snapshot.Commit != c[1] || got.Trouble != "" ||
		string(got.Snapshot.Files["a"].Data) != "1" {
		t.Errorf("prod = %+v", got)
	}
	if got := releases["stage"]; got.Tag != "" || !strings.Contains(got.Trouble, "stage-1") {
		t.Errorf("stage, whose tag is of a blob = %+v", got)
	}
	if got := releases["none"]; got.Tag != "" || got.Trouble != "" {
		t.Errorf("none = %+v", got)
	}
	planned, err := clone.ChooseReleases(patterns,
		map[string]string{"prod-11": "main", "stage-1": "prod-9", "none-0": "HEAD~1"})
	if err != nil {
		t.Fatal(err)
	}
	for ring, want := range map[string][2]string{"prod": {"prod-11", c[2]}, "stage": {"stage-1", c[0]},
		"none": {"none-0", c[1]}} {
		if got := planned[ring]; got.Tag != want[0] || got.Snapshot.Commit != want[1] || got.Trouble != "" {
			t.Errorf("%s would run %s at %s (%s), want %v", ring, got.Tag, got.Snapshot.Commit, got.Trouble, want)
		}
	}
	if _, err := clone.ChooseReleases(patterns, map[string]string{"prod-11": "nowhere"}); err == nil ||
		!strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a revision that is not there: %v", err)
	}
}
