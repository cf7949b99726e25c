package status_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
)

// future is a page on which a newer ingot wrote at every level.
func future(t *testing.T) status.Document {
	t.Helper()
	page := string(status.Summarize(status.Document{}, result(full())).Encode())
	for _, change := range [][2]string{
		{"kind: HostStatus\n", "kind: HostStatus\nlife: {number: 7, id: x1}\nrevision: 18446744073709551615\n"},
		{"\noperation:\n", "\noperation:\n  bypass: 3\n  results:\n  - {name: install, state: \"yes\"}\n"},
		{"\n  steps:\n  - attempt: 2\n    name: \"on\"\n",
			"\n  steps:\n  - args: a1\n    attempt: 2\n    name: \"on\"\n"},
		{"\n  disks:\n  - consent: S1/aa\n", "\n  disks:\n  - drive: d1\n    consent: S1/aa\n"},
		{"\nlastOperation:\n", "\nlastOperation:\n  bypass: 9\n"},
		{"\nboot:\n", "\nboot:\n  method: network\n"},
		{"\ninstalled:\n", "\ninstalled:\n  mark: abc\n"},
		{"\nhardware:\n", "\nhardware:\n  tpm: 2\n"},
		{"\n  disks:\n  - content:\n", "\n  disks:\n  - eui: \"1\"\n    content:\n      version: 2\n"},
		{"\nmetadata:\n", "\nmetadata:\n  asset: a7\n"},
	} {
		if strings.Count(page, change[0]) != 1 {
			t.Fatalf("%q is not once in the page:\n%s", change[0], page)
		}
		page = strings.Replace(page, change[0], change[1], 1)
	}
	document, err := status.Parse([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// What a newer ingot wrote goes from the page into the record, through what the planner does, into the journal, and onto the page again.
func TestAPageFromTheFuture(t *testing.T) {
	t.Parallel()
	document := future(t)
	record := document.Record()
	record = act.Settle(record, act.Action{Kind: act.AssignStep}, act.Outcome{Result: act.Done}, noon)
	record = act.Begin(record, act.Action{Kind: act.RecordFailed, Error: "no"}, noon)
	data, err := journal.Encode(record)
	if err != nil {
		t.Fatal(err)
	}
	read, err := journal.Decode(record.ID, data)
	if err != nil {
		t.Fatal(err)
	}
	if !journal.Same(record, read) {
		t.Error("the journal holds something else than was written")
	}
	next := status.Summarize(document, result(read))
	page := string(next.Encode())
	for _, member := range []string{
		"\nlife:\n  id: x1\n  number: 7\n", "\nrevision: 18446744073709551615\n", "\n  bypass: 3\n",
		"\n  results:\n  - name: install\n    state: \"yes\"\n", "\n  bypass: 9\n", "\n  - args: a1\n",
		"\n    drive: d1\n",
		"\n  method: network\n", "\n  mark: abc\n", "\n  tpm: 2\n", "\n      version: 2\n", "\n    eui: \"1\"\n",
		"\n  asset: a7\n", "\n  attempt: 3\n",
	} {
		if !strings.Contains(page, member) {
			t.Errorf("%q is lost:\n%s", member, page)
		}
	}
	again, err := status.Parse([]byte(page))
	if diff := cmp.Diff(next, again); err != nil || diff != "" {
		t.Errorf("read again: %v (-written +read):\n%s", err, diff)
	}

	ended := act.Begin(read,
		act.Action{Kind: act.CloseOperation,
			Operation: &inventory.Operation{Kind: inventory.Install, Outcome: inventory.Quarantined}}, noon)
	ended = act.Begin(ended, act.Action{Kind: act.CloseBoot}, noon)
	page = string(status.Summarize(next, result(ended)).Encode())
	if strings.Contains(page, "bypass: 9") || strings.Contains(page, "method: network") ||
		!strings.Contains(page, "lastOperation:\n  attempt: 3\n") || !strings.Contains(page, "bypass: 3") {
		t.Errorf("with the operation and the boot ends what a newer ingot wrote of them:\n%s", page)
	}
}

// A page that says that only a newer ingot may read it is refused with what to do, whatever else is on it.
func TestAPageThatNeedsANewerReader(t *testing.T) {
	t.Parallel()
	page := string(status.Summarize(status.Document{}, result(full())).Encode())
	newer := strings.Replace(page, "minReader: 2\n", "minReader: 99\n", 1)
	for _, text := range []string{newer, strings.Replace(newer, "stage: Working", "stage: {name: Erasing}", 1)} {
		if _, err := status.Parse([]byte(text)); !errors.Is(err, format.ErrNewer) ||
			!strings.Contains(err.Error(), "install the ingot that wrote it") {
			t.Errorf("Parse = %v, want ErrNewer with what to do", err)
		}
	}
}

func TestAFleetsPageFromTheFuture(t *testing.T) {
	t.Parallel()
	fleet, hosts := fleetOf("yes: no")
	fleet = status.NewFleet(fleet, nil, hosts)
	text := strings.Replace(string(fleet.Encode()), "\ncommits:\n- commit:",
		"\nlife: {number: 7}\ncommits:\n- signer: x\n  commit:", 1)
	read, err := status.ParseFleet([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	fleet.Unknown, fleet.Commits = read.Unknown, status.Accept(read.Commits, status.Commit{Commit: "new"})
	page := string(fleet.Encode())
	if !strings.Contains(page, "life:\n  number: 7\n") || !strings.Contains(page, "signer: x\n") {
		t.Errorf("what a newer ingot wrote is lost:\n%s", page)
	}
	if _, err := status.ParseFleet([]byte(text + "minReader: 99\n")); !errors.Is(err, format.ErrNewer) {
		t.Errorf("ParseFleet = %v, want ErrNewer", err)
	}
}
