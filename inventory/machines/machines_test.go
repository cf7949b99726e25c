package machines_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory/machines"
)

// hosts are written as name, or name<former, each with /serial behind it where it declares one.
func hosts(text string) []machines.Host {
	var all []machines.Host
	for word := range strings.FieldsSeq(text) {
		word, serial, _ := strings.Cut(word, "/")
		name, former, _ := strings.Cut(word, "<")
		all = append(all, machines.Host{Name: name, Former: former, Serial: serial})
	}
	return all
}

func TestIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ trunk, release, want string }{
		"as ever":                                     {"a/A b/B", "a/A b/B", "a=a b=b"},
		"without serials":                             {"a b", "a b", "a=a b=b"},
		"a serial since":                              {"a/A", "a", "a=a"},
		"a serial no more":                            {"a", "a/A", "a=a"},
		"a serial in other letters":                   {"new/ab1", "old/AB1 new", "new=old"},
		"not there":                                   {"a/A b/B", "a/A", "a=a"},
		"a placeholder is no serial":                  {"a/0 b/none", "c/0 b/unknown", "b=b"},
		"renamed":                                     {"new<old/A", "old/A", "new=old"},
		"renamed, and nobody says so":                 {"new/A", "old/A", "new=old"},
		"renamed without a serial":                    {"new<old", "old", "new=old"},
		"renamed before":                              {"new<old/A", "new<old/A", "new=new"},
		"renamed before, without a serial":            {"new<old", "new", "new=new"},
		"another machine has the name":                {"a/A", "a/B", ""},
		"another machine had the former name":         {"new<old/A", "old/B", ""},
		"names moved up":                              {"b<a/A c<b/B", "a/A b/B", "b=a c=b"},
		"names moved up, serials came then":           {"b<a/A c<b/B", "a b", "b=a c=b"},
		"names moved up by three":                     {"b<a/A c<b/B d<c/C", "a b c", "b=a c=b d=c"},
		"names moved up before":                       {"b<a/A c<b/B", "b/A c/B", "b=b c=c"},
		"names moved up before, without serials":      {"b<a/A c<b/B", "b c", "b=b c=c"},
		"the name is given to a new machine":          {"new<old/A old/B", "old/A", "new=old"},
		"the name is a new machine's, no serial then": {"new<old/A old/B", "old", "new=old"},
		"the name was given before":                   {"new<old/A old/B", "new/A old/B", "new=new old=old"},
		"the former name is the other's by serial":    {"new<old/A old/B", "old/B", "old=old"},
		"of another machine, as that says by serial":  {"a b/B", "a/B", "b=a"},
		"swapped":                      {"a<b/B b<a/A", "a/A b/B", "a=b b=a"},
		"swapped, serials came then":   {"a<b/B b<a/A", "a b", "a=b b=a"},
		"a serial twice tells nothing": {"a/A c/A", "a/A b/A c", "a=a c=c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := machines.Match(machines.Of(slices.Values(hosts(test.trunk))), machines.Of(slices.Values(hosts(test.release))))
			var got []string
			for _, h := range hosts(test.trunk) {
				if found, why := in.Host(h.Name); found != "" {
					got = append(got, h.Name+"="+found)
				} else if why == "" {
					t.Errorf("nothing says why %s is not there", h.Name)
				}
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("the release has %q, want %q", got, test.want)
			}
		})
	}
}

// TestWhyNot is what a person reads.
func TestWhyNot(t *testing.T) {
	t.Parallel()
	in := machines.Match(machines.Of(slices.Values(hosts("a/A b/B new<old/N old/O"))), machines.Of(slices.Values(hosts("b/C old"))))
	for host, want := range map[string]string{
		"a":   "in which this host is not yet",
		"b":   "in which b is another machine, with serial C",
		"old": "in which old is the machine that is called new now",
	} {
		if found, why := in.Host(host); found != "" || why != want {
			t.Errorf("%s is %q: %q, want %q", host, found, why, want)
		}
	}
}

// TestNoMachineIsTwo: no two hosts of a trunk are one host of its release, none is one that declares another serial, and whom one asks for first makes no
// difference.
func TestNoMachineIsTwo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trunk, release := draw(t, "trunk"), draw(t, "release")
		var names []string
		for _, h := range trunk {
			names = append(names, h.Name)
		}
		ask := func(names []string) map[string]string {
			in, found := machines.Match(machines.Of(slices.Values(trunk)), machines.Of(slices.Values(release))), map[string]string{}
			for _, name := range names {
				if host, _ := in.Host(name); host != "" {
					found[name] = host
				}
			}
			return found
		}
		found := ask(names)
		slices.Reverse(names)
		if again := ask(names); !maps.Equal(found, again) {
			t.Fatalf("trunk %v, release %v: %v in one order, %v in the other", trunk, release, found, again)
		}
		taken := map[string]string{}
		for _, h := range trunk {
			at := slices.IndexFunc(release, func(r machines.Host) bool { return r.Name == found[h.Name] })
			if at < 0 {
				continue
			}
			if other, twice := taken[found[h.Name]]; twice {
				t.Fatalf("trunk %v, release %v: %s and %s are both %s", trunk, release, other, h.Name, found[h.Name])
			}
			taken[found[h.Name]] = h.Name
			if r := release[at]; h.Serial != "" && r.Serial != "" && h.Serial != r.Serial {
				t.Fatalf("trunk %v, release %v: %s is %s", trunk, release, h.Name, r.Name)
			}
		}
	})
}

// draw gives hosts as a commit may have them: no serial and no former name twice.
func draw(t *rapid.T, label string) []machines.Host {
	serials, formers := map[string]bool{"": false}, map[string]bool{"": false}
	var all []machines.Host
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 5, rapid.ID).Draw(t, label) {
		h := machines.Host{Name: name, Former: rapid.SampledFrom([]string{"", "a", "b", "c", "d", "f"}).Draw(t, "former"), Serial: rapid.SampledFrom([]string{"", "A", "B", "C", "D"}).Draw(t, "serial")}
		if serials[h.Serial] || formers[h.Former] {
			h.Serial, h.Former = "", ""
		}
		serials[h.Serial], formers[h.Former] = h.Serial != "", h.Former != ""
		all = append(all, h)
	}
	return all
}
