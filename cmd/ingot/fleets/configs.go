package fleets

import (
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/aymanbagabas/go-udiff"

	"github.com/gitmetal/ingot/boot/clouddrive"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/review"
)

// Limits of the differences in a plan.
const (
	maxCompared = 1000 // hosts whose configs are rendered
	maxDiff     = 200  // lines of a host's difference
)

// CompareConfigs gives what changes in the rendered configs of the hosts of a review, for hosts that have a config in
// base and in head. Nothing is decrypted. Hosts with equal differences stand together, in the order of the review.
func CompareConfigs(base, head inventory.Fleet, r review.Review) []review.ConfigChange {
	var pairs []configPair
	for _, h := range r.Hosts {
		id := h.MachineID()
		before, after := base.Hosts[id], head.Hosts[id]
		configured := before.Workload != nil && after.Workload != nil && !before.Retires && !after.Retires
		if !configured || isSameConfig(before, after) || len(pairs) == maxCompared {
			continue
		}
		pairs = append(pairs, configPair{name: h.Name, before: before, after: after})
	}
	var rendering sync.WaitGroup
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range pairs {
		places <- struct{}{}
		rendering.Go(func() {
			defer func() { <-places }()
			pairs[i].compareTexts()
		})
	}
	rendering.Wait()
	return groupChanges(pairs)
}

// configPair is a host's config before and after a change.
type configPair struct {
	name          string
	before, after inventory.Desired
	change        review.ConfigChange
}

// isSameConfig reports whether a host's config certainly has the same bytes, without rendering the config.
func isSameConfig(before, after inventory.Desired) bool {
	a, b := before.Workload, after.Workload
	return a.Parts["butane"] == b.Parts["butane"] && a.Parts["vars"] == b.Parts["vars"] && a.PhoneHome == b.PhoneHome && a.Ignition == b.Ignition &&
		before.Name == after.Name && reflect.DeepEqual(before.Network, after.Network)
}

// anyName stands for the name of a host that keeps its name: hosts whose differences are equal but for their names
// stand together.
const anyName = "«host name»"

// compareTexts fills in the change. A config that cannot be rendered is a finding of its own, and has no change.
func (p *configPair) compareTexts() {
	if p.before.Name == p.after.Name {
		p.before.Name, p.after.Name = anyName, anyName
	}
	before, err := clouddrive.NewPreview(p.before)
	if err != nil {
		return
	}
	after, err := clouddrive.NewPreview(p.after)
	if err != nil {
		return
	}
	lines := strings.SplitAfter(udiff.Unified("base", "head", string(before.Text), string(after.Text)), "\n")
	lines = lines[min(2, len(lines)):] // the names of the texts
	if cut := len(lines) - maxDiff; cut > 0 {
		lines, p.change.Cut = lines[:maxDiff], cut
	}
	p.change.Diff = strings.Join(lines, "")
}

func groupChanges(pairs []configPair) (changes []review.ConfigChange) {
	type text struct {
		diff string
		cut  int
	}
	places := map[text]int{}
	for _, p := range pairs {
		if p.change.Diff == "" {
			continue
		}
		key := text{p.change.Diff, p.change.Cut}
		at, known := places[key]
		if !known {
			at = len(changes)
			places[key] = at
			changes = append(changes, p.change)
		}
		changes[at].Hosts = append(changes[at].Hosts, p.name)
	}
	return changes
}
