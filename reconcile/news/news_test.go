package news_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/news"
)

func TestASlowWatcherLosesNothing(t *testing.T) {
	t.Parallel()
	var n news.News
	n.Tell("before")
	w, other := n.Watch(), n.Watch()
	var want []inventory.MachineID
	for i := range 10_000 {
		name := inventory.MachineID(fmt.Sprintf("host-%05d", i))
		want = append(want, name)
		n.Tell(name)
		n.Tell(name)
	}
	<-w.Some()
	if got := w.Take(); !slices.Equal(got, want) {
		t.Errorf("Take gave %d names, want %d", len(got), len(want))
	}
	select {
	case <-w.Some():
		t.Error("there is news after all was taken")
	default:
	}
	w.Stop()
	w.Stop()
	n.Tell("after")
	if got := w.Take(); len(got) > 0 {
		t.Errorf("told after Stop: %v", got)
	}
	<-other.Some()
	if got := other.Take(); len(got) != len(want)+1 {
		t.Errorf("the other watcher has %d names, want %d", len(got), len(want)+1)
	}
}
