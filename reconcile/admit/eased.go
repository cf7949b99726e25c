package admit

import (
	"reflect"
	"slices"
)

// CanStop reports whether a fleet writes something by which a reason may stand against machines of a ring ("" for those
// in none), at one time or another. Of what machines report it says nothing.
func (v *View) CanStop(reason Reason, ring string) bool {
	r, inRing := v.fleet.Rings[ring]
	switch reason {
	case Frozen:
		return v.WhyUntrusted(ring) != ""
	case DiskShared:
		return false
	case FleetPaused:
		return v.fleet.Paused
	case RingPaused:
		return r.Spec.Paused
	case RingAfter:
		return len(r.Spec.After) > 0
	case Window:
		return len(r.Spec.Windows) > 0
	case Canaries, RingFailed, Unavailable:
		return inRing
	case Places:
		return true
	default:
		panic("admit: unknown reason " + string(reason))
	}
}

// IsEased reports whether a reason may stand less against machines of a ring after a change than before it, by what the
// two fleets write. With "" for the ring it is about what holds for all machines.
//
//	reason                                      may stand less when
//	Frozen, FleetPaused, RingPaused             it stood before, and does not now
//	Window, RingAfter                           there were some before, and they are other ones now, or none
//	Canaries, Unavailable, Places               what the fleet writes differs
//	RingFailed                                  more machines may fail
//	DiskShared                                  never: machines report disks
func IsEased(reason Reason, ring string, before, after *View) bool {
	was, is := before.fleet.Rings[ring].Spec, after.fleet.Rings[ring].Spec
	stopped := before.CanStop(reason, ring)
	switch reason {
	case Frozen, RingPaused:
		return stopped && !after.CanStop(reason, ring)
	case FleetPaused:
		return ring == "" && stopped && !after.CanStop(reason, ring)
	case Window:
		return stopped && !reflect.DeepEqual(was.Windows, is.Windows)
	case RingAfter:
		return stopped && !slices.Equal(was.After, is.After)
	case Canaries:
		return !reflect.DeepEqual(was.Canaries, is.Canaries)
	case Unavailable:
		return was.MaxUnavailable != is.MaxUnavailable
	case Places:
		return ring == "" && before.fleet.Places != after.fleet.Places
	case RingFailed:
		return was.Failures() < is.Failures()
	case DiskShared:
		return false
	default:
		panic("admit: unknown reason " + string(reason))
	}
}

// FreedMachines gives the names of the machines that a ring does not wait for any more after a change, as it would for one
// that is held or failed: they left the ring, are no canary of it any more, or nothing is done to them. They are
// sorted.
func FreedMachines(ring string, before, after *View) (names []string) {
	for _, id := range before.fleet.Rings[ring].Hosts {
		was, is := before.machines[id], after.machines[id]
		if was.Ring != ring || was.State == Excluded {
			continue
		}
		if is.Ring != ring || was.Canary && !is.Canary || is.State == Excluded {
			names = append(names, was.Name)
		}
	}
	slices.Sort(names)
	return names
}

// RingsBefore gives a ring and those that come before it, each once.
func (v *View) RingsBefore(ring string) []string {
	all := []string{ring}
	for i := 0; i < len(all); i++ {
		for _, earlier := range v.fleet.Rings[all[i]].Spec.After {
			if !slices.Contains(all, earlier) {
				all = append(all, earlier)
			}
		}
	}
	return all
}
