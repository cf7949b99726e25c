package attended_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/attended"
)

// Actions on a machine, and their end.
var (
	cut     = act.Action{Kind: act.PowerOff}
	ask     = act.Action{Kind: act.PowerOff, Graceful: true}
	powerOn = act.Action{Kind: act.PowerOn}
	done    = act.Outcome{Result: act.Done}
)

// reading is a look with a power reading, ten seconds after the look before.
func reading(a attended.Time, power inventory.PowerState, change ...func(*inventory.Observed)) attended.Time {
	o := inventory.Observed{BMC: inventory.BMCState{Reach: inventory.Reached, Power: power}}
	for _, c := range change {
		c(&o)
	}
	return a.Look(10*time.Second, 0, o)
}

// TestOffIsProved follows rows of readings: what the last one proves of Off.
func TestOffIsProved(t *testing.T) {
	t.Parallel()
	const on, off, unknown = inventory.PoweredOn, inventory.PoweredOff, inventory.PowerUnknown
	away := func(o *inventory.Observed) { o.BMC = inventory.BMCState{Reach: inventory.Unreachable} }
	spoke := func(o *inventory.Observed) { o.Agent.Boot, o.Agent.Seen = "b", noon }
	read := func(o *inventory.Observed) {
		o.Record.Boot = &inventory.Boot{ID: "b", Stage: inventory.Running}
		o.Media.Last = noon
	}
	inserted := func(o *inventory.Observed) {
		o.Record.Boot = &inventory.Boot{ID: "b", Stage: inventory.Preparing}
		o.Media.Last = noon
	}
	for name, test := range map[string]struct {
		looks   func(a attended.Time) attended.Time
		off     time.Duration
		wentOff bool
	}{
		"found off": {func(a attended.Time) attended.Time { return reading(a, off) }, 0, false},
		"found off, four looks": {func(a attended.Time) attended.Time {
			return reading(reading(reading(reading(a, off), off), off), off)
		}, 30 * time.Second, false},
		"found off, then on, then off": {func(a attended.Time) attended.Time {
			return reading(reading(reading(reading(a, off), off), on), off)
		}, 0, false},
		"found off, and not known between": {func(a attended.Time) attended.Time {
			return reading(reading(reading(reading(a, off), off), unknown), off)
		}, 0, false},
		"found off, the BMC away between": {func(a attended.Time) attended.Time {
			return reading(reading(reading(a, off), off, away), off)
		}, 0, false},
		"found off, and its agent spoke": {func(a attended.Time) attended.Time {
			return reading(reading(reading(a, off), off), off, spoke)
		}, 0, false},
		"found off, and it read its medium": {func(a attended.Time) attended.Time {
			return reading(reading(reading(a, off), off), off, read)
		}, 0, false},
		"found off, and its BMC read the medium": {func(a attended.Time) attended.Time {
			return reading(reading(reading(a, off), off), off, inserted)
		}, 20 * time.Second, false},
		"cut, and seen to go off": {func(a attended.Time) attended.Time {
			return reading(reading(a, on).Note(cut, done), off)
		}, 0, true},
		"asked, and seen to go off later": {func(a attended.Time) attended.Time {
			return reading(reading(reading(a, on).Note(ask, done), on), off)
		}, 0, true},
		"cut, its agent's last word came before": {func(a attended.Time) attended.Time {
			return reading(reading(a, on).Note(cut, done), off, spoke)
		}, 0, true},
		"cut, seen to go off, and its agent speaks": {func(a attended.Time) attended.Time {
			return reading(reading(reading(a, on).Note(cut, done), off), off, spoke)
		}, 0, false},
		"cut before it was seen on": {func(a attended.Time) attended.Time {
			return reading(a.Note(cut, done), off)
		}, 0, false},
		"went off by itself": {func(a attended.Time) attended.Time {
			return reading(reading(a, on), off)
		}, 0, false},
		"off, and powered on": {func(a attended.Time) attended.Time {
			return reading(reading(reading(reading(a, on).Note(cut, done), off), off).Note(powerOn, done), off)
		}, 0, false},
		"off, and the daemon started anew": {func(a attended.Time) attended.Time {
			return reading(reading(reading(reading(a, on).Note(cut, done), off), off).Restart(), off)
		}, 0, false},
	} {
		got := test.looks(reading(attended.Time{}, unknown)).Evidence()
		if got.Off != test.off || got.WentOff != test.wentOff {
			t.Errorf("%s: off for %s, went off %t; want %s, %t", name, got.Off, got.WentOff, test.off, test.wentOff)
		}
	}
}

// TestRequestsInARow counts requests: a row ends when the machine starts anew, after a while without a request, and in a
// gap in which nobody watched.
func TestRequestsInARow(t *testing.T) {
	t.Parallel()
	asked := reading(reading(attended.Time{}, inventory.PoweredOn).Note(ask, done), inventory.PoweredOn)
	asked = reading(asked.Note(ask, done), inventory.PoweredOn)
	if e := asked.Evidence(); e.Asks != 2 || e.Asked != 20*time.Second || e.AskedLast != 10*time.Second {
		t.Errorf("evidence = %+v, want 2 requests, the first 20 s ago, the last 10 s ago", e)
	}
	started := reading(reading(asked, inventory.PoweredOff), inventory.PoweredOn)
	if e := started.Evidence(); e.Asks != 0 {
		t.Errorf("evidence = %+v, want no request to the system that runs since", e)
	}
	away := inventory.Observed{BMC: inventory.BMCState{Reach: inventory.Unreachable}}
	gap := reading(asked.Look(time.Hour, 0, away), inventory.PoweredOn)
	if e := gap.Evidence(); e.Asks != 0 {
		t.Errorf("evidence = %+v after a gap, want no request", e)
	}
	wasCut := reading(reading(attended.Time{}, inventory.PoweredOn).Note(cut, done), inventory.PoweredOn)
	back := reading(reading(wasCut, inventory.PoweredOff), inventory.PoweredOn)
	if e := back.Evidence(); e.Cuts != 1 || !e.CameBack {
		t.Errorf("evidence = %+v, want a machine that came back after a power-off", e)
	}
	if e := back.Note(powerOn, done).Evidence(); e.Cuts != 0 || e.CameBack {
		t.Errorf("evidence = %+v after a power-on, want no row", e)
	}
}
