package statusbranch_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// Whatever happens to the pages, a push brings the branch to what the pages say, and pushes no page that the branch has.
func TestWhatIsDueIsKeptUpToDate(t *testing.T) {
	t.Parallel()
	hosts := []inventory.MachineID{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		b := statusbranch.New()
		says, there := map[inventory.MachineID]status.Document{}, map[string][]byte{}
		waits := map[inventory.MachineID]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := rapid.SampledFrom(hosts).Draw(t, "host")
			d := document(string(id))
			d.Metadata.ID, d.Phase = id, rapid.SampledFrom([]plan.Phase{plan.Active, plan.Held}).Draw(t, "phase")
			d.Revision = rapid.Uint64Range(0, 2).Draw(t, "revision")
			switch rapid.SampledFrom([]string{"look", "wait", "read", "spoil", "push"}).Draw(t, "step") {
			case "look":
				was, known := says[id]
				if changed := b.WritePage(id, d, ""); changed != (!known || !d.Says(was)) {
					t.Fatalf("WritePage(%s) reads differently: %t", id, changed)
				}
				if !known || !d.Says(was) {
					says[id] = d
				}
			case "wait":
				if _, known := says[id]; known {
					b.RequestPush(id)
					waits[id] = true
				}
			case "read":
				b.RestorePage(id, d, d.Encode())
				says[id], there[status.Path(id)] = d, d.Encode()
			case "spoil":
				there[status.Path(id)] = []byte("{}")
				b.CompareTip(there)
			case "push":
				pushAndCompare(t, b, there, waits)
			}
		}
		pushAndCompare(t, b, there, waits)
		for id, d := range says {
			if !bytes.Equal(there[status.Path(id)], d.Encode()) || !b.IsPushed(id) || !b.HasPage(id, d.Encode()) {
				t.Fatalf("%s is not on the branch as it reads", id)
			}
		}
	})
}

// pushAndCompare pushes what is due.
func pushAndCompare(t *rapid.T, b *statusbranch.Branch, there map[string][]byte, waits map[inventory.MachineID]bool) {
	_, urgent := b.PendingPush()
	c := b.GatherChange(noFleet)
	c.EncodeFiles()
	waiting := b.SettleChange(c)
	if urgent != (len(waits) > 0) || len(waiting) != len(waits) {
		t.Fatalf("urgent %t, %v waited, want %v", urgent, waiting, slices.Collect(maps.Keys(waits)))
	}
	for file, page := range c.Files {
		if bytes.Equal(there[file], page) && !waits[status.IDOf(file)] {
			t.Fatalf("%s is pushed again", file)
		}
	}
	maps.Copy(there, c.Files)
	clear(waits)
	if due, urgent := b.PendingPush(); due || urgent {
		t.Fatalf("due %t, urgent %t after a push of everything", due, urgent)
	}
}
