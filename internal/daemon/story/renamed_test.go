package story

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

func among(hosts ...reconcile.HostView) *heirs {
	return &heirs{view: func() reconcile.View { return reconcile.View{Hosts: hosts} }}
}

// fleet is a loop that counts what costs its lock for long.
type fleet struct {
	hosts map[string]reconcile.HostView
	views int
}

func (f *fleet) Host(name string) (reconcile.HostView, bool) {
	h, known := f.hosts[name]
	return h, known
}

func (f *fleet) View() reconcile.View {
	f.views++
	return reconcile.View{Hosts: slices.Collect(maps.Values(f.hosts))}
}

// A commit that renames every host, or gives each a serial, takes no View for each.
func TestManyNamesOneView(t *testing.T) {
	t.Parallel()
	s, consoles := New(), newRack(t, 10)
	old, given, renamed := &fleet{hosts: map[string]reconcile.HostView{}}, &fleet{hosts: map[string]reconcile.HostView{}}, &fleet{hosts: map[string]reconcile.HostView{}}
	var names []string
	for i := range 100 {
		name, heir := fmt.Sprintf("host-%d", i), fmt.Sprintf("new-%d", i)
		h := view(document(name), "")
		h.Desired.Identity.MACs = []string{name}
		old.hosts[name] = h
		h.Desired.Identity.Serial = name
		given.hosts[name] = h
		h.Name, h.Observed.Record.Formerly = heir, []string{name}
		renamed.hosts[heir] = h
		names = append(names, name, heir)
	}
	for name, tell := range map[string]func(reconcile.HostView, bool, *heirs){"stories": s.told, "consoles": consoles.told} {
		for _, step := range []struct {
			what  string
			fleet *fleet
			views int
		}{{"the first look", old, 0}, {"a serial for each", given, 0}, {"a name for each", renamed, 1}, {"nothing", renamed, 0}} {
			step.fleet.views = 0
			if viewed := each(step.fleet, names, tell); step.fleet.views != step.views || viewed != (step.views > 0) {
				t.Errorf("%s: %s took %d views, said %t, want %d", name, step.what, step.fleet.views, viewed, step.views)
			}
		}
	}
	if len(s.machines) != 100 || s.machines["host-0"].Serial != "" || s.machines["new-0"].Serial != "host-0" {
		t.Errorf("machines are %v", s.machines)
	}
}

// Who has a name after a machine, and what of the machine stays there.
func TestLeft(t *testing.T) {
	t.Parallel()
	machine := func(name, serial string, formerly ...string) reconcile.HostView {
		h := reconcile.HostView{Name: name}
		h.Desired.Identity.Serial, h.Observed.Record.Formerly = serial, formerly
		return h
	}
	for _, test := range []struct {
		name   string
		now    reconcile.HostView
		known  bool
		others []reconcile.HostView
		heir   string
		left   bool
	}{
		{"nothing happened", machine("a", "S1"), true, []reconcile.HostView{machine("b", "S1", "a")}, "", false},
		{"renamed", machine("a", ""), false, []reconcile.HostView{machine("c", "S3", "a"), machine("b", "S1", "x", "a")}, "b", true},
		{"renamed twice", machine("a", ""), false, []reconcile.HostView{machine("c", "S1", "a", "b")}, "c", true},
		{"renamed, and the name is another's", machine("a", "S2"), true, []reconcile.HostView{machine("b", "S1", "a")}, "b", true},
		{"mended", machine("a", "S2"), true, []reconcile.HostView{machine("b", "S3", "a")}, "", false},
		{"gone", machine("a", ""), false, []reconcile.HostView{machine("b", "S3")}, "", true},
	} {
		heir, yes := left(schemas.Identity{Serial: "S1"}, test.now, test.known, among(test.others...))
		if heir != test.heir || yes != test.left {
			t.Errorf("%s: left(…) = %q, %t, want %q, %t", test.name, heir, yes, test.heir, test.left)
		}
	}
	if !same(schemas.Identity{MACs: []string{"a"}}, schemas.Identity{MACs: []string{"a"}}) || same(schemas.Identity{MACs: []string{"a"}}, schemas.Identity{MACs: []string{"b"}}) {
		t.Error("machines without a serial are not told apart by their addresses")
	}
}

// A renamed machine's console goes with it; the next that has its name begins its own.
func TestARenamedMachinesConsole(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a", "b")
	old := r.host("a", plan.Installing)
	old.Desired.Identity.Serial = "S1"
	r.look("a", old, true, time.Now())
	r.until(t, old, "of the old", says("of the old: line"))
	heir, next := r.host("b", plan.Installing), r.host("a", plan.Installing)
	heir.Desired.Identity.Serial, heir.Observed.Record.Formerly = "S1", []string{"a"}
	next.Desired.Identity.Serial = "S2"
	hosts := among(next, heir)
	for range 2 { // it is told again and again
		r.leave(next, true, hosts)
		r.look("a", next, true, time.Now())
		r.leave(heir, true, hosts)
		r.look("b", heir, true, time.Now())
	}
	s := r.until(t, next, "of the next", says("of the next: line"))
	if text := strings.Join(s.Lines, "\n"); strings.Contains(text, "of the old") {
		t.Errorf("the next machine of the name shows\n%s", text)
	}
	s = r.until(t, heir, "of the same", says("of the same: line"))
	if text := strings.Join(s.Lines, "\n"); !strings.Contains(text, "of the old: line") {
		t.Errorf("under its new name the machine shows\n%s", text)
	}
	r.leave(reconcile.HostView{Name: "a"}, false, among())
	if text, err := r.Text("a"); text != "" || err != nil {
		t.Errorf("of a machine that is gone is kept %q, %v", text, err)
	}
}

// The next machine of a name does not tell what the one before did.
func TestARenamedMachinesStory(t *testing.T) {
	t.Parallel()
	s := New()
	old, next := view(document("a"), "by the old"), view(document("a"), "by the next")
	old.Desired.Identity.Serial, next.Desired.Identity.Serial = "S1", "S2"
	heir := view(document("b"), "")
	heir.Desired.Identity.Serial, heir.Observed.Record.Formerly = "S1", []string{"a"}
	s.leave(old, true, nil)
	s.step(old, noon)
	s.said(said("a", "of the old"))
	s.leave(next, true, among(next, heir))
	s.step(next, noon)
	if got := s.Of("a", status.Document{}); len(got.Steps) != 1 || got.Steps[0].Text != "by the next" || len(got.Console) != 0 || slices.Contains(s.spoke, "a") {
		t.Errorf("the next machine tells %+v", got)
	}
	s.leave(reconcile.HostView{Name: "a"}, false, among())
	s.Of("nobody", status.Document{})
	if len(s.hosts) != 0 || len(s.machines) != 0 {
		t.Errorf("of nobody is kept %v, %v", s.hosts, s.machines)
	}
}
