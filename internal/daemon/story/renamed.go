package story

import (
	"slices"
	"time"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/schemas"
)

// rest is how long no news is taken after a batch that had a View taken: renames come one by one, and each View holds up the loop.
const rest = time.Second

// views is what is asked of a loop.
type views interface {
	Host(name string) (reconcile.HostView, bool)
	View() reconcile.View
}

// heirs finds machines by a name that they had before: in one View for a whole batch of news, taken when a machine is looked for first.
type heirs struct {
	view func() reconcile.View
	by   map[string][]reconcile.HostView
}

func (x *heirs) of(former string) []reconcile.HostView {
	if x.by == nil {
		x.by = map[string][]reconcile.HostView{}
		for _, h := range x.view().Hosts {
			for _, name := range h.Observed.Record.Formerly {
				x.by[name] = append(x.by[name], h)
			}
		}
	}
	return x.by[former]
}

// each tells of every host of a batch of news, also of one that is not known any more, and reports whether a View was taken. That is never older than what is
// told of a host: the machine that had a name which is gone is in it.
func each(loop views, names []string, tell func(h reconcile.HostView, known bool, among *heirs)) (viewed bool) {
	hosts, known := make([]reconcile.HostView, len(names)), make([]bool, len(names))
	for i, name := range names {
		hosts[i], known[i] = loop.Host(name)
		hosts[i].Name = name
	}
	among := &heirs{view: loop.View}
	for i := range hosts {
		tell(hosts[i], known[i], among)
	}
	return among.by != nil
}

// left reports whether the machine that had a name has another now, or is not known any more, and gives the other name; "" when there is none. A machine
// that has another serial under the same name was mended, and one that has a serial now was given it: the name is still its own.
func left(was schemas.Identity, now reconcile.HostView, known bool, among *heirs) (heir string, yes bool) {
	is := now.Desired.Identity
	if known && (same(was, is) || was.Serial == "" && slices.Equal(was.MACs, is.MACs)) {
		return "", false
	}
	for _, h := range among.of(now.Name) {
		if h.Name != now.Name && same(was, h.Desired.Identity) {
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

// leave has what is kept of a machine's console go with it to another name, or away with its name.
func (c *Consoles) leave(h reconcile.HostView, known bool, among *heirs) {
	c.mu.Lock()
	w := c.hosts[h.Name]
	if w == nil {
		c.mu.Unlock()
		return
	}
	was := w.host.Desired.Identity
	c.mu.Unlock()
	heir, yes := left(was, h, known, among)
	if !yes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.end != nil {
		w.end()
	}
	delete(c.hosts, h.Name)
	if err := c.config.Dir.Move(h.Name, heir); err != nil {
		c.config.Log.Warn("what is kept of a machine's serial console is under its former name", "host", heir, "formerly", h.Name, "why", err)
	}
}

// leave forgets the story of a machine that has the name no more.
func (s *Stories) leave(h reconcile.HostView, known bool, among *heirs) {
	s.mu.Lock()
	was, seen := s.machines[h.Name]
	s.mu.Unlock()
	if !seen {
		return
	}
	if _, yes := left(was, h, known, among); !yes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hosts, h.Name)
	delete(s.machines, h.Name)
	s.spoke = slices.DeleteFunc(s.spoke, func(host string) bool { return host == h.Name })
}
