package inventory_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/settings"
)

// A value from the future is an error of that one record.
func TestCheckValues(t *testing.T) {
	t.Parallel()
	step := inventory.StepState{Name: "install", State: inventory.StepWaiting, Needs: inventory.NeedsAgent}
	good := inventory.Record{
		Operation: &inventory.Operation{Kind: inventory.Install, Stage: inventory.Working, Steps: []inventory.StepState{step}, Disks: []inventory.OperationDisk{{Content: "content:0123456789abcdef"}}},
		Last:      &inventory.Operation{Kind: inventory.Install, Stage: inventory.Ended, Outcome: inventory.Quarantined},
		Boot:      &inventory.Boot{Target: inventory.FromRamdisk, Stage: inventory.Running},
	}
	for name, test := range map[string]struct {
		change func(*inventory.Record)
		want   string
	}{
		"":                     {func(*inventory.Record) {}, ""},
		"nothing was begun":    {func(r *inventory.Record) { *r = inventory.Record{} }, ""},
		"a stage":              {func(r *inventory.Record) { r.Operation.Stage = "Erasing" }, `operation.stage "Erasing"`},
		"an ended operation":   {func(r *inventory.Record) { r.Operation.Stage = inventory.Ended }, `operation.stage "Ended"`},
		"a content":            {func(r *inventory.Record) { r.Operation.Disks[0].Content = "volume:abc" }, `operation.content "volume:abc"`},
		"no content":           {func(r *inventory.Record) { r.Operation.Disks[0].Content = "" }, `operation.content ""`},
		"an install":           {func(r *inventory.Record) { r.Operation.Disks[0].Content = "install:o1" }, ""},
		"a stage of 4176809":   {func(r *inventory.Record) { r.Operation.Stage = "Armed" }, `operation.stage "Armed"`},
		"a kind":               {func(r *inventory.Record) { r.Operation.Kind = "Run" }, `operation.kind "Run"`},
		"the kind of the last": {func(r *inventory.Record) { r.Last.Kind = "Run" }, `kind "Run" of the last`},
		"no disk":              {func(r *inventory.Record) { r.Operation.Disks = nil }, "operation.disks are none"},
		"two disks": {func(r *inventory.Record) {
			r.Operation.Disks = append(r.Operation.Disks, r.Operation.Disks[0])
		}, ""},
		"a mark":               {func(r *inventory.Record) { r.Operation.Disks[0].Mark = "m" }, `operation.mark "m"`},
		"a GUID as a mark":     {func(r *inventory.Record) { r.Operation.Disks[0].Mark = "0a1b2c3d-0000-8000-8000-000000000001" }, ""},
		"an unmarked install":  {func(r *inventory.Record) { r.Operation.Disks[0].Content = "unmarked:o1" }, ""},
		"a step's state":       {func(r *inventory.Record) { r.Operation.Steps[0].State = "Held" }, `state "Held" of step install`},
		"what a step needs":    {func(r *inventory.Record) { r.Operation.Steps[0].Needs = "BMC" }, `step install needs "BMC"`},
		"a cursor":             {func(r *inventory.Record) { r.Operation.Cursor = 2 }, "operation.cursor 2"},
		"all steps are done":   {func(r *inventory.Record) { r.Operation.Cursor = 1 }, ""},
		"no steps are known":   {func(r *inventory.Record) { r.Operation.Steps = nil }, ""},
		"the end's stage":      {func(r *inventory.Record) { r.Last.Stage = "Confirmed" }, `stage "Confirmed"`},
		"an outcome":           {func(r *inventory.Record) { r.Last.Outcome = "Withdrawn" }, `outcome "Withdrawn"`},
		"a target":             {func(r *inventory.Record) { r.Boot.Target = "network" }, `boot.target "network"`},
		"the stage of a boot":  {func(r *inventory.Record) { r.Boot.Stage = "Chained" }, `boot.stage "Chained"`},
		"a boot's request":     {func(r *inventory.Record) { r.Boot.Request = &requests.Run{Kind: "rotate"} }, `boot.request.kind "rotate"`},
		"a requested reboot":   {func(r *inventory.Record) { r.Boot.Request = &requests.Run{Kind: requests.Reboot} }, ""},
		"work on settings":     {func(r *inventory.Record) { r.Settings = &settings.State{Work: &settings.Work{Stage: "Verifying"}} }, `settings.work.stage "Verifying"`},
		"written settings":     {func(r *inventory.Record) { r.Settings = &settings.State{Work: &settings.Work{Stage: settings.Written}} }, ""},
		"without its boot too": {func(r *inventory.Record) { r.Boot, r.Last.Outcome = nil, "" }, `outcome ""`},
	} {
		operation, last, boot := *good.Operation.Clone(), *good.Last, *good.Boot
		record := inventory.Record{Operation: &operation, Last: &last, Boot: &boot}
		test.change(&record)
		err := record.CheckValues()
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: CheckValues = %v, want %q", name, err, test.want)
		}
	}
}
