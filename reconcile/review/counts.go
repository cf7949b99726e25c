package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Counts are how many hosts a review says what of. Each host is in one of them, and perhaps in Reboots and HeldErases too.
type Counts struct {
	Erases     int            `json:"erases"`     // erased and installed: nothing holds it
	Installs   int            `json:"installs"`   // installed, nothing is erased
	Held       int            `json:"held"`       // nothing happens until a person does something
	HeldErases int            `json:"heldErases"` // of those: waits for the consent, or the second signature, to erase a disk
	Orphaned   int            `json:"orphaned"`   // not in head any more: hands off
	Unknown    int            `json:"unknown"`    // nothing can be said of what this does to them
	Other      int            `json:"other"`
	Pending    map[string]int `json:"pending"` // by ring: the trunk asks for something that the ring has not released
	Unchanged  int            `json:"unchanged"`
	Reboots    int            `json:"reboots"` // powered off and started from the ramdisk, of those that nothing holds
}

// Counts counts the hosts.
func (r Review) Counts() Counts {
	c := Counts{Pending: map[string]int{}, Unchanged: r.Unchanged}
	for _, h := range r.Hosts {
		switch {
		case h.Unknown != "":
			c.Unknown++
		case h.idle():
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
		if h.Reboots && !h.Held && !h.idle() {
			c.Reboots++
		}
	}
	return c
}

// Summary is one line: how many hosts are erased, installed, held, left alone.
func (r Review) Summary() string {
	c := r.Counts()
	var b strings.Builder
	fmt.Fprintf(&b, "Plan: %d to erase and reinstall, %d to install, %d held, %d other, ", c.Erases, c.Installs, c.Held, c.Other)
	for _, part := range slices.Concat(c.unknown(), c.orphaned(), c.pending()) {
		b.WriteString(part + ", ")
	}
	fmt.Fprintf(&b, "%d unchanged", c.Unchanged)
	if c.Reboots > 0 {
		fmt.Fprintf(&b, "; reboots %d", c.Reboots)
	}
	return b.String() + "."
}

// some are the counts that are not zero, in words.
func (c Counts) some() []string {
	var all []string
	all = append(all, c.unknown()...)
	add := func(n int, what string) {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(c.Erases, "to erase and reinstall")
	add(c.Installs, "to install")
	add(c.Held, "held")
	add(c.Other, "other")
	return append(append(all, c.orphaned()...), c.pending()...)
}

func (c Counts) unknown() []string {
	if c.Unknown == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d UNKNOWN", c.Unknown)}
}

func (c Counts) orphaned() []string {
	if c.Orphaned == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d orphaned", c.Orphaned)}
}

func (c Counts) pending() []string {
	var all []string
	for _, ring := range slices.Sorted(maps.Keys(c.Pending)) {
		all = append(all, fmt.Sprintf("%d pending in ring %s", c.Pending[ring], ring))
	}
	return all
}
