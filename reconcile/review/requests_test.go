package review_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
)

// TestWhoKeepsAMachineOff says of each change of the keys what it does to the machine.
func TestWhoKeepsAMachineOff(t *testing.T) {
	t.Parallel()
	is := review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": running("web-1")}}
	host := func(inputs string, edit func(*inventory.Desired), keys ...string) inventory.Desired {
		d := keptOffBy(desired("web-1", inputs, ""), keys...)
		if edit != nil {
			edit(&d)
		}
		return d
	}
	protect := func(d *inventory.Desired) { d.Protect = true }
	off := func(d *inventory.Desired) { d.Power = "Off" }
	for name, test := range map[string]struct {
		base, head inventory.Desired
		verdict    change.Verdict // "" for no news
		says       []string
	}{
		"the same key":            {host(before, nil, "ups"), host(before, nil, "ups"), "", nil},
		"a key":                   {host(before, nil), host(before, nil, "ups"), change.TurnOff, []string{"because it is kept off by ups (spec.offBy)"}},
		"another key":             {host(before, nil, "ups"), host(before, nil, "memtest"), change.Nothing, []string{"web-1: kept off by memtest (spec.offBy)"}},
		"a key where it is off":   {host(before, off), host(before, off, "ups"), change.Nothing, []string{"web-1: kept off by ups (spec.offBy)"}},
		"no key any more":         {host(before, nil, "ups"), host(before, nil), change.TurnOn, []string{"nobody keeps it off any more (spec.offBy), and spec.power is On"}},
		"none, and the power off": {host(before, off, "ups"), host(before, off), change.Nothing, []string{"web-1: nobody keeps it off any more"}},
		"protected":               {host(before, protect), host(before, protect, "ups"), "", nil},
		"a key and other inputs":  {host(before, nil), host(after, nil, "ups"), change.Reinstall, []string{"HELD: reinstall", "    kept off by ups (spec.offBy)"}},
		"a key, held before":      {host(after, nil), host(after, nil, "ups"), change.Reinstall, []string{"    kept off by ups (spec.offBy)"}},
	} {
		r := review.Compare(fleet("base", test.base), fleet("head", test.head), is)
		text := r.RenderText()
		switch {
		case test.verdict == "" && len(r.Hosts) == 0:
			continue
		case len(r.Hosts) != 1 || r.Hosts[0].Verdict != test.verdict || !r.TouchesMachine():
			t.Errorf("%s: want %q:\n%s", name, test.verdict, text)
		}
		for _, want := range test.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: want %q in:\n%s", name, want, text)
			}
		}
	}
	install := review.Compare(fleet("base"), fleet("head", keptOffBy(desired("web-9", before, ""), "ups")), review.Known{})
	if text := install.RenderText(); !strings.Contains(text, "    it is kept off by ups (spec.offBy): nothing begins before") {
		t.Errorf("a new host with a key:\n%s", text)
	}
}
