// Package fleetdiff compares the fleets of two commits, and tells which hosts the difference concerns. Call Compare,
// and then Changes.Concerns for each host. Do not ask here what the change means for a machine: package plan/change
// does. Pure.
package fleetdiff

import (
	"bytes"
	"reflect"
	"slices"
	"unsafe"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
)

// Changes are the differences between two fleets.
type Changes struct {
	before, after inventory.Fleet
	secrets       map[string]bool // with other content, or another scope
}

// Compare compares two fleets. The fleet before the first one is the zero Fleet.
func Compare(before, after inventory.Fleet) Changes {
	c := Changes{before, after, map[string]bool{}}
	for name, now := range after.Secrets {
		if was, there := before.Secrets[name]; !there || !bytes.Equal(was.Document, now.Document) ||
			!reflect.DeepEqual(was.Scope, now.Scope) {
			c.secrets[name] = true
		}
	}
	return c
}

// Concerns reports whether the later fleet asks something else of a host, uses a Secret of other content for the host,
// or names a host that the earlier fleet did not name, or no longer names a host.
func (c Changes) Concerns(id inventory.MachineID) bool {
	before, was := c.before.Hosts[id]
	after, is := c.after.Hosts[id]
	return was != is || is && (!AsksTheSame(before, after) || before.Name != after.Name || c.usesChanged(after))
}

// ConcernsBMC reports whether the later fleet names another BMC for a host, or has other credentials for the BMC.
func (c Changes) ConcernsBMC(id inventory.MachineID) bool {
	before, after := c.before.Hosts[id].BMC, c.after.Hosts[id].BMC
	return before != after && !reflect.DeepEqual(before, after) || after != nil && c.secrets[after.Credentials]
}

// Moves reports whether the later fleet has an unchanged host in another place of its repository.
func (c Changes) Moves(id inventory.MachineID) bool {
	return c.before.Hosts[id].File != c.after.Hosts[id].File
}

// NewTroubles gives, by the name of a ring, why its release differs from the tags, where that was not so before.
func (c Changes) NewTroubles() map[string]string {
	troubles := map[string]string{}
	for name, ring := range c.after.Rings {
		if ring.Trouble != "" && ring.Trouble != c.before.Rings[name].Trouble {
			troubles[name] = ring.Trouble
		}
	}
	return troubles
}

// usesChanged reports whether a host uses a Secret that changed.
func (c Changes) usesChanged(d inventory.Desired) bool {
	if len(c.secrets) == 0 {
		return false
	}
	return d.BMC != nil && c.secrets[d.BMC.Credentials] || d.Workload != nil &&
		slices.ContainsFunc(d.Workload.Secrets, func(s refs.Secret) bool { return c.secrets[s.Name] })
}

// AsksTheSame reports whether two desires ask the same of a machine. Name, file, line, commit and the places of steps
// do not count: a commit alone ends only the holds that Reason.EndsWithCommit of package change names.
func AsksTheSame(before, after inventory.Desired) bool {
	before.Commit, before.Release, before.File, before.Line, before.Given = after.Commit, after.Release, after.File,
		after.Line, after.Given
	if !hasConditions(before.Workload) && !hasConditions(after.Workload) { // a condition may ask for each var, and the name
		before.Vars, before.Name = after.Vars, after.Name // the vars in use are in the workload
	}
	return sharesAll(before, after) || isEqual(before, after)
}

// sharesAll reports whether two desires are the same bytes: equal values, and the same pointers, maps and slices. The
// fleets of two commits share what is equal, so that of 10,000 hosts nearly all are told apart here, without a walk.
func sharesAll(before, after inventory.Desired) bool {
	const size = unsafe.Sizeof(before)
	return *(*[size]byte)(unsafe.Pointer(&before)) == *(*[size]byte)(unsafe.Pointer(&after))
}

func isEqual(before, after inventory.Desired) bool {
	if before.Workload != after.Workload {
		before.Workload, after.Workload = withoutPlaces(before.Workload), withoutPlaces(after.Workload)
	}
	return reflect.DeepEqual(&before, &after)
}

// hasConditions reports whether a step of a workload has a condition.
func hasConditions(w *inventory.Workload) bool {
	return w != nil && slices.ContainsFunc(w.Steps, func(s inventory.Step) bool { return len(s.When) > 0 })
}

// withoutPlaces is a workload without the places of the entries.
func withoutPlaces(w *inventory.Workload) *inventory.Workload {
	if w == nil {
		return nil
	}
	plain := *w
	plain.Steps = slices.Clone(w.Steps)
	for i, s := range plain.Steps {
		plain.Steps[i] = s.WithoutPlace()
	}
	plain.Settings = slices.Clone(w.Settings)
	for i, s := range plain.Settings {
		plain.Settings[i] = s.WithoutPlace()
	}
	return &plain
}
