package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Reading is what a BMC says of its machine's BIOS.
type Reading struct {
	Current map[string]any // as the machine runs
	Pending map[string]any // in the settings object; nil where that cannot be read
	// Registry is nil where the BMC gives none: then names are known from Current, and values are not checked.
	Registry *Registry
}

// Found is the comparison of what is wanted with what a BMC says.
type Found struct {
	Asked bool // the BMC was asked
	// Error says why the settings could not be read; "" when they were.
	Error string
	// Missing says that the BMC offers no BIOS settings.
	Missing bool
	// Digest is of the settings that were compared.
	Digest string
	// Differs are the attributes that are not as wanted, by name.
	Differs []Difference
	// Refused are the reasons why the BMC would not take what is wanted; nothing is written then.
	Refused []string
	// Unchecked is set where the BMC gives no registry.
	Unchecked bool
	// Job is the job of the work under way; nil where the BMC does not know it, and without one.
	Job *Job
	// Jobs says why the jobs could not be read; "" when they were, or were not asked for.
	Jobs string
}

// Difference is an attribute that is not as wanted.
type Difference struct {
	Name  string
	Want  any // as the BMC writes it
	Found any
	// Pending is set where the settings object has the wanted value already.
	Pending bool
}

// Holds reports whether the settings were read, and are as wanted.
func (f Found) Holds() bool {
	return f.Asked && f.Error == "" && !f.Missing && len(f.Differs) == 0 && len(f.Refused) == 0
}

// IsPending reports whether every difference is in the settings object already.
func (f Found) IsPending() bool {
	return len(f.Differs) > 0 && !slices.ContainsFunc(f.Differs, func(d Difference) bool { return !d.Pending })
}

// Describe names each difference with the wanted and the found value.
func (f Found) Describe() string {
	var all []string
	for _, d := range f.Differs {
		all = append(all, fmt.Sprintf("%s: want %s, found %s", d.Name, Text(d.Want), Text(d.Found)))
	}
	return strings.Join(all, "; ")
}

// Compare compares wanted attributes with a reading. Names and values that the registry does not allow are refused with
// the ones it allows, and nothing else is compared then.
func Compare(w Wanted, r Reading) Found {
	f := Found{Asked: true, Digest: w.Digest(), Unchecked: r.Registry == nil}
	wanted := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(w.Bios)) {
		value, why := r.resolve(name, w.Bios[name])
		if why != "" {
			f.Refused = append(f.Refused, why)
			continue
		}
		wanted[name] = value
	}
	if len(f.Refused) > 0 {
		return f
	}
	differs := map[string]any{}
	for name, value := range wanted {
		if !sameValue(r.Current[name], value) {
			differs[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(differs)) {
		if why := r.whyLocked(name, wanted); why != "" {
			f.Refused = append(f.Refused, why)
			continue
		}
		f.Differs = append(f.Differs, Difference{Name: name, Want: differs[name], Found: r.Current[name],
			Pending: r.Pending != nil && sameValue(r.Pending[name], differs[name])})
	}
	if len(f.Refused) > 0 {
		f.Differs = nil
	}
	return f
}

// sameValue compares values in their spelling: some BMCs write numbers as texts.
func sameValue(a, b any) bool { return a != nil && b != nil && Text(a) == Text(b) }

// resolve gives a wanted value as the BMC writes it, or says why the BMC would refuse it.
func (r Reading) resolve(name string, want any) (value any, why string) {
	entry, known := r.Registry.find(name)
	current, there := r.Current[name]
	switch {
	case !known && !there:
		return nil, fmt.Sprintf("there is no BIOS attribute %s on this machine: the nearest are %s", name,
			strings.Join(yamltext.NearestWords(name, r.names(), 3), ", "))
	case !there:
		return nil, fmt.Sprintf("the registry has the BIOS attribute %s, and this machine does not show it", name)
	case !known:
		return asCurrent(want, current), ""
	}
	return entry.resolve(want, current)
}

// names are the names of the attributes that can be wanted.
func (r Reading) names() []string { return slices.Sorted(maps.Keys(r.Current)) }

// asCurrent reads a text as the kind of value that the machine has now.
func asCurrent(want, current any) any {
	text, isText := want.(string)
	if !isText {
		return want
	}
	switch current.(type) {
	case bool:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case float64:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return want
}
