package recovery_test

import (
	"errors"
	"slices"
	"strings"
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
		Spent: r.Spent, Life: r.Life, Revision: r.Revision, Forgotten: r.Forgotten, Pinned: r.Pinned,
	}.Encode()
}

func ours(page []byte) status.File { return status.File{Bytes: page, Content: page} }

func TestRecall(t *testing.T) {
	t.Parallel()
	facts := &inventory.Facts{System: inventory.System{Serial: "A"}}
	begun := inventory.Record{ID: "a", Epoch: 3, Operation: &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Working, Disks: []inventory.OperationDisk{{Content: inventory.ContentBlank}}}}
	newer := inventory.Record{ID: "a", Epoch: 4}
	left := inventory.Record{ID: "a", Epoch: 3, Facts: facts}
	ended := inventory.Record{ID: "a", Epoch: 3, Last: &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Ended, Outcome: inventory.Quarantined}}
	notOurs := func(page []byte) status.File { return status.File{Bytes: page, Forged: errors.New("not ours")} }
	pinned := inventory.Pinned{BMC: &inventory.BMCIdentity{Address: "https://10.0.0.1", Serial: "A"},
		SMBIOS: &inventory.SMBIOSIdentity{UUID: "u"}, MACs: []string{"52:54:00:00:00:03"}}
	for name, test := range map[string]struct {
		entries []journal.Entry
		pages   []inventory.Record
		file    func([]byte) status.File
		want    func(recovery.State) bool
	}{
		"the journal alone": {[]journal.Entry{{Record: begun, Revision: 1}}, nil, ours, func(m recovery.State) bool {
			return m.Hosts["a"].Revision == 1 && m.Hosts["a"].Record.Recovered == nil && m.Rebuilt == 0 &&
				!m.Hosts["a"].Unrecorded()
		}},
		"the journal knows more": {[]journal.Entry{{Record: newer, Revision: 1}}, []inventory.Record{begun}, ours, func(m recovery.State) bool {
			return m.Hosts["a"].Record.Epoch == 4 && m.Hosts["a"].Record.Operation == nil && m.Rebuilt == 0
		}},
		"the page alone: what was begun is to be proved": {nil, []inventory.Record{begun}, ours, func(m recovery.State) bool {
			return m.Hosts["a"].Record.Unproved() && m.Hosts["a"].Unrecorded() &&
				m.Hosts["a"].Record.Operation.ID == "op" && m.Rebuilt == 1
		}},
		"the page alone, at rest": {nil, []inventory.Record{left}, ours, func(m recovery.State) bool {
			return !m.Hosts["a"].Record.Unproved() && m.Hosts["a"].Unrecorded() &&
				m.Hosts["a"].Record.HistoryUnknown() && m.Hosts["a"].Record.Epoch == 3
		}},
		"the page alone, with an install that ended": {nil, []inventory.Record{ended}, ours, func(m recovery.State) bool {
			return m.Hosts["a"].Unrecorded() && m.Hosts["a"].Record.HistoryUnknown() &&
				m.Hosts["a"].Record.Last.ID == "op"
		}},
		"the page alone, and it knows nothing": {nil, []inventory.Record{{ID: "a", Revision: 4}}, ours,
			func(m recovery.State) bool {
				return !m.Hosts["a"].Unrecorded() && !m.Hosts["a"].Record.HistoryUnknown() && m.Rebuilt == 0
			}},
		"the page alone, of a host that was forgotten": {nil, []inventory.Record{{ID: "a", Epoch: 7, Forgotten: 7}},
			ours, func(m recovery.State) bool {
				return m.Hosts["a"].Unrecorded() && m.Hosts["a"].Record.Forgotten == 7 &&
					m.Hosts["a"].Record.HistoryUnknown()
			}},
		"the page alone, with life, revision and pins": {nil, []inventory.Record{{ID: "a", Epoch: 3,
			Life: inventory.Life{Number: 5, ID: "x"}, Revision: 9, Pinned: pinned}}, ours,
			func(m recovery.State) bool {
				r := m.Hosts["a"].Record
				return m.Life == 5 && r.Revision == 9 && cmp.Equal(r.Pinned, pinned) && cmp.Equal(r.Recovered,
					&inventory.Recovered{Epoch: 3, Life: r.Life, Revision: 9})
			}},
		"the journal has a later boot, and the page has the higher life": {
			[]journal.Entry{{Record: inventory.Record{ID: "a", Epoch: 4, Life: inventory.Life{Number: 2},
				Revision: 3}, Revision: 1}},
			[]inventory.Record{{ID: "a", Epoch: 3, Life: inventory.Life{Number: 5}, Revision: 9}}, ours,
			func(m recovery.State) bool {
				r := m.Hosts["a"].Record
				return m.Life == 5 && r.Life.Number == 5 && r.Revision == 9 && r.Epoch == 4 && r.Recovered != nil &&
					r.Recovered.Epoch == 4 && m.Rebuilt == 1
			},
		},
		"the page knows more, and the journal has the higher life": {
			[]journal.Entry{{Record: inventory.Record{ID: "a", Epoch: 3, Life: inventory.Life{Number: 5},
				Revision: 3}, Revision: 1}},
			[]inventory.Record{{ID: "a", Epoch: 4, Life: inventory.Life{Number: 2}, Revision: 9, Adopted: "SN",
				Spent: []string{"b"}}}, ours,
			func(m recovery.State) bool {
				r := m.Hosts["a"].Record
				return r.Life.Number == 5 && r.Revision == 3 && r.Epoch == 4 && r.Recovered == nil &&
					r.Adopted == "" && slices.Equal(r.Spent, []string{"b"}) && m.Rebuilt == 0
			},
		},
		"the page is of a later write of the same life": {
			[]journal.Entry{{Record: at(doing("op-1", inventory.Working, 1, 1), written(5, 3)), Revision: 1}},
			[]inventory.Record{at(doing("op-1", inventory.Published, 1, 0), written(5, 4))}, ours,
			func(m recovery.State) bool {
				r := m.Hosts["a"].Record
				return r.Operation.Stage == inventory.Published && r.Unproved() && m.Rebuilt == 1
			},
		},
		"the page is not ours": {nil, []inventory.Record{begun}, notOurs, func(m recovery.State) bool {
			r := m.Hosts["a"].Record
			return strings.Contains(r.Unreadable, "not ours") && r.Epoch == 3 && r.Operation == nil &&
				!m.Hosts["a"].Unrecorded() && m.Hosts["a"].Page == nil
		}},
		"the page is not ours, but the journal knows": {[]journal.Entry{{Record: begun, Revision: 1}},
			[]inventory.Record{begun}, notOurs, func(m recovery.State) bool {
				return m.Hosts["a"].Record.Unreadable == "" && m.Hosts["a"].Record.Operation != nil &&
					m.Hosts["a"].Page == nil
			}},
		"the journal's record is not readable, and the page is": {
			[]journal.Entry{{Record: inventory.Record{ID: "a", Epoch: 2, Spent: []string{"c"}, Unreadable: "newer"},
				Revision: 1}},
			[]inventory.Record{at(doing("op-1", inventory.Working, 1, 1), spent("b", "c"))}, ours,
			func(m recovery.State) bool {
				r := m.Hosts["a"].Record
				return r.Unreadable == "newer" && r.Epoch >= 3 && slices.Contains(r.Spent, "b") &&
					slices.Contains(r.Spent, "consent of op-1") && r.Operation == nil &&
					!m.Hosts["a"].Unrecorded() && m.Hosts["a"].Page == nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pages := map[string]status.File{}
			for _, r := range test.pages {
				pages[status.Path(r.ID)] = test.file(page(r))
			}
			if m := recovery.RestoreState(test.entries, pages); !test.want(m) {
				t.Errorf("Recall = %+v", m)
			}
		})
	}
}

func TestReread(t *testing.T) {
	t.Parallel()
	known := inventory.Record{ID: "a", Epoch: 3, Spent: []string{"c"}}
	recalled := inventory.Record{ID: "a", Epoch: 3, Operation: &inventory.Operation{ID: "op", Kind: inventory.Install},
		Recovered: &inventory.Recovered{Epoch: 3, UnderWay: "op"}}
	later := inventory.Record{ID: "a", Epoch: 3, Spent: []string{"c"}, Revision: 8, Life: inventory.Life{Number: 2,
		ID: "x"}}
	broken := inventory.Record{ID: "a", Epoch: 3, Unreadable: "a newer ingot wrote it"}
	armed := at(epoch(5), doing("op-1", inventory.Working, 1, 1), revised(9))
	starting := inventory.Record{ID: "a", Epoch: 3, Operation: &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Confirming, Starts: 1, Attempt: 1, Disks: []inventory.OperationDisk{{Begun: 1}}}}
	active := inventory.Record{ID: "a", Epoch: 3, Installed: &inventory.Installed{ID: "op"}, Last: &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Ended, Outcome: inventory.Succeeded}}
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
		"it is to be proved first": {recalled, journal.Entry{Record: inventory.Record{ID: "a"}}, recalled,
			true},
		"its revision is lower there": {later, journal.Entry{Record: later, Revision: 5}, later, false},
		"the journal cannot be read": {with(armed, spent("a")), journal.Entry{Record: broken, Revision: 5},
			with(broken, epoch(6), spent("a", "consent of op-1"), revised(9)), false},
		"... and knows a higher epoch": {known, journal.Entry{Record: with(broken, epoch(7)), Revision: 5},
			with(broken, epoch(7), spent("c")), false},
		"nobody knows anything of it":    {inventory.Record{ID: "a"}, journal.Entry{Record: inventory.Record{ID: "a"}}, inventory.Record{ID: "a"}, false},
		"it is new, and the journal has": {inventory.Record{ID: "a"}, journal.Entry{Record: known, Revision: 1}, known, false},
	} {
		if got, write := recovery.MergeRecord(test.known, test.entry); write != test.write || !cmp.Equal(got, test.want) {
			t.Errorf("%s: Reread = %+v, %t, want %+v, %t", name, got, write, test.want, test.write)
		}
	}
}

// with is a record that differs.
func with(r inventory.Record, differs ...func(*inventory.Record)) inventory.Record {
	for _, differ := range differs {
		differ(&r)
	}
	return r
}

func revised(n uint64) func(*inventory.Record) {
	return func(r *inventory.Record) { r.Revision = n }
}
