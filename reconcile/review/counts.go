package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Counts are the numbers of hosts by verdict. Each host is in one number, and perhaps in Reboots and HeldErases too.
type Counts struct {
	Erases   int `json:"erases"`   // erased and installed, without a hold
	Installs int `json:"installs"` // installed without an erase
	Held     int `json:"held"`     // waiting for a person
	// of the held hosts: waiting for a consent or a second signature to erase a disk
	HeldErases int            `json:"heldErases"`
	Orphaned   int            `json:"orphaned"` // not in head: hands off
	Unknown    int            `json:"unknown"`  // the effect on the machine is unknown
	Other      int            `json:"other"`
	Pending    map[string]int `json:"pending"` // by ring: the trunk asks for a change that the ring has not released
	Unchanged  int            `json:"unchanged"`
	Reboots    int            `json:"reboots"` // without a hold: powered off and started from the ramdisk
}

// CountHosts counts the hosts by their verdicts.
func (r Review) CountHosts() Counts {
	c := Counts{Pending: map[string]int{}, Unchanged: r.Unchanged}
	for _, h := range r.Hosts {
		switch {
		case h.Unknown != "":
			c.Unknown++
		case h.isPending():
			c.Pending[h.Ring]++
		case h.Held:
			c.Held++
		case h.Erases:
			c.Erases++
		case h.Verdict == change.Install:
			c.Installs++
		case h.Orphaned:
			c.Orphaned++
		default:
			c.Other++
		}
		if h.Held && h.Erases {
			c.HeldErases++
		}
		if h.Reboots && !h.Held && !h.isPending() {
			c.Reboots++
		}
	}
	return c
}

// SummaryLine counts in one line the hosts that are erased, installed, held or left alone.
func (r Review) SummaryLine() string {
	c := r.CountHosts()
	var b strings.Builder
	fmt.Fprintf(&b, "Plan: %d to erase and reinstall, %d to install, %d held, %d other, ", c.Erases, c.Installs, c.Held,
		c.Other)
	for _, part := range slices.Concat(c.unknownCount(), c.orphanedCount(), c.pendingCounts()) {
		b.WriteString(part + ", ")
	}
	fmt.Fprintf(&b, "%d unchanged", c.Unchanged)
	if c.Reboots > 0 {
		fmt.Fprintf(&b, "; reboots %d", c.Reboots)
	}
	return b.String() + "."
}

// nonZeroCounts gives the counts above zero, in words.
func (c Counts) nonZeroCounts() []string {
	var all []string
	all = append(all, c.unknownCount()...)
	add := func(n int, what string) {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(c.Erases, "to erase and reinstall")
	add(c.Installs, "to install")
	add(c.Held, "held")
	add(c.Other, "other")
	return append(append(all, c.orphanedCount()...), c.pendingCounts()...)
}

func (c Counts) unknownCount() []string {
	if c.Unknown == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d UNKNOWN", c.Unknown)}
}

func (c Counts) orphanedCount() []string {
	if c.Orphaned == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d orphaned", c.Orphaned)}
}

func (c Counts) pendingCounts() []string {
	var all []string
	for _, ring := range slices.Sorted(maps.Keys(c.Pending)) {
		all = append(all, fmt.Sprintf("%d pending in ring %s", c.Pending[ring], ring))
	}
	return all
}
