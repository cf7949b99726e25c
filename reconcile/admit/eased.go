package admit

import (
	"reflect"
	"slices"
)

// CanStop reports whether the fleet's files say something by which a reason may hold in a ring ("" for machines
// without a ring), at any time. Facts of machines do not count.
func (v *View) CanStop(reason Reason, ring string) bool {
	r, inRing := v.fleet.Rings[ring]
	switch reason {
	case Frozen:
		return v.WhyUntrusted(ring) != ""
	case DiskShared, WorkloadFailed:
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
	case ManyErases, DomainBusy, Places:
		return true
	default:
		panic("admit: unknown reason " + string(reason))
	}
}

// IsEased reports whether a reason may hold less often in a ring after a change, by the files of the two fleets. The
// ring "" stands for all machines.
//
//	reason                                      is eased when
//	Frozen, FleetPaused, RingPaused             the reason held before, and does not hold after
//	Window, RingAfter                           the list was not empty before, and differs after
//	Canaries, Unavailable, Places, DomainBusy,  the fleet's files differ
//	ManyErases
//	RingFailed                                  more machines may fail
//	DiskShared, WorkloadFailed                         never: machines report disks, and results
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
	case ManyErases:
		return ring == "" && before.fleet.ErasesPerHour != after.fleet.ErasesPerHour
	case DomainBusy:
		return ring == "" && (before.fleet.DomainLabel != after.fleet.DomainLabel ||
			before.fleet.DomainLimit != after.fleet.DomainLimit)
	case RingFailed:
		return was.Failures() < is.Failures()
	case DiskShared, WorkloadFailed:
		return false
	default:
		panic("admit: unknown reason " + string(reason))
	}
}

// FreedMachines gives the names of machines that a ring stops waiting for after a change, as the ring would wait for a
// held or failed machine: the machines left the ring, stopped being canaries, or are excluded. Sorted.
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

// RingsBefore gives a ring and every earlier ring, each once.
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
