package notices_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// done, changing, failed: hosts by their records; the others by their pages.
func done(name string) notices.Host {
	h := page(name, plan.Active, "", "")
	h.Record.Installed = &inventory.Installed{ID: "i1", Inputs: "new"}
	return h
}

func changing(name string, phase plan.Phase) notices.Host {
	h := page(name, phase, "", "")
	h.Record.Operation = &inventory.Operation{Kind: inventory.Install, Stage: inventory.Working, Inputs: "new"}
	return h
}

func failed(name string) notices.Host {
	h := page(name, plan.Failed, "InstallFailed", "")
	h.Record.Last = &inventory.Operation{ID: "o1", Kind: inventory.Install, Stage: inventory.Ended, Outcome: inventory.Quarantined, Inputs: "new"}
	return h
}

func held(name string) notices.Host { return page(name, plan.Held, "NeedsConsent", "c") }

func unseen(h notices.Host) notices.Host {
	h.Looked = false
	return h
}

// many gives hosts by number.
func many(n int, make func(string) notices.Host) (hosts []notices.Host) {
	for i := range n {
		hosts = append(hosts, make(fmt.Sprintf("host-%02d", i)))
	}
	return hosts
}

// TestJudgeCommits is the table of JudgeCommits: hosts of the ring canary, held since heldFor.
func TestJudgeCommits(t *testing.T) {
	t.Parallel()
	protected := held("web-9")
	protected.Desired.Protect = true
	orphan := page("gone", plan.Orphaned, "", "")
	orphan.Desired = inventory.Desired{ID: "gone", Name: "gone", Ring: "canary"}
	for name, test := range map[string]struct {
		hosts   []notices.Host
		heldFor time.Duration
		want    notices.State
		text    string
	}{
		"all done":             {many(2, done), 0, notices.StateSuccess, "2 of 2 done"},
		"one waits":            {append(many(1, done), page("b", plan.Waiting, "", "")), 0, notices.StatePending, "1 of 2 done"},
		"one is installed":     {append(many(1, done), changing("b", plan.Installing)), 0, notices.StatePending, "1 of 2 done, 1 changing"},
		"two are held":         {append(many(38, done), held("web-3"), held("web-7")), time.Minute, notices.StatePending, "38 of 40 done, 2 held: web-3, web-7"},
		"held for 59 minutes":  {append(many(1, done), held("b")), 59 * time.Minute, notices.StatePending, "1 of 2 done, 1 held: b"},
		"held for an hour":     {append(many(1, done), held("b")), time.Hour, notices.StateFailure, "1 of 2 done, 1 held: b"},
		"held in an operation": {append(many(1, done), changing("b", plan.Held)), time.Hour, notices.StateFailure, "1 of 2 done, 1 held: b"},
		"one failed":           {append(many(1, done), failed("b"), held("c")), 0, notices.StateFailure, "1 of 3 done, 1 failed: b, 1 held: c"},
		"given up before an operation": {append(many(1, done), page("b", plan.Failed, "BootFailed", "")), 0, notices.StateFailure,
			"1 of 2 done, 1 failed: b"},
		"not looked at":           {append(many(1, done), unseen(done("b"))), 0, notices.StatePending, "2 of 2 done"},
		"one may not be changed":  {append(many(1, done), protected), 2 * time.Hour, notices.StateSuccess, "1 of 1 done"},
		"an orphan is no host":    {append(many(1, done), orphan), 0, notices.StateSuccess, "1 of 1 done"},
		"none may be changed":     {[]notices.Host{protected}, 0, notices.StateSuccess, "no host to change"},
		"no host":                 {nil, 0, notices.StateSuccess, "no host to change"},
		"more names than it fits": {many(40, failed), 0, notices.StateFailure, "0 of 40 done, 40 failed: host-00, host-01, host-02, host-03, host-04, host-05, host-06, host-07, host-08, host-09, host-10 and 29 more"},
	} {
		memory := notices.NewMemory(0)
		fleet := notices.Fleet{Commit: commit, Rings: []admit.Progress{{Name: "canary", Commit: "rel"}, {Name: "empty"}}}
		conditions := notices.Collect(fleet, test.hosts)
		memory.Tell(conditions, fleet, noon.Add(-test.heldFor))
		want := []notices.CommitStatus{{Commit: "rel", Context: "ingot/canary", State: test.want, Description: test.text}}
		if diff := cmp.Diff(want, memory.JudgeCommits(fleet, test.hosts, noon)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestTrunkAndRefusedCommits wants the hosts without a ring on the trunk's commit, a refused commit as a failure, and
// nothing before a commit was accepted.
func TestTrunkAndRefusedCommits(t *testing.T) {
	t.Parallel()
	host := done("a")
	host.Desired.Ring = ""
	fleet := notices.Fleet{Path: "fleets/fra1", Commit: commit, Refused: "bad", Finding: "hosts/a.yaml:3:1: error: spec.bmc:\n the field is missing"}
	want := []notices.CommitStatus{
		{Commit: commit, Context: "ingot/trunk/fleets/fra1", State: notices.StateSuccess, Description: "1 of 1 done"},
		{Commit: "bad", Context: "ingot/trunk/fleets/fra1", State: notices.StateFailure, Description: "refused: hosts/a.yaml:3:1: error: spec.bmc: the field is missing"},
	}
	memory := notices.NewMemory(0)
	if diff := cmp.Diff(want, memory.JudgeCommits(fleet, []notices.Host{host}, noon)); diff != "" {
		t.Error(diff)
	}
	fleet.Commit = ""
	if got := memory.JudgeCommits(fleet, []notices.Host{host}, noon); got != nil {
		t.Errorf("told before a commit was accepted: %v", got)
	}
}

// TestARestartTakesNoFailureBack wants what the forge shows to stay until every host was looked at.
func TestARestartTakesNoFailureBack(t *testing.T) {
	t.Parallel()
	memory := notices.NewMemory(0)
	fleet := notices.Fleet{Commit: commit, Rings: []admit.Progress{{Name: "canary", Commit: "rel"}}}
	memory.KeepSent(notices.CommitStatus{Commit: "rel", Context: "ingot/canary", State: notices.StateFailure}, noon)
	if got := memory.JudgeCommits(fleet, []notices.Host{unseen(page("a", "", "", ""))}, noon); got != nil {
		t.Errorf("told %v before a look", got)
	}
}

// TestDueStatuses wants each status sent once, descriptions no faster than the pause, and a last word on a commit that
// another one overtook.
func TestDueStatuses(t *testing.T) {
	t.Parallel()
	on := func(commit string, state notices.State, text string) notices.CommitStatus {
		return notices.CommitStatus{Commit: commit, Context: "ingot/canary", State: state, Description: text}
	}
	for name, test := range map[string]struct {
		sent    []notices.CommitStatus
		verdict []notices.CommitStatus
		after   time.Duration
		want    []notices.CommitStatus
		again   time.Duration
	}{
		"the first":             {nil, []notices.CommitStatus{on("a", "pending", "0 of 2 done")}, 0, []notices.CommitStatus{on("a", "pending", "0 of 2 done")}, 0},
		"the same":              {[]notices.CommitStatus{on("a", "pending", "x")}, []notices.CommitStatus{on("a", "pending", "x")}, time.Hour, nil, 0},
		"another state":         {[]notices.CommitStatus{on("a", "pending", "x")}, []notices.CommitStatus{on("a", "success", "y")}, 0, []notices.CommitStatus{on("a", "success", "y")}, 0},
		"words, at once":        {[]notices.CommitStatus{on("a", "pending", "x")}, []notices.CommitStatus{on("a", "pending", "y")}, time.Minute, nil, 5 * time.Minute},
		"words, later":          {[]notices.CommitStatus{on("a", "pending", "x")}, []notices.CommitStatus{on("a", "pending", "y")}, 5 * time.Minute, []notices.CommitStatus{on("a", "pending", "y")}, 0},
		"superseded":            {[]notices.CommitStatus{on("a", "pending", "1 of 2 done")}, []notices.CommitStatus{on("b", "pending", "0 of 2 done")}, 0, []notices.CommitStatus{on("a", "superseded", "superseded by b: 1 of 2 done"), on("b", "pending", "0 of 2 done")}, 0},
		"superseded, said":      {[]notices.CommitStatus{on("b", "pending", "x"), on("a", "superseded", "y")}, []notices.CommitStatus{on("b", "pending", "x")}, 0, nil, 0},
		"back to the first":     {[]notices.CommitStatus{on("b", "pending", "x"), on("a", "superseded", "y")}, []notices.CommitStatus{on("a", "pending", "z")}, 0, []notices.CommitStatus{on("b", "superseded", "superseded by a: x"), on("a", "pending", "z")}, 0},
		"a failure stays":       {[]notices.CommitStatus{on("a", "failure", "x")}, []notices.CommitStatus{on("b", "pending", "y")}, 0, []notices.CommitStatus{on("b", "pending", "y")}, 0},
		"nothing is known":      {[]notices.CommitStatus{on("a", "pending", "x")}, nil, 0, nil, 0},
		"a refused one, beside": {[]notices.CommitStatus{on("a", "pending", "x")}, []notices.CommitStatus{on("a", "pending", "x"), on("r", "failure", "refused: no")}, 0, []notices.CommitStatus{on("r", "failure", "refused: no")}, 0},
	} {
		memory := notices.NewMemory(0)
		for i := len(test.sent) - 1; i >= 0; i-- {
			memory.KeepSent(test.sent[i], noon)
		}
		due, again := memory.DueStatuses(test.verdict, noon.Add(test.after))
		if diff := cmp.Diff(test.want, due); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if (again.IsZero()) != (test.again == 0) || test.again != 0 && again.Sub(noon) != test.again {
			t.Errorf("%s: again at %s, want after %s", name, again, test.again)
		}
		for _, s := range due {
			memory.KeepSent(s, noon.Add(test.after))
		}
		if left, _ := memory.DueStatuses(test.verdict, noon.Add(test.after)); left != nil {
			t.Errorf("%s: due again: %v", name, left)
		}
	}
}
