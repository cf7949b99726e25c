package statusbranch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

func document(name string) status.Document {
	return status.Document{Metadata: status.Metadata{Name: name, ID: "a"}, Phase: "Active"}
}

func noFleet() map[string][]byte { return nil }

// push carries everything that is due, and gives the paths that it wrote.
func push(b *statusbranch.Branch) (paths []string) {
	c := b.GatherChange(noFleet)
	c.EncodeFiles()
	b.SettleChange(c)
	for file := range c.Files {
		paths = append(paths, file)
	}
	return paths
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A page goes by the host's id, whatever the host is called, and only what differs is pushed.
func TestAPageIsPushedWhenItDiffers(t *testing.T) {
	t.Parallel()
	b := statusbranch.New()
	b.WritePage("a", document("a"), "")
	want(t, "a new page", push(b), status.Path("a"))
	if b.WritePage("a", document("a"), "") || len(push(b)) > 0 {
		t.Error("the same page is pushed again")
	}
	b.WritePage("a", document("www"), "")
	if waiting, _ := b.PendingPush(); !waiting || b.IsPushed("a") {
		t.Error("a host that is called otherwise has nothing to push")
	}
	want(t, "under another name", push(b), status.Path("a"))
}

// What somebody else did to our pages is undone; pages that nobody here wrote stay.
func TestCompare(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		there  map[string][]byte
		differ int
	}{
		"as it was left":     {map[string][]byte{status.Path("a"): document("a").Encode()}, 0},
		"deleted":            {nil, 1},
		"edited":             {map[string][]byte{status.Path("a"): []byte("{}")}, 1},
		"with another's too": {map[string][]byte{status.Path("a"): document("a").Encode(), status.Path("b"): []byte("{}")}, 0},
	} {
		b := statusbranch.New()
		b.WritePage("a", document("a"), "")
		push(b)
		if differ := b.CompareTip(test.there); differ != test.differ || len(push(b)) != test.differ {
			t.Errorf("%s: Compare = %d, want %d, and as many pushed", name, differ, test.differ)
		}
	}
}
