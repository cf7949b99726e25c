package recovery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// at is a record of epoch 3 that differs.
func at(differs ...func(*inventory.Record)) inventory.Record {
	r := inventory.Record{ID: "a", Epoch: 3}
	for _, differ := range differs {
		differ(&r)
	}
	return r
}

func operation(id string, stage inventory.Stage, attempt, begun int) *inventory.Operation {
	var n int
	_, _ = fmt.Sscanf(id, "op-%d", &n)
	return &inventory.Operation{ID: id, Kind: inventory.Install, Stage: stage, Attempt: attempt, Started: noon.Add(time.Duration(n) * time.Hour), Disks: []inventory.OperationDisk{{Begun: begun, Content: inventory.ContentBlank, Consent: "consent of " + id}}}
}

// starting is an operation whose system was started.
func starting(id string, attempt int) func(*inventory.Record) {
	return func(r *inventory.Record) {
		r.Operation = operation(id, inventory.Confirming, attempt, 1)
		r.Operation.Starts = 1
	}
}

func doing(id string, stage inventory.Stage, attempt, begun int) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Operation = operation(id, stage, attempt, begun) }
}

func did(id, outcome string) func(*inventory.Record) {
	return func(r *inventory.Record) {
		r.Last = operation(id, inventory.Ended, 1, 1)
		r.Last.Outcome, r.Last.Ended = outcome, r.Last.Started.Add(time.Minute)
		if outcome == inventory.Succeeded {
			r.Installed = &inventory.Installed{ID: id, At: r.Last.Ended}
		}
	}
}

func spent(consents ...string) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Spent = append(r.Spent, consents...) }
}

func epoch(n inventory.Epoch) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Epoch = n }
}

func written(life, revision uint64) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Life, r.Revision = inventory.Life{Number: life}, revision }
}

func booting(stage inventory.BootStage) func(*inventory.Record) {
	return func(r *inventory.Record) {
		r.Boot = &inventory.Boot{ID: "boot", Target: inventory.FromDisk, Epoch: r.Epoch, Stage: stage}
	}
}

func installed(id string) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Installed = &inventory.Installed{ID: id, At: noon} }
}

func recoveredFrom(epoch inventory.Epoch, underWay string) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Recovered = &inventory.Recovered{Epoch: epoch, UnderWay: underWay} }
}

func forgotten(epoch inventory.Epoch) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Forgotten = epoch }
}

// unconsented has the operation under way write to a blank disk.
func unconsented(r *inventory.Record) { r.Operation.Disks[0].Consent = "" }

// TestAPageThatKnowsMoreThanTheJournal holds a page against the journal's record of the same host, and the other way round.
func TestAPageThatKnowsMoreThanTheJournal(t *testing.T) {
	t.Parallel()
	facts := func(epoch uint64) func(*inventory.Record) {
		return func(r *inventory.Record) { r.Facts = &inventory.Facts{Epoch: epoch} }
	}
	full := spent(numbers(1)...)
	for name, test := range map[string]struct {
		newer, older inventory.Record
	}{
		"a later boot":                                     {at(epoch(4)), at(doing("op-1", inventory.Working, 1, 1))},
		"the operation succeeded":                          {at(did("op-1", inventory.Succeeded), spent("consent of op-1")), at(starting("op-1", 1))},
		"the operation's system is installed":              {at(installed("op-1")), at(starting("op-1", 1))},
		"the operation was given up":                       {at(did("op-1", inventory.Quarantined), spent("consent of op-1")), at(doing("op-1", inventory.Working, 3, 1))},
		"the operation succeeded, and another is last":     {at(did("op-1", inventory.Succeeded), did("op-2", inventory.Superseded)), at(starting("op-1", 1))},
		"the operation was armed, and dropped":             {at(did("op-1", inventory.Quarantined), spent("consent of op-1", "consent of op-2")), at(did("op-1", inventory.Quarantined), spent("consent of op-1"), doing("op-2", inventory.Working, 1, 0))},
		"the operation was dropped before it was armed":    {at(did("op-1", inventory.Quarantined), func(r *inventory.Record) { r.Dropped = []string{"op-2"} }), at(did("op-1", inventory.Quarantined), doing("op-2", inventory.Published, 1, 0))},
		"a later stage":                                    {at(doing("op-1", inventory.Confirming, 1, 1)), at(doing("op-1", inventory.Working, 1, 1))},
		"a later attempt, at an earlier stage":             {at(doing("op-1", inventory.Working, 2, 1)), at(starting("op-1", 1))},
		"a later attempt, as the one before wrote nothing": {at(doing("op-1", inventory.Working, 2, 0)), at(doing("op-1", inventory.Working, 1, 1))},
		"a write that has begun":                           {at(doing("op-1", inventory.Working, 1, 1)), at(doing("op-1", inventory.Working, 1, 0))},
		"an operation that nothing was known of":           {at(doing("op-1", inventory.Published, 1, 0)), at()},
		"an operation after the last one":                  {at(did("op-1", inventory.Quarantined), doing("op-2", inventory.Intended, 1, 0)), at(did("op-1", inventory.Quarantined))},
		"an operation after the system's":                  {at(did("op-1", inventory.Succeeded), doing("op-2", inventory.Intended, 1, 0)), at(did("op-1", inventory.Succeeded))},
		"an operation after one that is under way":         {at(did("op-1", inventory.Superseded), doing("op-2", inventory.Intended, 1, 0)), at(doing("op-1", inventory.Intended, 1, 0))},
		"a later last one":                                 {at(did("op-2", inventory.Superseded)), at(did("op-1", inventory.Quarantined))},
		"a later last one, and one that was under way":     {at(did("op-2", inventory.Superseded)), at(doing("op-1", inventory.Intended, 1, 0))},
		"a last one":      {at(did("op-1", inventory.Superseded)), at()},
		"a system":        {at(installed("op-1")), at()},
		"a spent consent": {at(spent("1", "2")), at(spent("1"))},
		"a spent consent, and those before were dropped": {at(spent(numbers(2)...)), at(full)},
		"a boot that is over":                            {at(), at(booting(inventory.Running))},
		"a boot that runs":                               {at(booting(inventory.Running)), at(booting(inventory.Powering))},
		"facts":                                          {at(facts(3)), at()},
		"later facts":                                    {at(facts(3)), at(facts(2))},
		"a takeover":                                     {at(func(r *inventory.Record) { r.Adopted = "SN" }), at()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asPage := test.newer
			asPage.Dropped = nil
			if why := recovery.KnowsMore(asPage, test.older); (why == "") != (test.newer.Dropped != nil) {
				t.Errorf("the page that is newer: KnowsMore = %q", why)
			}
			if why := recovery.KnowsMore(test.older, test.newer); why != "" {
				t.Errorf("the page that lags behind: KnowsMore = %q, want none", why)
			}
			if why := recovery.KnowsMore(test.newer, test.newer); why != "" {
				t.Errorf("the page that says the same: KnowsMore = %q, want none", why)
			}
		})
	}
	for name, pair := range map[string][2]inventory.Record{
		"two operations":                   {at(doing("op-1", inventory.Working, 1, 1)), at(doing("op-2", inventory.Published, 1, 0))},
		"two operations after one":         {at(did("op-1", inventory.Succeeded), doing("op-2", inventory.Working, 1, 1)), at(did("op-1", inventory.Succeeded), doing("op-3", inventory.Published, 1, 0))},
		"an operation, and one that ended": {at(doing("op-2", inventory.Working, 1, 1)), at(did("op-3", inventory.Quarantined))},
		"two boots": {at(booting(inventory.Running)), at(func(r *inventory.Record) {
			r.Boot = &inventory.Boot{ID: "another", Epoch: 3, Stage: inventory.Preparing}
		})},
	} {
		if one, other := recovery.KnowsMore(pair[0], pair[1]), recovery.KnowsMore(pair[1], pair[0]); one == "" && other == "" || (one == "" || other == "") && !strings.Contains(name, "ended") {
			t.Errorf("%s of two daemons: KnowsMore = %q and %q, want that each knows more", name, one, other)
		}
	}
	if why := recovery.KnowsMore(at(spent("0")), at(full)); why != "" {
		t.Errorf("a consent that the journal dropped for later ones: KnowsMore = %q, want none", why)
	}
}

// TestRecallOfAnOlderJournal: what is taken from a page is as unproved as after the loss of a journal, and nothing that must not be lost is.
func TestRecallOfAnOlderJournal(t *testing.T) {
	t.Parallel()
	revised := func(r inventory.Record) []journal.Entry { return []journal.Entry{{Record: r, Revision: 7}} }
	for name, test := range map[string]struct {
		journal, page inventory.Record
		want          inventory.Record
		unwritten     bool
	}{
		"the system called home": {
			at(starting("op-1", 1)), at(did("op-1", inventory.Succeeded), spent("consent of op-1")),
			at(did("op-1", inventory.Succeeded), spent("consent of op-1"), recoveredFrom(3, "")), true,
		},
		"an operation was opened since": {
			at(did("op-1", inventory.Quarantined)), at(did("op-1", inventory.Quarantined), doing("op-2", inventory.Working, 1, 1)),
			at(did("op-1", inventory.Quarantined), doing("op-2", inventory.Working, 1, 1), recoveredFrom(3, "op-2")),
			true,
		},
		"the journal is ahead": {
			at(doing("op-1", inventory.Working, 2, 1)), at(starting("op-1", 1)), at(doing("op-1", inventory.Working, 2, 1)), false,
		},
		"the journal is ahead, and lacks what is spent": {
			at(doing("op-2", inventory.Working, 1, 1), spent("b")), at(doing("op-2", inventory.Published, 1, 0), spent("b", "c")),
			at(doing("op-2", inventory.Working, 1, 1), spent("b", "c")), true,
		},
		"a consent that was spent before": {
			at(doing("op-2", inventory.Working, 1, 1), spent("b")), at(spent("a", "b")), at(doing("op-2", inventory.Working, 1, 1), spent("a", "b")), true,
		},
		"a consent that was dropped for later ones": {
			at(spent(numbers(1)...)), at(spent(numbers(0)...)), at(spent(numbers(1)...)), false,
		},
		"a later boot of a page that knows nothing of the journal's write": {
			at(did("op-1", inventory.Quarantined), doing("op-2", inventory.Working, 1, 1), spent("b")), at(epoch(4), did("op-1", inventory.Quarantined), spent("a")),
			at(epoch(4), did("op-1", inventory.Quarantined), doing("op-2", inventory.Working, 1, 1), spent("a", "b"),
				recoveredFrom(4, "op-2")), true,
		},
		"a later boot of a page that knows what came after the journal's write": {
			at(doing("op-2", inventory.Working, 1, 1)), at(epoch(4), did("op-3", inventory.Succeeded)), at(epoch(4),
				did("op-3", inventory.Succeeded), recoveredFrom(4, "")), true,
		},
		"a later boot of a page whose operation succeeded as the journal knows": {
			at(did("op-1", inventory.Succeeded), spent("consent of op-1")), at(epoch(4), starting("op-1", 1)),
			at(epoch(4), did("op-1", inventory.Succeeded), spent("consent of op-1"), recoveredFrom(4, "")), true,
		},
		"a later boot of a page whose operation writes again": {
			at(did("op-1", inventory.Succeeded)), at(epoch(4), doing("op-1", inventory.Working, 2, 1)),
			at(epoch(4), doing("op-1", inventory.Working, 2, 1), recoveredFrom(4, "op-1")), true,
		},
		"two daemons' operations, of which the journal's may have written": {
			at(doing("op-1", inventory.Working, 1, 1)), at(doing("op-2", inventory.Published, 1, 0)),
			at(doing("op-1", inventory.Working, 1, 1), recoveredFrom(3, "op-1")), true,
		},
		"a later boot of a page whose operation has not written, while the journal's may have": {
			at(doing("op-1", inventory.Working, 1, 1)), at(epoch(4), doing("op-2", inventory.Published, 1, 0)),
			at(epoch(4), doing("op-1", inventory.Working, 1, 1), recoveredFrom(4, "op-1")), true,
		},
		"a page that was forgotten since the journal's write": {
			at(doing("op-1", inventory.Working, 1, 1), installed("op-0")), at(epoch(4), forgotten(4)),
			at(epoch(4), forgotten(4), spent("consent of op-1"), recoveredFrom(4, "")), true,
		},
		"... which needed no consent": {
			at(doing("op-1", inventory.Working, 1, 1), unconsented), at(epoch(4), forgotten(4)),
			at(epoch(4), forgotten(4), recoveredFrom(4, "")), true,
		},
		"... and has another operation now": {
			at(doing("op-1", inventory.Working, 1, 1)), at(epoch(5), forgotten(4), doing("op-2", inventory.Published, 1, 0)),
			at(epoch(5), forgotten(4), doing("op-2", inventory.Published, 1, 0), spent("consent of op-1"),
				recoveredFrom(5, "op-2")), true,
		},
		"a page of before the journal's was forgotten": {
			at(epoch(4), forgotten(4)), at(doing("op-1", inventory.Working, 1, 1)),
			at(epoch(4), forgotten(4), spent("consent of op-1")), true,
		},
		"an older page of a takeover gives none": {
			at(epoch(4)), at(func(r *inventory.Record) { r.Adopted = "SN" }), at(epoch(4)), false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := status.Summarize(status.Document{}, status.Result{At: noon, Desired: &inventory.Desired{Name: "a"}, Observed: &inventory.Observed{Record: test.page}, Plan: &plan.Plan{Phase: plan.Waiting}})
			pages := map[string]status.File{status.Path("a"): ours(document.Encode())}
			got := recovery.RestoreState(revised(test.journal), pages).Hosts["a"]
			if diff := cmp.Diff(test.want, got.Record); diff != "" || got.Unrecorded() != test.unwritten ||
				got.Revision != 7 {
				t.Errorf("unrecorded %t, want %t; revision %d; the record (-want +got):\n%s", got.Unrecorded(),
					test.unwritten, got.Revision, diff)
			}
			if got.Record.Unproved() && got.Record.OperationID() == test.journal.OperationID() {
				return // what is read again is what the journal has
			}
			again, write := recovery.MergeRecord(got.Record, journal.Entry{Record: test.journal, Revision: 7})
			if diff := cmp.Diff(test.want, again); diff != "" || write != test.unwritten {
				t.Errorf("Reread: write = %t, want %t; the record (-want +got):\n%s", write, test.unwritten, diff)
			}
		})
	}
}

// TestNoPageOfOursKnowsMoreThanWhatFollows: whatever the loop writes into the journal, what it wrote before knows no more, so that a page which lags behind is
// never taken for a newer one. The other way round a page that says what the journal does not is seen.
func TestNoPageOfOursKnowsMoreThanWhatFollows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history := []inventory.Record{{ID: "a"}}
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			record := history[len(history)-1]
			action, ok := drawAction(t, record, i)
			if !ok {
				continue
			}
			now := noon.Add(time.Duration(2*i) * time.Second)
			begun := act.Begin(record, action, now)
			settled := act.Settle(begun, action, act.Outcome{Result: act.Done}, now.Add(time.Second))
			history = append(history, begun, settled)
		}
		for i, older := range history {
			for _, newer := range history[i:] {
				page, late := newer, older
				page.Dropped, late.Dropped = nil, nil
				if why := recovery.KnowsMore(late, newer); why != "" {
					t.Fatalf("an older page: KnowsMore = %q\npage %+v\nrecord %+v", why, late, newer)
				}
				dropped := older.Operation != nil && slices.Contains(newer.Dropped, older.Operation.ID)
				if differ := why(page, older); differ != "" && !dropped && recovery.KnowsMore(page, older) == "" {
					t.Fatalf("a newer page, which differs in %s: KnowsMore = none\npage %+v\nrecord %+v", differ, page, older)
				}
			}
		}
	})
}

// why says what of two records differs that a decision rests on.
func why(a, b inventory.Record) string {
	var differs []string
	for name, pair := range map[string][2]any{
		"operation": {a.OperationID(), b.OperationID()}, "last": {a.Last, b.Last}, "installed": {a.Installed, b.Installed}, "spent": {a.Spent, b.Spent},
	} {
		if !cmp.Equal(pair[0], pair[1]) {
			differs = append(differs, name)
		}
	}
	return strings.Join(differs, ", ")
}

// drawAction is one that the planner could ask for.
func drawAction(t *rapid.T, r inventory.Record, step int) (act.Action, bool) {
	id := fmt.Sprintf("op-%d", step)
	kind := rapid.SampledFrom([]act.Kind{
		act.OpenOperation, act.CloseOperation, act.Publish, act.OpenBoot, act.CloseBoot, act.PowerOn, act.AssignStep, act.RecordTakeover, act.RecordFacts,
		act.RecordStep, act.RecordBegun, act.RecordFailed, act.RecordHome,
	}).Draw(t, "kind")
	op := r.Operation
	stage := func(stages ...inventory.Stage) bool { return op != nil && slices.Contains(stages, op.Stage) }
	switch kind {
	case act.OpenOperation:
		return act.Action{Kind: kind, Operation: &inventory.Operation{ID: id, Kind: inventory.Install, Disks: []inventory.OperationDisk{{Consent: rapid.SampledFrom([]string{"", "consent of " + id}).Draw(t, "consent")}}}}, op == nil
	case act.CloseOperation:
		if op == nil {
			return act.Action{}, false
		}
		closed := *op
		closed.Outcome = inventory.Superseded
		if op.HasBegun() || op.Attempt > 1 {
			closed.Outcome = inventory.Quarantined
		}
		return act.Action{Kind: kind, Operation: &closed}, true
	case act.Publish:
		return act.Action{Kind: kind}, stage(inventory.Intended)
	case act.OpenBoot:
		return act.Action{Kind: kind, Boot: &inventory.Boot{ID: fmt.Sprintf("boot-%d", step), Target: rapid.SampledFrom([]string{inventory.FromRamdisk, inventory.FromDisk}).Draw(t, "target")}}, true
	case act.CloseBoot, act.PowerOn:
		return act.Action{Kind: kind}, r.Boot != nil
	case act.AssignStep:
		return act.Action{Kind: kind, Operation: op}, stage(inventory.Published, inventory.Working)
	case act.RecordTakeover:
		return act.Action{Kind: kind, Takeover: fmt.Sprintf("SN/%016x", step), Pinned: &inventory.Pinned{},
			Replaced: rapid.Bool().Draw(t, "replaced")}, true
	case act.RecordFacts:
		return act.Action{Kind: kind, Facts: &inventory.Facts{Epoch: r.Epoch}}, r.Boot != nil
	case act.RecordStep:
		return act.Action{Kind: kind}, stage(inventory.Working)
	case act.RecordFailed:
		return act.Action{Kind: kind, Error: "failed", Withdrawn: rapid.Bool().Draw(t, "withdrawn")}, stage(inventory.Working)
	case act.RecordBegun:
		return act.Action{Kind: kind}, stage(inventory.Working)
	default:
		return act.Action{Kind: kind}, stage(inventory.Confirming)
	}
}

// numbers are as many consents as a record keeps.
func numbers(first int) (all []string) {
	for i := range inventory.MaxSpent {
		all = append(all, fmt.Sprint(first+i))
	}
	return all
}
