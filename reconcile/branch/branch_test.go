package branch_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/reconcile/branch"
	"github.com/gitmetal/ingot/reconcile/status"
)

func document(host string, formerly ...string) status.Document {
	return status.Document{Metadata: status.Metadata{Name: host}, Phase: "Active", Formerly: formerly}
}

func noFleet() map[string][]byte { return nil }

// push carries everything that is due, and gives what it wrote and deleted, by path.
func push(b *branch.Branch) map[string]string {
	c := b.Change(noFleet)
	c.Encode()
	b.Settle(c)
	return told(c)
}

func told(c *branch.Change) map[string]string {
	files := map[string]string{}
	for file, content := range c.Files {
		files[file] = "written"
		if content == nil {
			files[file] = "deleted"
		}
	}
	return files
}

func want(t *testing.T, what string, got map[string]string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAnOldPageGoesWithTheNewOne(t *testing.T) {
	t.Parallel()
	b := branch.New()
	b.Write("old", document("old"), "")
	want(t, "a new page", push(b), map[string]string{status.Path("old"): "written"})
	b.Rename("old", "new")
	want(t, "before the new name's page says what it took over", push(b), map[string]string{})
	if waiting, _ := b.Pending(); waiting {
		t.Error("something can be pushed already: the loop would turn in place")
	}
	b.Write("old", document("old"), "") // another machine's
	want(t, "another machine under the old name must wait", push(b), map[string]string{})
	b.Write("new", document("new", "old"), "")
	want(t, "both", push(b), map[string]string{status.Path("new"): "written", status.Path("old"): "written"})
	want(t, "nothing more", push(b), map[string]string{})
}

func TestAPushUnderWayDoesNotHideARename(t *testing.T) {
	t.Parallel()
	b := branch.New()
	b.Write("old", document("old"), "")
	c := b.Change(noFleet)
	c.Encode()
	b.Rename("old", "new")
	b.Write("old", document("old", "another machine's"), "")
	b.Settle(c)
	if b.Pushed("old") || b.Shows("old", "") {
		t.Error("the page of another machine under the old name counts as pushed")
	}
	b.Write("new", document("new", "old"), "")
	want(t, "after it", push(b), map[string]string{status.Path("new"): "written", status.Path("old"): "written"})
}

func TestNamesInARow(t *testing.T) {
	t.Parallel()
	b := branch.New()
	b.Write("a", document("a"), "")
	push(b)
	b.Rename("a", "b")
	b.Rename("b", "c")
	b.Write("c", document("c", "a", "b"), "")
	want(t, "all at once", push(b), map[string]string{status.Path("a"): "deleted", status.Path("b"): "deleted", status.Path("c"): "written"})
	b.Rename("c", "a") // back, before anything was pushed
	b.Write("a", document("a", "b", "c"), "")
	want(t, "and back", push(b), map[string]string{status.Path("a"): "written", status.Path("c"): "deleted"})
	hosts := map[string]bool{}
	for _, d := range b.Documents() {
		hosts[d.Metadata.Name] = true
	}
	if got := slices.Sorted(maps.Keys(hosts)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("Documents = %v, want a alone", got)
	}
}
