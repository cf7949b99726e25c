package status_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// With the journal lost, a host's record is what its document says: writing and reading one must lose nothing, whatever vendors call their parts.
func TestRecordSurvivesTheBranch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := drawRecord(t)
		page := status.Summarize(status.Document{}, look(record)).Encode()
		document, err := status.Parse(page)
		if err != nil {
			t.Fatalf("Parse of our own document: %v\n%s", err, page)
		}
		if diff := cmp.Diff(record, document.Record(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the record read back differs (-written +read):\n%s\n%s", diff, page)
		}
		if again := document.Encode(); string(again) != string(page) {
			t.Fatalf("the same document, other bytes:\n%s\n%s", page, again)
		}
	})
}

func look(record inventory.Record) status.Result {
	return status.Result{
		At:       noon,
		Desired:  &inventory.Desired{ID: record.ID, Name: string(record.ID), Commit: "c1", File: "hosts/web-03.yaml"},
		Observed: &inventory.Observed{Record: record},
		Plan:     &plan.Plan{Phase: plan.Waiting},
	}
}

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// text is what machines report: much of it reads as something else in YAML.
func text(t *rapid.T, label string) string {
	if rapid.Bool().Draw(t, label+" odd") {
		return rapid.SampledFrom([]string{
			"0123456789", "12e4567890123456", "1e3", "0x5000c500a1b2c3d4", "yes", "no", "null", "~", "2026-11-23",
			"52:54:00", "12:34:56", "1_000",
			" spaced ", "- dash", "a: b", "#c", "'", "\"", "\t", "line\nline", "*anchor", "&a", "{}", "[]", "!tag",
			"%d", "=", ".inf", "é", "\u0085", "\u2028",
		}).Draw(t, label)
	}
	return rapid.String().Draw(t, label)
}

func moment(t *rapid.T, label string) time.Time {
	return noon.Add(time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, label)))
}

func drawRecord(t *rapid.T) inventory.Record {
	record := inventory.Record{ID: "web-03", Epoch: rapid.Uint64().Draw(t, "epoch"), Adopted: text(t, "adopted")}
	for i := range rapid.IntRange(0, 3).Draw(t, "spent") {
		record.Spent = append(record.Spent, text(t, fmt.Sprint("spent", i)))
	}
	if rapid.Bool().Draw(t, "installed") {
		record.Installed = &inventory.Installed{
			ID: text(t, "install"), Workload: "web", Inputs: text(t, "inputs"),
			Parts: map[string]string{"image": text(t, "part")}, Commit: text(t, "commit"),
			Image: text(t, "image"), Disk: inventory.IdentifyDisks([]inventory.Disk{drawDisk(t)})[0].ID(), Update: "OnConsent", At: moment(t, "at"),
		}
	}
	if rapid.Bool().Draw(t, "operation") {
		record.Operation = drawOperation(t, inventory.Intended, inventory.Published, inventory.Working,
			inventory.Confirming)
	}
	if rapid.Bool().Draw(t, "last") {
		record.Last = drawOperation(t, inventory.Ended)
		record.Last.Ended, record.Last.Outcome = moment(t, "ended"), inventory.Quarantined
	}
	if rapid.Bool().Draw(t, "boot") {
		record.Boot = &inventory.Boot{
			ID: text(t, "boot"), Target: rapid.SampledFrom([]string{inventory.FromRamdisk, inventory.FromDisk}).Draw(t,
				"target"), Epoch: record.Epoch,
			Stage: rapid.SampledFrom([]inventory.BootStage{inventory.Preparing, inventory.Powering,
				inventory.Running}).Draw(t, "boot stage"),
			Attempt: 1, Opened: moment(t, "opened"), Started: moment(t, "started"), Commit: text(t, "boot commit"),
			Ours: rapid.Bool().Draw(t, "ours"),
		}
	}
	if rapid.Bool().Draw(t, "facts") {
		record.Facts = drawFacts(t)
	}
	return record
}

func drawOperation(t *rapid.T, stages ...inventory.Stage) *inventory.Operation {
	return &inventory.Operation{
		ID: text(t, "operation id"), Kind: inventory.Install, Stage: rapid.SampledFrom(stages).Draw(t, "stage"),
		Workload: "web", Inputs: text(t, "target"),
		Parts: map[string]string{"butane": text(t, "butane")}, Commit: "c1", Image: text(t, "sha"), Update: "Reinstall",
		Attempt: rapid.IntRange(1, 4).Draw(t, "attempt"), Started: moment(t, "begun"), Error: text(t, "error"),
		Steps: []inventory.StepState{{Name: text(t, "step"), State: inventory.StepDone, Needs: inventory.NeedsAgent,
			Attempt: 1}}, Cursor: 1, Starts: rapid.IntRange(0, 2).Draw(t, "starts"),
		Disks: []inventory.OperationDisk{{Disk: inventory.IdentifyDisks([]inventory.Disk{drawDisk(t)})[0].ID(), Content: "content:" + text(t, "content"),
			Erases: rapid.Bool().Draw(t, "erases"), Consent: text(t, "consent")}},
	}
}

func drawFacts(t *rapid.T) *inventory.Facts {
	facts := &inventory.Facts{
		At: moment(t, "looked"), Epoch: rapid.Uint64().Draw(t, "facts epoch"), Memory: rapid.Uint64().Draw(t, "memory"),
		System: inventory.System{Manufacturer: text(t, "maker"), Product: text(t, "product"),
			Serial: text(t, "serial"), UUID: text(t, "uuid")},
		Firmware: inventory.Firmware{UEFI: true, SecureBoot: rapid.Bool().Draw(t, "secure boot"),
			Version: text(t, "firmware")},
		CPU:  inventory.CPU{Model: text(t, "cpu"), Arch: "amd64", Count: 8},
		NICs: []inventory.NIC{{Name: "eno1", MAC: "52:54:00:00:00:03", Link: true, Mbps: 25000}},
	}
	for range rapid.IntRange(0, 3).Draw(t, "disks") {
		facts.Disks = append(facts.Disks, drawDisk(t))
	}
	return facts
}

func drawDisk(t *rapid.T) inventory.Disk {
	return inventory.Disk{
		Name: "vda", Path: text(t, "path"), Serial: text(t, "disk serial"), WWN: text(t, "wwn"),
		Model: text(t, "model"),
		Size:  rapid.Uint64().Draw(t, "size"), SectorSize: 4096, Holders: []string{text(t, "holder")},
		Content: inventory.Content{Signature: text(t, "signature"), Summary: text(t, "summary")},
	}
}
