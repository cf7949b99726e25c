package admit_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/schemas"
)

// TestOf says how far a machine is, from what is asked of it, what is known of it, and what the running daemon knows.
func TestOf(t *testing.T) {
	t.Parallel()
	asked := inventory.Desired{
		Name: "a", Ring: "prod", Lifecycle: schemas.Managed, Canary: true, RootDisk: &schemas.DiskHints{Serial: "S"},
		Workload: &inventory.Workload{Name: "web", Inputs: "new"},
	}
	protected, idle, known, leaves := asked, asked, asked, asked
	leaves.Lifecycle, leaves.Retires = schemas.Retired, true
	protected.Protect, idle.Workload, known.Identity.Serial = true, nil, "B"
	runs := func(inputs string) inventory.Record {
		return inventory.Record{Installed: &inventory.Installed{ID: "i1", Inputs: inputs}}
	}
	ended := func(outcome, inputs, content string) inventory.Record {
		return inventory.Record{Last: &inventory.Operation{ID: "o1", Kind: inventory.Install, Stage: inventory.Ended, Outcome: outcome,
			Inputs: inputs,
			Disks:  []inventory.OperationDisk{{Content: content}},
		}}
	}
	works := func(stage inventory.Stage, attempt int, content string) inventory.Record {
		return inventory.Record{Operation: &inventory.Operation{Kind: inventory.Install, Stage: stage, Attempt: attempt, Inputs: "new",
			Disks: []inventory.OperationDisk{{Content: content}},
		}}
	}
	written := works(inventory.Working, 2, "install:i0")
	written.Operation.Disks[0].Begun = 1
	booting := func(kind requests.Kind) inventory.Record {
		rec := runs("new")
		rec.Boot = &inventory.Boot{Target: inventory.FromDisk, Request: &requests.Run{Kind: kind}}
		return rec
	}
	superseded := runs("old")
	superseded.Last = ended(inventory.Superseded, "new", "install:i0").Last
	none, onHold := admit.Live{}, admit.Live{Stance: admit.OnHold}
	for name, test := range map[string]struct {
		d    inventory.Desired
		rec  inventory.Record
		live admit.Live
		want admit.Machine
	}{
		"fresh":               {asked, inventory.Record{}, none, admit.Machine{State: admit.Waiting}},
		"runs the old":        {asked, runs("old"), none, admit.Machine{State: admit.Waiting, Serves: true}},
		"waits for a consent": {asked, runs("old"), onHold, admit.Machine{State: admit.Held, Serves: true}},
		"runs the new":        {asked, runs("new"), none, admit.Machine{State: admit.Done, Serves: true}},
		"is rebooted":         {asked, booting(requests.Reboot), none, admit.Machine{State: admit.Done, Serves: true, Down: true, Busy: true}},
		"is inspected once":   {asked, booting(requests.Inspect), none, admit.Machine{State: admit.Done, Serves: true}},
		"let begin": {asked, runs("old"), admit.Live{Admitted: true},
			admit.Machine{State: admit.Changing, Serves: true, Down: true, Busy: true}},
		"let begin, fresh": {asked, inventory.Record{}, admit.Live{Admitted: true},
			admit.Machine{State: admit.Changing, Busy: true}},
		"is installed": {asked, works(inventory.Working, 1, "blank"), none,
			admit.Machine{State: admit.Changing, Working: true, Busy: true}},
		"is replaced": {asked, works(inventory.Published, 1, "install:i0"), none,
			admit.Machine{State: admit.Changing, Working: true, Down: true, Busy: true}},
		"is replaced, and on hold": {asked, works(inventory.Published, 1, "install:i0"), onHold,
			admit.Machine{State: admit.Changing, Working: true, Down: true}},
		"may be written, tried again": {asked, written, none,
			admit.Machine{State: admit.Changing, Working: true, Retries: true, Written: true, Down: true, Busy: true}},
		"in trouble": {asked, works(inventory.Working, 1, "blank"), admit.Live{Troubled: 3},
			admit.Machine{State: admit.Changing, Working: true}},
		"not in trouble yet": {asked, works(inventory.Working, 1, "blank"), admit.Live{Troubled: 2},
			admit.Machine{State: admit.Changing, Working: true, Busy: true}},
		"in trouble, its agent at work": {asked, works(inventory.Working, 1, "blank"), admit.Live{Troubled: 3, AtWork: true},
			admit.Machine{State: admit.Changing, Working: true, Busy: true}},
		"out of trouble": {asked, works(inventory.Working, 1, "blank"), admit.Live{Lost: true},
			admit.Machine{State: admit.Changing, Working: true, Lost: true}},
		"at work, its place is gone": {asked, works(inventory.Working, 1, "blank"), admit.Live{Lost: true, AtWork: true},
			admit.Machine{State: admit.Changing, Working: true, Busy: true, Lost: true}},
		"out of trouble, admitted": {asked, works(inventory.Working, 1, "blank"), admit.Live{Admitted: true},
			admit.Machine{State: admit.Changing, Working: true, Busy: true}},
		"waits for a place": {asked, works(inventory.Published, 1, "blank"), admit.Live{Waiting: true},
			admit.Machine{State: admit.Changing, Working: true, Waiting: true}},
		"was given up": {asked, works(inventory.Working, 1, "blank"), admit.Live{Stance: admit.Stopped},
			admit.Machine{State: admit.Changing, Working: true}},
		"is inspected": {asked, inventory.Record{}, admit.Live{Stance: admit.Inspecting, Placed: true},
			admit.Machine{State: admit.Waiting, Busy: true, Placed: true}},
		"failed over a system": {asked, ended(inventory.Quarantined, "new", "install:i0"), none,
			admit.Machine{State: admit.Failed, Down: true}},
		"failed over a failed one": {asked, ended(inventory.Quarantined, "new", "failed:o0"), none,
			admit.Machine{State: admit.Failed, Down: true}},
		"failed on a blank disk": {asked, ended(inventory.Quarantined, "new", "blank"), onHold,
			admit.Machine{State: admit.Failed}},
		"failed an older release": {asked, ended(inventory.Quarantined, "old", "install:i0"), none,
			admit.Machine{State: admit.Waiting, Down: true}},
		"superseded by the newest": {asked, superseded, none, admit.Machine{State: admit.Waiting, Serves: true}},
		"protected":                {protected, runs("old"), none, admit.Machine{State: admit.Excluded, Serves: true}},
		"is to leave the fleet":    {leaves, runs("old"), onHold, admit.Machine{State: admit.Excluded, Serves: true}},
		"could not be erased":      {leaves, ended(inventory.Quarantined, "new", "install:i0"), onHold, admit.Machine{State: admit.Excluded}},
		"is being erased":          {leaves, works(inventory.Working, 1, "install:i0"), none, admit.Machine{State: admit.Changing, Working: true, Down: true, Busy: true}},
		"nothing is asked of it":   {idle, runs("old"), none, admit.Machine{State: admit.Excluded, Serves: true}},
		"its file is gone": {inventory.Desired{Name: "a", Ring: "prod", Canary: true},
			works(inventory.Working, 1, "install:i0"), none, admit.Machine{State: admit.Excluded, Working: true}},
		"its serial is another one": {known, runs("old"), onHold, admit.Machine{State: admit.Held, Serves: true}},
	} {
		test.want.Name, test.want.Ring, test.want.Canary = "a", "prod", true
		if diff := cmp.Diff(test.want, admit.DescribeMachine(test.d, test.rec, test.live, ""),
			cmpopts.IgnoreFields(admit.Machine{}, "Inputs", "Result")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A machine that is under way without a place gets its place back in turn only: an inspection, too, whose BMC fell silent.
func TestWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	ramdisk, disk := inventory.Boot{Target: inventory.FromRamdisk}, inventory.Boot{Target: inventory.FromDisk}
	for name, test := range map[string]struct {
		rec  inventory.Record
		live admit.Live
		want bool
	}{
		"nothing":                    {},
		"its system starts":          {rec: inventory.Record{Boot: &disk}},
		"an operation":               {rec: inventory.Record{Operation: &inventory.Operation{}}, want: true},
		"about to be inspected":      {live: admit.Live{Stance: admit.Inspecting}, want: true},
		"inspected, the BMC silent":  {rec: inventory.Record{Boot: &ramdisk}, live: admit.Live{Troubled: 3}, want: true},
		"inspected, the BMC is back": {rec: inventory.Record{Boot: &ramdisk}, live: admit.Live{Lost: true}, want: true},
	} {
		if got := admit.IsUnderWay(test.rec, test.live); got != test.want {
			t.Errorf("%s: IsUnderWay = %t, want %t", name, got, test.want)
		}
	}
}

// TestWhatCountsForTheWholeFleet describes machines by what the budgets of the fleet count.
func TestWhatCountsForTheWholeFleet(t *testing.T) {
	t.Parallel()
	parts := map[string]string{"image": "ab", "vars": "mine", "rootDisk": "mine"}
	d := inventory.Desired{Lifecycle: "Managed", Labels: map[string]string{"rack": "r1"},
		Workload: &inventory.Workload{Name: "web", Parts: map[string]string{"image": "ab", "vars": "yours"}}}
	shared := admit.SharedInputs("web", map[string]string{"image": "ab"})
	op := func(outcome string, begun int) *inventory.Operation {
		return &inventory.Operation{Workload: "web", Parts: parts, Outcome: outcome, Started: noon, Ended: noon.Add(time.Hour),
			Stage: inventory.Working, Disks: []inventory.OperationDisk{{Erases: true, Begun: begun}}}
	}
	ended := noon.Add(time.Hour).Unix()
	for name, test := range map[string]struct {
		rec     inventory.Record
		live    admit.Live
		erasing bool
		result  admit.Result
	}{
		"nothing":                 {},
		"about to be erased":      {rec: inventory.Record{Operation: op("", 0)}, erasing: true},
		"has no place":            {rec: inventory.Record{Operation: op("", 0)}, live: admit.Live{Waiting: true}},
		"has begun":               {rec: inventory.Record{Operation: op("", 1)}},
		"has begun, and is held":  {rec: inventory.Record{Operation: op("", 1)}, live: admit.Live{Stance: admit.OnHold}, result: admit.Result{Inputs: shared, At: noon.Unix(), Failed: true}},
		"held, and has not begun": {rec: inventory.Record{Operation: op("", 0)}, live: admit.Live{Stance: admit.OnHold}},
		"failed":                  {rec: inventory.Record{Last: op(inventory.Quarantined, 1)}, result: admit.Result{Inputs: shared, At: ended, Failed: true}},
		"succeeded":               {rec: inventory.Record{Last: op(inventory.Succeeded, 1)}, result: admit.Result{Inputs: shared, At: ended}},
		"superseded":              {rec: inventory.Record{Last: op(inventory.Superseded, 0)}},
	} {
		got := admit.DescribeMachine(d, test.rec, test.live, "rack")
		if got.Erasing != test.erasing || got.Result != test.result || got.Inputs != shared || got.Domain != "r1" {
			t.Errorf("%s: %+v, want erasing %t, result %+v", name, got, test.erasing, test.result)
		}
	}
}
