package watch_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/watch"
)

func TestASlowWatcherLosesNothing(t *testing.T) {
	t.Parallel()
	var n watch.Notifier
	n.Notify("before")
	w, other := n.Watch(), n.Watch()
	var want []inventory.MachineID
	for i := range 10_000 {
		name := inventory.MachineID(fmt.Sprintf("host-%05d", i))
		want = append(want, name)
		n.Notify(name)
		n.Notify(name)
	}
	<-w.Changed()
	if got := w.TakeIDs(); !slices.Equal(got, want) {
		t.Errorf("Take gave %d names, want %d", len(got), len(want))
	}
	select {
	case <-w.Changed():
		t.Error("a change is there after all was taken")
	default:
	}
	w.Stop()
	w.Stop()
	n.Notify("after")
	if got := w.TakeIDs(); len(got) > 0 {
		t.Errorf("notified after Stop: %v", got)
	}
	<-other.Changed()
	if got := other.TakeIDs(); len(got) != len(want)+1 {
		t.Errorf("the other watcher has %d names, want %d", len(got), len(want)+1)
	}
}
