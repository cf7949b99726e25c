package daemon

import (
	"maps"
	"slices"
)

// roll is which hosts a client was told of, on connections to a daemon that may have been away, so that a name that went meanwhile is missed.
type roll struct {
	known map[string]bool // ever, and not gone
	told  map[string]bool // on this connection
	ready bool            // the daemon accepted a commit: it knows all its hosts
	early bool            // it said that this was all before that
}

// begin is a new connection.
func (r *roll) begin() {
	if r.known == nil {
		r.known = map[string]bool{}
	}
	r.told, r.ready, r.early = map[string]bool{}, false, false
}

// take notes an event, and gives the names that are not told any more when everything there is was told. Again means that it must be asked for anew:
// the daemon had just started, and did not know its hosts.
func (r *roll) take(e Event) (gone []string, again bool) {
	switch {
	case e.Fleet != nil:
		r.ready = e.Fleet.Commit != ""
		again = r.ready && r.early
	case e.Host != nil:
		r.known[e.Of()], r.told[e.Of()] = true, true
	case e.Gone:
		delete(r.known, e.Of())
	case e.All:
		for _, name := range slices.Sorted(maps.Keys(r.known)) {
			if !r.told[name] {
				gone = append(gone, name)
			}
		}
		if !r.ready {
			r.early = len(gone) > 0
			return nil, false
		}
		for _, name := range gone {
			delete(r.known, name)
		}
	}
	return gone, again
}
