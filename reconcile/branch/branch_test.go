package branch_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/branch"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
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

// TestTwoNamesBeforeAPush renames machines again while nothing can be pushed: the page that alone knows a machine goes with the page that says so, not before.
func TestTwoNamesBeforeAPush(t *testing.T) {
	t.Parallel()
	nothing := map[string]string{}
	b := branch.New()
	b.Write("c", document("c"), "")
	push(b)
	b.Rename("c", "a")
	b.Write("a", document("a", "c"), "")
	b.Rename("a", "b")
	want(t, "before the page under the newest name is written", push(b), nothing)
	b.Write("b", document("b", "c", "a"), "")
	want(t, "all at once", push(b), map[string]string{status.Path("c"): "deleted", status.Path("a"): "deleted", status.Path("b"): "written"})

	b = branch.New()
	b.Write("a", document("a"), "")
	b.Write("c", document("c"), "")
	push(b)
	b.Rename("c", "d") // makes room
	b.Rename("a", "c")
	b.Write("c", document("c", "a"), "")
	want(t, "in a row: the page under a free name waits for the one that was there, and so does its old one", push(b), nothing)
	b.Write("d", document("d", "c"), "")
	want(t, "the row at once", push(b), map[string]string{status.Path("a"): "deleted", status.Path("c"): "written", status.Path("d"): "written"})

	b = branch.New()
	b.Write("a", document("a"), "")
	push(b)
	b.Rename("a", "b")
	b.Write("a", document("a"), "") // another machine's
	b.Rename("a", "x")
	b.Write("x", document("x", "a"), "")
	want(t, "the page of the machine that had the name first stays", push(b), map[string]string{status.Path("x"): "written"})
	b.Write("b", document("b", "a"), "")
	want(t, "and goes with its own", push(b), map[string]string{status.Path("a"): "deleted", status.Path("b"): "written"})
}

// TestOnlyWhatWasTakenOverIsDeleted finds pages under a machine's former name on the branch, where it knows of none.
func TestOnlyWhatWasTakenOverIsDeleted(t *testing.T) {
	t.Parallel()
	page := func(name, serial string, formerly ...string) status.Document {
		d := document(name, formerly...)
		d.APIVersion, d.Kind, d.Epoch, d.Hardware = schemas.APIVersion, status.KindHostStatus, 3, &inventory.Facts{System: inventory.System{Serial: serial}}
		return d
	}
	for name, test := range map[string]struct {
		there []byte
		want  map[string]string
	}{
		"what the machine left":            {page("old", "A").Encode(), map[string]string{status.Path("old"): "deleted"}},
		"another machine's":                {page("old", "B").Encode(), map[string]string{}},
		"what is not ours, or not genuine": {nil, map[string]string{}},
		"what is no document":              {[]byte("{"), map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := branch.New()
			b.Write("new", page("new", "A", "old"), "")
			push(b)
			there := map[string][]byte{status.Path("new"): page("new", "A", "old").Encode(), status.Path("old"): test.there}
			if differ := b.Compare(there); differ != len(test.want) {
				t.Errorf("Compare = %d, want %d", differ, len(test.want))
			}
			if differ := b.Compare(there); differ != 0 {
				t.Errorf("Compare again, before the push = %d, want 0: nobody changed anything meanwhile", differ)
			}
			want(t, "then", push(b), test.want)
		})
	}
}

// TestARowOfThousandsOfNames: what is due is found without walking the row again for every name in it. A square of these is minutes.
func TestARowOfThousandsOfNames(t *testing.T) {
	t.Parallel()
	const hosts = 50_000
	name := func(i int) string { return fmt.Sprintf("h%05d", i) }
	b := branch.New()
	for i := range hosts {
		b.Supersede(name(i), name(i+1))
	}
	for i := range hosts - 1 {
		b.Write(name(i+1), document(name(i+1), name(i)), "")
	}
	if c := b.Change(noFleet); len(c.Hosts()) != 0 || len(c.Files) != 0 {
		t.Errorf("%d pages and %d files are due, want none before the last page of the row is written", len(c.Hosts()), len(c.Files))
	}
	b.Write(name(hosts), document(name(hosts), name(hosts-1)), "")
	if waiting, _ := b.Pending(); !waiting {
		t.Error("nothing is due, want the whole row")
	}
	if c := b.Change(noFleet); len(c.Hosts()) != hosts || len(c.Files) != hosts {
		t.Errorf("%d pages and %d former names are due, want %d each", len(c.Hosts()), len(c.Files), hosts)
	}
}

// TestAReservedNamesPageIsNotTheMachines gives a machine a name whose own page, which says nothing, is there already, or is just being pushed.
func TestAReservedNamesPageIsNotTheMachines(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"pushed before": false, "being pushed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := branch.New()
			b.Write("old", document("old"), "")
			push(b)
			b.Write("new", document("new"), "")
			c := b.Change(noFleet)
			c.Encode()
			if !late {
				b.Settle(c)
			}
			b.Rename("old", "new")
			if late {
				b.Settle(c)
			}
			if b.Shows("new", "") || b.Pushed("new") {
				t.Error("the machine counts as on the branch by the page of a name that it did not have")
			}
			want(t, "before its page is written", push(b), map[string]string{})
			b.Write("new", document("new", "old"), "")
			want(t, "then", push(b), map[string]string{status.Path("new"): "written", status.Path("old"): "deleted"})
			if !b.Shows("new", "") || !b.Pushed("new") {
				t.Error("its page is there, and does not count")
			}
		})
	}
}
