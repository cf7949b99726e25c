package review_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

// due is a fleet in which something is due on web-1, whatever else stands in its way.
func due(change func(d *inventory.Desired, f *inventory.Fleet, r *schemas.RingSpec)) inventory.Fleet {
	d := desired("web-1", after, allow("web-1"))
	d.Ring, d.BMC, d.Labels = "prod", &schemas.BMC{Address: "https://10.0.0.1"}, map[string]string{"rack": "r1"}
	f, spec := fleet("", d), schemas.RingSpec{Tag: "v*", After: []string{"canary"}, Paused: true,
		Windows: []schemas.Window{{Start: "0 22 * * *", Duration: "4h"}}}
	f.Settings.Paused = true
	if change != nil {
		change(&d, &f, &spec)
	}
	f.Hosts["web-1"] = d
	if f.Rings == nil {
		f.Rings = map[string]inventory.Ring{}
	}
	f.Rings["prod"] = inventory.Ring{Name: "prod", Spec: spec, Hosts: []inventory.MachineID{"web-1"}}
	return f
}

// TestWhatIsTakenOutOfTheWayIsAChange has an installation that was due before, and a change that lets it begin: the
// plan says so, and what it erases. What lets nothing begin is none.
func TestWhatIsTakenOutOfTheWayIsAChange(t *testing.T) {
	t.Parallel()
	records := map[inventory.MachineID]inventory.Record{"web-1": running("web-1")}
	for name, test := range map[string]struct {
		change func(*inventory.Desired, *inventory.Fleet, *schemas.RingSpec)
		want   string // "" where it is no news
	}{
		"a takeover": {func(d *inventory.Desired, _ *inventory.Fleet,
			_ *schemas.RingSpec) {
			d.Consent.Takeover = "S1"
		}, "spec.consent.takeover is given: the machine is powered off although it is found running"},
		"another certificate": {func(d *inventory.Desired, _ *inventory.Fleet, _ *schemas.RingSpec) {
			d.BMC.TLS.Fingerprint = "sha256:00"
		}, "spec.bmc changed"},
		"a console": {func(d *inventory.Desired, _ *inventory.Fleet, _ *schemas.RingSpec) {
			d.BMC.Console = &schemas.BMCConsole{Fingerprint: "SHA256:x"}
		}, ""},
		"another serial": {func(d *inventory.Desired, _ *inventory.Fleet,
			_ *schemas.RingSpec) {
			d.Identity.Serial = "S2"
		}, "spec.identity changed"},
		"no Secure Boot": {func(d *inventory.Desired, _ *inventory.Fleet,
			_ *schemas.RingSpec) {
			d.Boot.SecureBoot = true
		}, "spec.boot changed"},
		"another network": {func(d *inventory.Desired, _ *inventory.Fleet,
			_ *schemas.RingSpec) {
			d.Network = &schemas.Networks{}
		}, "spec.network changed"},
		"out of its ring": {func(d *inventory.Desired, _ *inventory.Fleet, _ *schemas.RingSpec) { d.Ring = "" },
			"it was in ring prod"},
		"a canary": {func(d *inventory.Desired, _ *inventory.Fleet, _ *schemas.RingSpec) { d.Canary = true },
			"it is a canary of its ring now"},
		"labels": {func(d *inventory.Desired, _ *inventory.Fleet, _ *schemas.RingSpec) { d.Labels = nil },
			""},
		"the fleet goes on": {func(_ *inventory.Desired, f *inventory.Fleet,
			_ *schemas.RingSpec) {
			f.Settings.Paused = false
		}, "the fleet is not paused any more"},
		"more at a time": {func(_ *inventory.Desired, f *inventory.Fleet,
			_ *schemas.RingSpec) {
			f.Settings.Installs = 9
		}, "the fleet's limit of installations at a time changed"},
		"another image host": {func(_ *inventory.Desired, f *inventory.Fleet, _ *schemas.RingSpec) {
			f.Settings.ImageHosts = []string{"a"}
		}, "the hosts that images may be fetched from changed"},
		"the ring goes on": {func(_ *inventory.Desired, _ *inventory.Fleet,
			r *schemas.RingSpec) {
			r.Paused = false
		}, "ring prod is not paused any more"},
		"no windows": {func(_ *inventory.Desired, _ *inventory.Fleet,
			r *schemas.RingSpec) {
			r.Windows = nil
		}, "the windows of ring prod changed"},
		"nothing comes before": {func(_ *inventory.Desired, _ *inventory.Fleet, r *schemas.RingSpec) { r.After = nil },
			"the rings that come before ring prod changed"},
		"other canaries": {func(_ *inventory.Desired, _ *inventory.Fleet,
			r *schemas.RingSpec) {
			r.Canaries.AllHosts = true
		}, "the canaries of ring prod changed"},
		"more down": {func(_ *inventory.Desired, _ *inventory.Fleet,
			r *schemas.RingSpec) {
			r.MaxUnavailable = "9"
		}, "how many hosts of ring prod may be down changed"},
		"more failures": {func(_ *inventory.Desired, _ *inventory.Fleet,
			r *schemas.RingSpec) {
			r.PauseAfter = 9
		}, "how many hosts of ring prod may fail changed"},
		"nothing": {nil, ""},
		"the file is elsewhere": {func(d *inventory.Desired, _ *inventory.Fleet,
			_ *schemas.RingSpec) {
			d.File = "x.yaml"
		}, ""},
	} {
		base, head := due(nil), due(test.change)
		if concerned := slices.Contains(review.ConcernedHosts(base, head), "web-1"); !concerned && test.want != "" {
			t.Errorf("%s: the host's page would not be read", name)
		}
		r := review.Compare(base, head, review.Known{Records: records})
		if test.want == "" {
			if len(r.Hosts) > 0 {
				t.Errorf("%s is news: %s", name, r.RenderText())
			}
			continue
		}
		if len(r.Hosts) != 1 || !r.Hosts[0].Erases || r.Hosts[0].Held || !r.TouchesMachine() {
			t.Errorf("%s: %s", name, r.RenderText())
			continue
		}
		if diff := cmp.Diff([]string{test.want}, r.Hosts[0].Lifted); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !strings.Contains(r.RenderText(), "it was due before; out of its way now: "+test.want) {
			t.Errorf("%s is not told: %s", name, r.RenderText())
		}
	}
}

// TestWhatStopsIsTold has the plan say what will let nothing begin after the merge.
func TestWhatStopsIsTold(t *testing.T) {
	t.Parallel()
	idle := func(f inventory.Fleet) inventory.Fleet {
		d := f.Hosts["web-1"]
		d.Workload = desired("web-1", before, "").Workload
		f.Hosts["web-1"] = d
		return f
	}
	for want, edit := range map[string]func(*inventory.Desired, *inventory.Fleet, *schemas.RingSpec){
		"ring canary is paused: nothing begins before its spec.paused is taken back": func(_ *inventory.Desired,
			f *inventory.Fleet, r *schemas.RingSpec) {
			f.Settings.Paused, r.Paused = false, false
			f.Rings = map[string]inventory.Ring{"canary": {Name: "canary", Spec: schemas.RingSpec{Paused: true}}}
		},
		"the fleet is paused: nothing begins before spec.paused in ingot.yaml is taken back": nil,
		"ring prod is paused: nothing begins before its spec.paused is taken back": func(_ *inventory.Desired,
			f *inventory.Fleet, _ *schemas.RingSpec) {
			f.Settings.Paused = false
		},
		"it begins in a window of ring prod": func(_ *inventory.Desired, f *inventory.Fleet, r *schemas.RingSpec) {
			f.Settings.Paused, r.Paused = false, false
		},
	} {
		r := review.Compare(idle(due(edit)), due(edit),
			review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": running("web-1")}})
		if len(r.Hosts) != 1 || r.Hosts[0].Stopped != want || !strings.Contains(r.RenderText(), want) ||
			!strings.Contains(r.RenderMarkdown(), want) {
			t.Errorf("the plan does not say %q: %s", want, r.RenderText())
		}
	}
}

// TestWhatARingWaitsForIsNotOnlyItsOwn has web-1 of ring prod be due, and the change be about another ring, or
// another host, that it waits for.
func TestWhatARingWaitsForIsNotOnlyItsOwn(t *testing.T) {
	t.Parallel()
	records := map[inventory.MachineID]inventory.Record{}
	for _, name := range []string{"web-0", "web-1", "web-2"} {
		records[inventory.MachineID(name)] = running(name)
	}
	type parts struct {
		first, prod schemas.RingSpec
		hosts       map[inventory.MachineID]inventory.Desired
	}
	fleetOf := func(change func(*parts)) inventory.Fleet {
		p := parts{first: schemas.RingSpec{Paused: true}, prod: schemas.RingSpec{After: []string{"canary"}},
			hosts: map[inventory.MachineID]inventory.Desired{}}
		for name, ring := range map[string]string{"web-0": "canary", "web-1": "prod", "web-2": "prod"} {
			d := desired(name, before, "")
			d.Ring = ring
			p.hosts[d.ID] = d
		}
		due := desired("web-1", after, allow("web-1"))
		due.Ring = "prod"
		held := desired("web-2", after, "")
		held.Ring, held.Canary = "prod", true
		p.hosts["web-1"], p.hosts["web-2"] = due, held
		if change != nil {
			change(&p)
		}
		rings := map[string]inventory.Ring{"canary": {Name: "canary", Spec: p.first},
			"prod": {Name: "prod", Spec: p.prod}}
		for id, d := range p.hosts {
			if ring, in := rings[d.Ring]; in {
				ring.Hosts = append(ring.Hosts, id)
				rings[d.Ring] = ring
			}
		}
		return inventory.Fleet{Hosts: p.hosts, Rings: rings}
	}
	host := func(name inventory.MachineID, change func(*inventory.Desired)) func(*parts) {
		return func(p *parts) {
			d := p.hosts[name]
			change(&d)
			p.hosts[name] = d
		}
	}
	for name, test := range map[string]struct {
		change func(*parts)
		want   string // "" where it is no news for web-1
	}{
		"an earlier ring goes on": {func(p *parts) { p.first.Paused = false },
			"ring canary is not paused any more"},
		"an earlier ring may fail more": {func(p *parts) { p.first.PauseAfter = 9 },
			"how many hosts of ring canary may fail changed"},
		"a host left an earlier ring": {host("web-0", func(d *inventory.Desired) { d.Ring = "" }),
			"ring canary waits no more for web-0"},
		"a host is protected": {host("web-0", func(d *inventory.Desired) { d.Protect = true }),
			"ring canary waits no more for web-0"},
		"a host is not managed any more": {host("web-2",
			func(d *inventory.Desired) { d.Lifecycle = schemas.Unmanaged }), "ring prod waits no more for web-2"},
		"a canary is none": {host("web-2", func(d *inventory.Desired) { d.Canary = false }),
			"ring prod waits no more for web-2"},
		"a host is deleted": {func(p *parts) { delete(p.hosts, "web-2") },
			"ring prod waits no more for web-2"},
		"a host is renamed": {func(p *parts) {
			d := p.hosts["web-2"]
			d.Name = "db-2"
			p.hosts["web-2"] = d
		}, ""},
		"nothing": {host("web-1", func(*inventory.Desired) {}), ""},
	} {
		r := review.Compare(fleetOf(nil), fleetOf(test.change), review.Known{Records: records})
		at := slices.IndexFunc(r.Hosts, func(h review.Host) bool { return h.Name == "web-1" })
		switch {
		case test.want == "" && at >= 0:
			t.Errorf("%s is news for web-1: %s", name, r.RenderText())
		case test.want != "" && (at < 0 || !slices.Equal(r.Hosts[at].Lifted, []string{test.want})):
			t.Errorf("%s: web-1 is not told of %q: %s", name, test.want, r.RenderText())
		}
	}
}

// TestWhatHoldsBecauseOfOthersIsHeld has an erase be allowed by its consent, and something stand against it that only
// a person ends.
func TestWhatHoldsBecauseOfOthersIsHeld(t *testing.T) {
	t.Parallel()
	seen := &inventory.Facts{Disks: []inventory.Disk{{Name: "sda", Serial: "DISK-web-1", Size: 480_000_000_000,
		Content: inventory.Content{Signature: "aa"}}}}
	for want, test := range map[change.Reason]struct {
		other inventory.Record // of a host that the fleet does not name any more
		ring  inventory.Ring
	}{
		"":                {inventory.Record{ID: "old"}, inventory.Ring{Tag: "v1"}},
		change.DiskShared: {inventory.Record{ID: "old", Facts: seen}, inventory.Ring{Tag: "v1"}},
		change.Frozen:     {inventory.Record{ID: "old"}, inventory.Ring{Tag: "v1", Trouble: "tag v1 was moved"}},
	} {
		known := running("web-1")
		known.Facts = seen
		records := map[inventory.MachineID]inventory.Record{"web-1": known, "old": test.other}
		test.ring.Name = "prod"
		inProd := func(inputs, consent string) inventory.Fleet {
			d := desired("web-1", inputs, consent)
			d.Ring = "prod"
			f := fleet("", d)
			f.Rings = map[string]inventory.Ring{"prod": test.ring}
			return f
		}
		r := review.Compare(inProd(before, ""), inProd(after, allow("web-1")), review.Known{Records: records})
		if len(r.Hosts) != 1 || r.Hosts[0].Reason != want || r.Hosts[0].Held != (want != "") || !r.Hosts[0].Erases ||
			r.IsBlocked() {
			t.Errorf("want the reason %q: %s", want, r.RenderText())
		}
	}
}
