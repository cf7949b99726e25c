package daemon_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory/discovery"
)

// stuckHook is a hook of the fleet's repository that does not answer the push of a proposal until a file is there.
const stuckHook = `#!/bin/sh
while read -r old new ref; do
  case $ref in
  */ingot/proposals/*)
    touch "$GIT_DIR/proposal-came"
    while [ -d "$GIT_DIR" ] && [ ! -e "$GIT_DIR/proposal-goes" ]; do sleep 0.1; done ;;
  esac
done
`

// TestAStuckProposalDelaysNoHost: the server does not answer the push of a proposal. Meanwhile a host of the fleet goes from
// its commit to Active, which takes reads of the trunk, pushes of pages before and behind the install, and many looks.
func TestAStuckProposalDelaysNoHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	machine := w.rack.Description().Machines[0]
	file := filepath.Join("hosts", machine.Name+".yaml")
	w.git(t, "rm", "--quiet", "--cached", file)
	w.git(t, "commit", "--quiet", "-m", "nobody knows the machine")
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
	bare := filepath.Join(w.dir, "fleet.git")
	if err := os.WriteFile(filepath.Join(bare, "hooks", "pre-receive"), []byte(stuckHook), 0o755); err != nil {
		t.Fatal(err)
	}
	client, boot := w.openDoor(t)
	stranger{serial: "SN-NEW"}.wait(t, boot)
	awaitFile(t, filepath.Join(bare, "proposal-came"))
	came := time.Now()
	w.git(t, "add", "--force", file)
	w.push(t, "a machine of the fleet")
	w.await(t, 1, "Active", active)
	const givenUp = 2 * time.Minute // gitrepo.Limits.Timeout
	if took := time.Since(came); took >= givenUp {
		t.Errorf("the host went on after %s, when the push of the proposal had been given up", took)
	}
	isPushed := func(r discovery.Record) bool {
		return r.Proposal != nil && r.Proposal.Tip != "" && r.Proposal.Next == ""
	}
	if list, err := client.ListDiscovered(t.Context()); err != nil || len(list.Records) != 1 || isPushed(list.Records[0]) {
		t.Errorf("the proposal was not stuck: %+v, %v", list.Records, err)
	}
	if err := os.WriteFile(filepath.Join(bare, "proposal-goes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.awaitRecord(t, client, isPushed)
}

// awaitFile waits until a file is there.
func awaitFile(t *testing.T, name string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		if _, err := os.Stat(name); err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s does not come", name)
		}
	}
}
