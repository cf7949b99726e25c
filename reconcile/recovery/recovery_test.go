package recovery_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

func page(r inventory.Record) []byte {
	return status.Document{
		APIVersion: schemas.APIVersion, Kind: status.KindHostStatus, Metadata: status.NewMetadata("", r.ID, nil), Phase: plan.Installing,
		Epoch: r.Epoch, Operation: r.Operation, Boot: r.Boot, Hardware: r.Facts, LastOperation: r.Last,
	}.Encode()
}

func ours(_ string, page []byte) ([]byte, error) { return page, nil }

func TestRecall(t *testing.T) {
	t.Parallel()
	facts := &inventory.Facts{System: inventory.System{Serial: "A"}}
	begun := inventory.Record{ID: "a", Epoch: 3, Operation: &inventory.Operation{ID: "op", Stage: inventory.Armed, Content: inventory.ContentBlank}}
	newer := inventory.Record{ID: "a", Epoch: 4}
	left := inventory.Record{ID: "a", Epoch: 3, Facts: facts}
	ended := inventory.Record{ID: "a", Epoch: 3, Last: &inventory.Operation{ID: "op", Stage: inventory.Ended, Outcome: inventory.Quarantined}}
	refused := errors.New("not ours")
	for name, test := range map[string]struct {
		entries []journal.Entry
		pages   []inventory.Record
		genuine func(string, []byte) ([]byte, error)
		want    func(recovery.Memory) bool
	}{
		"the journal alone": {[]journal.Entry{{Record: begun, Revision: 1}}, nil, ours, func(m recovery.Memory) bool {
			return m.Hosts["a"].Revision == 1 && !m.Hosts["a"].Record.Recalled && m.Rebuilt == 0
		}},
		"the journal knows more": {[]journal.Entry{{Record: newer, Revision: 1}}, []inventory.Record{begun}, ours, func(m recovery.Memory) bool {
			return m.Hosts["a"].Record.Epoch == 4 && m.Hosts["a"].Record.Operation == nil && m.Rebuilt == 0
		}},
		"the page alone: what was begun is to be proved": {nil, []inventory.Record{begun}, ours, func(m recovery.Memory) bool {
			return m.Hosts["a"].Record.Recalled && !m.Hosts["a"].Unwritten && m.Hosts["a"].Record.Operation.ID == "op" && m.Rebuilt == 1
		}},
		"the page alone, at rest": {nil, []inventory.Record{left}, ours, func(m recovery.Memory) bool {
			return !m.Hosts["a"].Record.Recalled && m.Hosts["a"].Unwritten && m.Hosts["a"].Record.Rebuilt && m.Hosts["a"].Record.Epoch == 3
		}},
		"the page alone, with an install that ended": {nil, []inventory.Record{ended}, ours, func(m recovery.Memory) bool {
			return m.Hosts["a"].Unwritten && !m.Hosts["a"].Record.Rebuilt && m.Hosts["a"].Record.Last.ID == "op"
		}},
		"the page is not ours": {nil, []inventory.Record{begun}, func(string, []byte) ([]byte, error) { return nil, refused }, func(m recovery.Memory) bool { return errors.Is(m.Hosts["a"].Lost, refused) }},
		"the page is not ours, but the journal knows": {[]journal.Entry{{Record: begun, Revision: 1}}, []inventory.Record{begun}, func(string, []byte) ([]byte, error) { return nil, refused }, func(m recovery.Memory) bool {
			return m.Hosts["a"].Lost == nil && m.Hosts["a"].Page == nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pages := map[string][]byte{}
			for _, r := range test.pages {
				pages[status.Path(r.ID)] = page(r)
			}
			if m := recovery.Recall(test.entries, pages, test.genuine); !test.want(m) {
				t.Errorf("Recall = %+v", m)
			}
		})
	}
}

func TestReread(t *testing.T) {
	t.Parallel()
	known := inventory.Record{ID: "a", Epoch: 3, Spent: []string{"c"}}
	recalled := inventory.Record{ID: "a", Epoch: 3, Operation: &inventory.Operation{ID: "op"}, Recalled: true}
	starting := inventory.Record{ID: "a", Epoch: 3, Operation: &inventory.Operation{ID: "op", Stage: inventory.Starting, Attempt: 1, Begun: 1}}
	active := inventory.Record{ID: "a", Epoch: 3, Installed: &inventory.Installed{ID: "op"}, Last: &inventory.Operation{ID: "op", Stage: inventory.Ended, Outcome: inventory.Succeeded}}
	for name, test := range map[string]struct {
		known inventory.Record
		entry journal.Entry
		want  inventory.Record
		write bool
	}{
		"the journal has it":                {known, journal.Entry{Record: known, Revision: 5}, known, false},
		"... but what is spent":             {known, journal.Entry{Record: inventory.Record{ID: "a", Epoch: 4}, Revision: 5}, inventory.Record{ID: "a", Epoch: 4, Spent: []string{"c"}}, true},
		"the journal lacks what is spent":   {known, journal.Entry{Record: inventory.Record{ID: "a", Epoch: 3}, Revision: 5}, known, true},
		"the journal is as far":             {starting, journal.Entry{Record: starting, Revision: 5}, starting, false},
		"the journal is of before it ended": {active, journal.Entry{Record: starting, Revision: 5}, active, true},
		"the journal is of after it ended":  {starting, journal.Entry{Record: active, Revision: 5}, active, false},
		"the journal knows more":            {known, journal.Entry{Record: inventory.Record{ID: "a", Epoch: 4, Spent: []string{"c"}}, Revision: 5}, inventory.Record{ID: "a", Epoch: 4, Spent: []string{"c"}}, false},
		"the journal does not know it":      {known, journal.Entry{Record: inventory.Record{ID: "a"}}, known, true},
		"the journal is an older one":       {known, journal.Entry{Record: inventory.Record{ID: "a", Epoch: 2}, Revision: 5}, known, true},
		"it is to be proved first":          {recalled, journal.Entry{Record: inventory.Record{ID: "a"}}, recalled, false},
		"nobody knows anything of it":       {inventory.Record{ID: "a"}, journal.Entry{Record: inventory.Record{ID: "a"}}, inventory.Record{ID: "a"}, false},
		"it is new, and the journal has":    {inventory.Record{ID: "a"}, journal.Entry{Record: known, Revision: 1}, known, false},
	} {
		if got, write := recovery.Reread(test.known, test.entry); write != test.write || !cmp.Equal(got, test.want) {
			t.Errorf("%s: Reread = %+v, %t, want %+v, %t", name, got, write, test.want, test.write)
		}
	}
}
