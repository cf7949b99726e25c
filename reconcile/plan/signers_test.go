package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

var (
	one   = &inventory.Signatures{Tag: "v1", Object: "1111", Signer: "jo"}
	two   = &inventory.Signatures{Tag: "v1", Object: "1111", Signer: "jo", Second: "ann"}
	wrong = &inventory.Signatures{Tag: "v1", Object: "1111", Signer: "jo",
		Why: "countersign/v1/jo does not count: jo signed the tag too"}
	unread = &inventory.Signatures{Tag: "v1"}
	no     = &inventory.Signatures{}
)

// What needs consent today needs two signers too where the daemon wants them; what erases nothing does not.
func TestTwoMustSignWhatErases(t *testing.T) {
	t.Parallel()
	ours := consentOver("install:i1")
	const over = "this would erase disk DISK1 (our install of web from commit none): "
	for name, test := range map[string]struct {
		signatures *inventory.Signatures
		ask        func(*inventory.Desired)
		record     inventory.Record
		erases     bool
		hold       change.Reason
		unsigned   string
		message    string
	}{
		"nobody asks for two": {signatures: nil, erases: true},
		"two signed":          {signatures: two, erases: true},
		"one signed": {signatures: one, erases: true, hold: change.NeedsSigners, unsigned: "v1",
			message: over + "two must sign tag v1, which jo alone signed"},
		"one countersignature is wrong": {signatures: wrong, erases: true, hold: change.NeedsSigners, unsigned: "v1",
			message: over + "two must sign tag v1, which jo alone signed: countersign/v1/jo does not count: jo " +
				"signed the tag too"},
		"a clone cannot tell": {signatures: unread, erases: true, hold: change.NeedsSigners, unsigned: "v1",
			message: over + "two must sign tag v1"},
		"no ring": {signatures: no, erases: true, hold: change.NeedsSigners,
			message: over + "two must sign what erases, on its tag (trust.twoSigners), and the host is in no ring: " +
				"put it into one that follows tags"},
		"its ring follows the trunk": {signatures: no, ask: func(d *inventory.Desired) { d.Ring = "canary" },
			erases: true, hold: change.NeedsSigners,
			message: over + "two must sign what erases, on its tag (trust.twoSigners), and ring canary runs none: " +
				"let it follow tags"},
		"nor is there a consent": {signatures: one, ask: func(d *inventory.Desired) { d.Consent.Erase = nil },
			erases: true, hold: change.NeedsConsent, unsigned: "v1",
			message: over + "it needs consent; and two must sign tag v1, which jo alone signed"},
		"update: Reinstall": {signatures: one, ask: func(d *inventory.Desired) {
			d.Consent.Erase, d.Workload, d.Reinstallable = nil, workload(target, schemas.Reinstall), true
		},
			record: installed(earlier, schemas.Reinstall), erases: true, hold: change.NeedsSigners, unsigned: "v1",
			message: over + "two must sign tag v1, which jo alone signed"},
		"a blank disk":         {signatures: one, record: seen(inventory.Content{Blank: true})},
		"a blank disk, no tag": {signatures: no, record: seen(inventory.Content{Blank: true})},
		"nothing to do":        {signatures: one, record: installed(target, schemas.OnConsent)},
	} {
		d := newModel(inventory.ContentBlank, inventory.PoweredOff).desired
		d.Workload, d.Consent.Erase, d.Signatures = workload(target, schemas.OnConsent), []string{ours}, test.signatures
		if test.ask != nil {
			test.ask(&d)
		}
		record := test.record
		if record.ID == "" {
			record = installed(earlier, schemas.OnConsent)
		}
		got := change.Decide(d, inventory.Standing{}, record)
		hold := change.Hold{}
		if got.Hold != nil {
			hold = *got.Hold
		}
		if got.Erases != test.erases || hold.Reason != test.hold || hold.Unsigned != test.unsigned ||
			hold.Message != test.message {
			t.Errorf("%s: erases %v, held %+v\nwant %v, %s %s %q", name, got.Erases, hold, test.erases, test.hold,
				test.unsigned, test.message)
		}
		if (len(hold.Consents) > 0) != (hold.Reason == change.NeedsConsent) {
			t.Errorf("%s: the hold asks for the consents %q", name, hold.Consents)
		}
	}
}

// A machine that nobody has looked at is: what is found there is erased when two have signed.
func TestTwoMustSignWhatIsUnseen(t *testing.T) {
	t.Parallel()
	m := newModel(foundOnDisk, inventory.PoweredOff)
	m.desired.Signatures = one
	m.desired.Consent.Erase = []string{inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen,
		m.desired.Workload.Inputs)}
	asked := change.Decide(m.desired, inventory.Standing{}, m.record)
	if asked.Erases || asked.Hold != nil ||
		!strings.HasSuffix(asked.Root.Summary, "; what is found there is not erased: two must sign tag v1, which jo alone "+
			"signed") {
		t.Errorf("before it was looked at: %+v", asked)
	}
	if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.NeedsSigners || m.disk != foundOnDisk {
		t.Fatalf("ended %+v with %s on the disk", p, m.disk)
	}
	m.desired.Signatures = two
	if p := m.settles(t); p.Phase != plan.Active {
		t.Errorf("countersigned: ended %+v after %v", p, m.done)
	}
}

// A countersignature that is deleted takes its leave back until the install step has begun.
func TestADeletedCountersignature(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at    inventory.Stage
		begun bool
		phase plan.Phase
	}{{inventory.Intended, false, plan.Held}, {inventory.Published, false, plan.Held},
		{inventory.Working, false, plan.Held}, {inventory.Working, true, plan.Active}} {
		m := newModel(foundOnDisk, inventory.PoweredOff)
		m.desired.Signatures = two
		m.desired.Consent.Erase = []string{consentOver(foundOnDisk)}
		for range 500 {
			if op := m.record.Operation; op != nil && op.Stage == test.at && m.agent.Job.Begun == test.begun {
				break
			}
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		if op := m.record.Operation; op == nil || op.Stage != test.at {
			t.Fatalf("the operation is %+v, want it %s", op, test.at)
		}
		m.desired.Signatures = one
		if p := m.settles(t); p.Phase != test.phase || (m.disk == foundOnDisk) != (test.phase == plan.Held) {
			t.Errorf("deleted when the operation was %s: ended %+v with %s on the disk", test.at, p, m.disk)
		}
		m.desired.Signatures = two
		if p := m.settles(t); p.Phase != plan.Active {
			t.Errorf("deleted when the operation was %s, and there again: ended %+v after %v", test.at, p, m.done)
		}
	}
}
