package daemon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/discovery"
)

// TestRotate: the password of the BMC's account is changed on request, and its Secret becomes a proposal. The daemon works
// with the new password before the merge, after a restart, after the loss of all that it knows, and after the merge.
func TestRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	machine := w.rack.Description().Machines[0]
	w.change(t, "  workload: hello", "  requests: {rotate: q4}\n  workload: hello")
	client := daemon.Connect(w.socket())
	record := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.Rotation != nil && r.Rotation.Uses() == "Newer" })
	w.await(t, 1, "the page that says it", func(h daemon.HostView) bool {
		return h.Done != nil && strings.Contains(h.Done.Notes["rotate"], "merge ingot/proposals/"+string(record.ID))
	})
	if w.rack.BMC("machine-1").Login(machine.Username, secret.New(machine.Password)) {
		t.Error("the BMC still takes the old password")
	}
	stop()
	w.loseJournal(t)
	stop = w.start(t)
	w.await(t, 1, "Active after the loss of everything", active)
	branch := "ingot/proposals/" + string(record.ID)
	w.git(t, "fetch", "--quiet", "origin", branch)
	w.git(t, "merge", "--quiet", "--no-ff", "-m", "merge the password", "FETCH_HEAD")
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
	deadline, ticker := time.After(2*time.Minute), time.NewTicker(100*time.Millisecond)
	defer ticker.Stop()
	for {
		list, err := client.ListDiscovered(t.Context())
		if err == nil && len(list.Records) == 0 {
			break
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("after the merge there are %+v, %v", list.Records, err)
		}
	}
	stop()
	w.start(t)
	w.await(t, 1, "Active with the merged Secret", active)
	if left := w.git(t, "ls-remote", "origin", branch); left != "" {
		t.Errorf("the branch is still there: %s", left)
	}
	if installs := w.rack.Sim("machine-1").Counts().Installs; installs != 1 {
		t.Errorf("%d installs", installs)
	}
}
