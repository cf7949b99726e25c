package story

import (
	"slices"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/schemas"
)

// left reports whether the machine that had a name has another now, or is not known any more, and gives the other name; "" when there is none. A machine
// that has another serial under the same name was mended: the name is still its own.
func left(was schemas.Identity, now reconcile.HostView, known bool, all func() []reconcile.HostView) (heir string, yes bool) {
	if known && same(was, now.Desired.Identity) {
		return "", false
	}
	for _, h := range all() {
		if h.Name != now.Name && slices.Contains(h.Observed.Record.Formerly, now.Name) && same(was, h.Desired.Identity) {
			return h.Name, true
		}
	}
	return "", !known
}

func same(a, b schemas.Identity) bool {
	if a.Serial != "" || b.Serial != "" {
		return a.Serial == b.Serial
	}
	return slices.Equal(a.MACs, b.MACs)
}

// all gives every host of a loop.
func all(loop *reconcile.Loop) func() []reconcile.HostView {
	return func() []reconcile.HostView { return loop.View().Hosts }
}

// of gives a host by its name, also one that is not known any more.
func of(loop *reconcile.Loop, name string) (reconcile.HostView, bool) {
	h, known := loop.Host(name)
	h.Name = name
	return h, known
}

// leave has what is kept of a machine's console go with it to another name, or away with its name.
func (c *Consoles) leave(h reconcile.HostView, known bool, all func() []reconcile.HostView) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.hosts[h.Name]
	if w == nil {
		return
	}
	heir, yes := left(w.host.Desired.Identity, h, known, all)
	if !yes {
		return
	}
	if w.end != nil {
		w.end()
	}
	delete(c.hosts, h.Name)
	if err := c.config.Dir.Move(h.Name, heir); err != nil {
		c.config.Log.Warn("what is kept of a machine's serial console is under its former name", "host", heir, "formerly", h.Name, "why", err)
	}
}

// leave forgets the story of a machine that has the name no more.
func (s *Stories) leave(h reconcile.HostView, known bool, all func() []reconcile.HostView) {
	s.mu.Lock()
	was, seen := s.machines[h.Name]
	s.mu.Unlock()
	if !seen {
		return
	}
	if _, yes := left(was, h, known, all); !yes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hosts, h.Name)
	delete(s.machines, h.Name)
	s.spoke = slices.DeleteFunc(s.spoke, func(host string) bool { return host == h.Name })
}
