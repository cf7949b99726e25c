package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal/journaltest"
	"github.com/gitmetal/ingot/schemas"
)

// identities tell the machines of these tests apart: by all that there is, by a UUID where the serial is a placeholder,
// by what only their agents see, by a network card alone.
var identities = []struct {
	serial, uuid, mac string
	mute              bool // the BMC shows neither serial nor UUID
}{
	{"SN-0", "4c4c4544-0035-5810-8032-b1c04f4a4d30", "04:32:01:00:00:00", false},
	{"To be filled by O.E.M.", "4c4c4544-0035-5810-8032-b1c04f4a4d31", "04:32:01:00:00:01", false},
	{"SN-2", "4c4c4544-0035-5810-8032-b1c04f4a4d32", "04:32:01:00:00:02", true},
	{"0", "", "04:32:01:00:00:03", true},
}

// claim is one host of a commit: what a machine is called there, who it is said to be, and what is asked of it.
type claim struct {
	machine  int
	name, id string
	declares string // "serial", "macs", or nothing
	ring     string
	inputs   string
	consents bool // to the erase of what is there now, else of what nobody looked at
}

// merge is a commit of the fleet, and what happens around it.
type merge struct {
	claims  []claim
	paused  string // a ring
	wait    time.Duration
	restart string // of the daemon after the wait: "stopped", "killed", "away" until the next commit is there, or none
}

// history is everything that happens to one fleet.
type history struct {
	merges []merge
	fates  []journaltest.Fate // of the journal's writes
	delays []time.Duration    // of the late ones
}

var waits = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 20 * time.Minute, time.Hour}

// drawHistory gives sequences of commits that call machines otherwise, give names and ids to others, swap and delete
// hosts, and move them between rings.
func drawHistory(t *rapid.T) history {
	h := history{merges: rapid.SliceOfN(rapid.Custom(drawMerge), 1, 6).Draw(t, "merges")}
	fates := []journaltest.Fate{
		journaltest.Answered, journaltest.Answered, journaltest.Answered,
		journaltest.Lost, journaltest.Unanswered, journaltest.Late, journaltest.Late,
	}
	h.fates = rapid.SliceOfN(rapid.SampledFrom(fates), 0, 60).Draw(t, "fates")
	for _, fate := range h.fates {
		if fate == journaltest.Late {
			h.delays = append(h.delays, rapid.SampledFrom(waits).Draw(t, "delay"))
		}
	}
	return h
}

// drawMerge gives one commit: each machine at most once, under any name and id that no other has.
func drawMerge(t *rapid.T) merge {
	draw := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	names := rapid.Permutation([]string{"a", "b", "c", "d", "e"}).Draw(t, "names")
	ids := rapid.Permutation([]string{"a", "b", "c", "d", "e"}).Draw(t, "ids")
	if rapid.Bool().Draw(t, "ids stay") {
		slices.Sort(ids)
	}
	c := merge{
		paused: draw("paused", "", "", "", "canary", "broad"), wait: rapid.SampledFrom(waits).Draw(t, "wait"),
		restart: draw("restart", "", "", "stopped", "killed", "away"),
	}
	for m := range identities {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		c.claims = append(c.claims, claim{
			machine: m, name: names[m], id: ids[m],
			declares: draw("declares", "", "serial", "macs"), ring: draw("ring", "", "canary", "broad"),
			inputs: draw("inputs", "0123456789abcdef", "fedcba9876543210"), consents: rapid.Bool().Draw(t, "consents"),
		})
	}
	return c
}

func systemName(m int) inventory.MachineID { return inventory.MachineID(fmt.Sprintf("host-%04d", m)) }

// owned is a world whose machines are known by their identities, and who is known as which of them.
type owned struct {
	used
	mute     map[*machine]bool
	delays   []time.Duration
	owners   map[string]inventory.MachineID // by what tells a machine, as far as its agent reported that
	consents map[string]string              // the operation that wrote under each consent
	wrong    []string
}

func newOwned(h history) *owned {
	o := &owned{
		used: used{newWorld(len(identities))}, mute: map[*machine]bool{}, delays: h.delays,
		owners: map[string]inventory.MachineID{}, consents: map[string]string{},
	}
	for i, is := range identities {
		m := o.machines[systemName(i)]
		m.serial, m.uuid, m.mac = is.serial, is.uuid, is.mac
		o.mute[m] = is.mute
	}
	o.writes.SetFates(h.fates...)
	o.writes.Hold = func(arrive func()) {
		o.mu.Lock()
		delay := o.delays[0]
		o.delays = o.delays[1:]
		o.mu.Unlock()
		time.AfterFunc(delay, arrive)
	}
	o.carry = func(do func()) error {
		err := o.call(do)
		o.judge("a write", o.inJournal(), nil)
		return err
	}
	return o
}

// Observe implements reconcile.Observer.
func (o *owned) Observe(ctx context.Context, d inventory.Desired, r inventory.Record) inventory.Observed {
	seen := o.used.Observe(ctx, d, r)
	o.mu.Lock()
	defer o.mu.Unlock()
	if m := o.at(d); m != nil {
		seen.BMC.System = inventory.System{}
		if !o.mute[m] {
			seen.BMC.System = inventory.System{Serial: m.serial, UUID: m.uuid}
		}
	}
	return seen
}

// Do implements reconcile.Executor. A consent counts from the first byte: what was handed out and taken back wrote
// nothing.
func (o *owned) Do(ctx context.Context, d inventory.Desired, r inventory.Record, action act.Action) act.Outcome {
	before := o.written(d)
	out := o.used.Do(ctx, d, r, action)
	if action.Kind == act.AssignStep || o.written(d) > before {
		o.judgeErase(d, *r.Operation, o.written(d) > before)
	}
	return out
}

// written is how often a host's machine was written.
func (o *owned) written(d inventory.Desired) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at(d).installs
}

// judgeErase judges the permission of an operation that is handed out, or has written: each disk here holds something.
func (o *owned) judgeErase(d inventory.Desired, op inventory.Operation, wrote bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	consent := op.Root().Consent
	if consent == "" {
		o.blame("%s is erased without a consent", systemOf(d))
		return
	}
	if !wrote {
		return
	}
	if before, counted := o.consents[consent]; counted && before != op.ID {
		o.blame("consent %s counts for operation %s and for %s", consent, before, op.ID)
	}
	o.consents[consent] = op.ID
}

func (o *owned) blame(format string, args ...any) {
	if why := fmt.Sprintf(format, args...); !slices.Contains(o.wrong, why) {
		o.wrong = append(o.wrong, why)
	}
}

// desired is what a commit asks of a claim's machine. The caller holds the lock.
func (o *owned) desired(c claim) inventory.Desired {
	d := desired(systemName(c.machine))
	d.Name, d.ID, d.Ring = c.name, inventory.MachineID(c.id), c.ring
	w := *d.Workload
	w.Inputs = c.inputs
	d.Workload, d.Identity = &w, schemas.Identity{}
	switch is := identities[c.machine]; {
	case c.declares == "serial" && !inventory.IsPlaceholder(is.serial):
		d.Identity.Serial = is.serial
	case c.declares == "macs":
		d.Identity.MACs = []string{is.mac}
	}
	record, disk := o.records[d.ID].Record, inventory.NamedDisk(d.RootDisk)
	content := inventory.ContentUnseen
	if c.consents && record.Facts != nil {
		there := &inventory.Disk{Content: inventory.Content{Signature: "sig-" + o.machines[systemName(c.machine)].disk}}
		content = inventory.ContentOf(record, disk, &inventory.IdentifyDisks([]inventory.Disk{*there})[0])
	}
	d.Consent.Erase = []string{inventory.EraseConsent(d.ID, disk, content, c.inputs)}
	return d
}

// commit has the trunk ask for a change.
func (o *owned) commit(number int, c merge) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rings := map[string]inventory.Ring{
		"canary": {}, "broad": {Spec: schemas.RingSpec{After: []string{"canary"}, MaxUnavailable: "1"}},
	}
	var hosts []inventory.Desired
	for _, claim := range c.claims {
		d := o.desired(claim)
		hosts = append(hosts, d)
		if ring, ok := rings[d.Ring]; ok {
			ring.Hosts = append(ring.Hosts, d.ID)
			rings[d.Ring] = ring
		}
	}
	for name, ring := range rings {
		ring.Name, ring.Spec.Paused = name, name == c.paused
		rings[name] = ring
	}
	o.asks(strings.Repeat(fmt.Sprint(number), 40), hosts...)
	o.fleet.Rings = rings
}

// cut has a person power off the machines that serve, after which none of them is found running.
func (o *owned) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.machines {
		if m.served && m.agent.Boot == "" {
			m.power, m.media, m.override = inventory.PoweredOff, "", "None"
		}
	}
}

// TestNoMachineIsTwoHosts has random sequences of commits call machines otherwise, give their names and ids to others,
// swap and delete them and move them between rings, over a journal whose writes are lost, late or not answered, and
// daemons that are stopped and killed. No machine is ever owned by two ids, in the journal and on the pages together,
// none that was owned is forgotten, and no consent counts for two operations.
func TestNoMachineIsTwoHosts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = ownersAfter(t, h) })
		if len(wrong) > 0 {
			rt.Fatalf("%+v:\n%s", h, strings.Join(wrong, "\n"))
		}
	})
}

func ownersAfter(t *testing.T, h history) (wrong []string) {
	o := newOwned(h)
	serve := func() *daemon {
		return o.run(t, reconcile.Config{
			Source: o, Load: o.load, Journal: o, Observer: o, Executor: o, Publisher: o,
			Limits: reconcile.Limits{PublishEvery: time.Second},
		})
	}
	o.commit(9, merge{}) // no host yet
	d, away := serve(), false
	for i, c := range h.merges {
		o.cut()
		o.commit(i, c)
		if d.RefreshSource(); away {
			d = serve()
		}
		after(c.wait)
		away = c.restart == "away"
		switch c.restart {
		case "stopped":
			d.end(t)
			d = serve()
			after(time.Second)
		case "killed":
			o.kill(d)
			d = serve()
			after(time.Second)
		case "away":
			o.kill(d)
		}
		o.audit(fmt.Sprintf("commit %d", i))
	}
	if o.writes.Heal(); away {
		d = serve()
	}
	o.cut()
	after(3 * time.Hour)
	o.audit("the end")
	d.end(t)
	o.audit("the daemon's end")
	return o.wrong
}

// kill ends a daemon as kill -9 does.
func (o *owned) kill(d *daemon) {
	o.mu.Lock()
	o.die()
	o.mu.Unlock()
	_ = d.stop()
}

// audit judges what the journal and the pages say.
func (o *owned) audit(when string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.judge(when, o.inJournal(), o.onPages())
	o.remember(when)
}
