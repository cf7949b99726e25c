package settings

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Registry is an AttributeRegistry of Redfish (DSP8010), as far as it says what may be set.
type Registry struct {
	Attributes   []Entry
	Dependencies []Dependency
}

// Entry is an attribute of a registry.
type Entry struct {
	AttributeName                         string
	Type                                  string // Enumeration, String, Integer, Boolean, Password
	ReadOnly, GrayOut, Hidden, Immutable  bool
	LowerBound, UpperBound                *float64
	ScalarIncrement, MinLength, MaxLength *float64
	Value                                 []EntryValue
}

// EntryValue is a value of an enumeration.
type EntryValue struct{ ValueName, ValueDisplayName string }

// Dependency changes a property of an attribute while others have certain values.
type Dependency struct {
	Type       string // Map
	Dependency struct {
		MapFrom        []Term
		MapToAttribute string
		MapToProperty  string // ReadOnly, GrayOut, Hidden and others
		MapToValue     any
	}
}

// Term is a condition of a Dependency.
type Term struct {
	MapFromAttribute, MapFromProperty string
	MapFromCondition                  string // EQU, NEQ, GTR, GEQ, LSS, LEQ
	MapFromValue                      any
	MapTerms                          string // AND, OR: how the term joins the ones before
}

func (g *Registry) find(name string) (Entry, bool) {
	if g == nil {
		return Entry{}, false
	}
	i := slices.IndexFunc(g.Attributes, func(e Entry) bool { return e.AttributeName == name })
	if i < 0 {
		return Entry{}, false
	}
	return g.Attributes[i], true
}

// resolve gives a wanted value as the BMC writes it, or says why the registry does not allow the value.
func (e Entry) resolve(want, current any) (value any, why string) {
	text := Text(want)
	refuse := func(takes string) (any, string) {
		return nil, fmt.Sprintf("the BIOS attribute %s does not take %s: it takes %s", e.AttributeName, text, takes)
	}
	switch e.Type {
	case "Enumeration":
		return e.pickValue(text, current, refuse)
	case "Integer":
		number, err := strconv.ParseFloat(text, 64)
		low, high := bound(e.LowerBound, math.Inf(-1)), bound(e.UpperBound, math.Inf(1))
		step := bound(e.ScalarIncrement, 0)
		off := step > 0 && e.LowerBound != nil && math.Mod(number-low, step) != 0
		if err != nil || number != math.Trunc(number) || number < low || number > high || off {
			return refuse(describeRange("a whole number", e.LowerBound, e.UpperBound, step))
		}
		return number, ""
	case "Boolean":
		truth, err := strconv.ParseBool(text)
		if err != nil {
			return refuse("true or false")
		}
		return truth, ""
	case "String":
		length := float64(len([]rune(text)))
		if length < bound(e.MinLength, 0) || e.MaxLength != nil && length > *e.MaxLength {
			return refuse(describeRange("a text with a length", e.MinLength, e.MaxLength, 0))
		}
		return text, ""
	case "Password":
		return nil, fmt.Sprintf("the BIOS attribute %s is a password: it is not set by a Step", e.AttributeName)
	default:
		return asCurrent(want, current), ""
	}
}

// pickValue finds a value of an enumeration by its name or by the name that people see. Some BMCs write the second
// (Supermicro): what the machine shows now tells.
func (e Entry) pickValue(text string, current any, refuse func(string) (any, string)) (any, string) {
	display := slices.ContainsFunc(e.Value, func(v EntryValue) bool { return v.ValueDisplayName == Text(current) }) &&
		!slices.ContainsFunc(e.Value, func(v EntryValue) bool { return v.ValueName == Text(current) })
	var takes []string
	for _, v := range e.Value {
		writes := v.ValueName
		if display || writes == "" {
			writes = v.ValueDisplayName
		}
		if text == v.ValueName || text == v.ValueDisplayName {
			return writes, ""
		}
		takes = append(takes, writes)
	}
	const most = 20
	if rest := len(takes) - most; rest > 0 {
		takes = append(takes[:most:most], fmt.Sprintf("%d more", rest))
	}
	return refuse(strings.Join(takes, ", "))
}

func bound(at *float64, otherwise float64) float64 {
	if at == nil {
		return otherwise
	}
	return *at
}

func describeRange(what string, low, high *float64, step float64) string {
	if low != nil {
		what += " from " + Text(*low)
	}
	if high != nil {
		what += " to " + Text(*high)
	}
	if step > 1 {
		what += " in steps of " + Text(step)
	}
	return what
}

// whyLocked says why an attribute that must change cannot be changed, by the registry and its dependencies as they are
// when everything wanted is set; "" when it can.
func (r Reading) whyLocked(name string, wanted map[string]any) string {
	entry, known := r.Registry.find(name)
	if !known {
		return ""
	}
	locks := map[string]bool{"ReadOnly": entry.ReadOnly, "GrayOut": entry.GrayOut, "Hidden": entry.Hidden,
		"Immutable": entry.Immutable}
	because := map[string]string{}
	for _, d := range r.Registry.Dependencies {
		to, truth := d.Dependency.MapToProperty, Text(d.Dependency.MapToValue)
		if _, is := locks[to]; d.Dependency.MapToAttribute != name || !is || !r.holds(d.Dependency.MapFrom, wanted) {
			continue
		}
		locks[to] = strings.EqualFold(truth, "true")
		because[to] = r.describeTerms(d.Dependency.MapFrom, wanted)
	}
	for _, lock := range []struct{ property, words string }{{"Immutable", "cannot be changed on this machine"},
		{"ReadOnly", "is read-only"}, {"GrayOut", "cannot be changed now"}, {"Hidden", "is hidden"}} {
		if locks[lock.property] {
			return fmt.Sprintf("the BIOS attribute %s %s%s: it is %s and stays so", name, lock.words, because[lock.property],
				Text(r.Current[name]))
		}
	}
	return ""
}

// valueOf is the value of an attribute when everything wanted is set.
func (r Reading) valueOf(name string, wanted map[string]any) any {
	if value, is := wanted[name]; is {
		return value
	}
	return r.Current[name]
}

// holds reports whether the terms of a dependency hold. A term about anything but a current value is not known to hold.
func (r Reading) holds(terms []Term, wanted map[string]any) bool {
	all := len(terms) > 0
	for i, term := range terms {
		is := (term.MapFromProperty == "" || term.MapFromProperty == "CurrentValue") &&
			compareTerm(r.valueOf(term.MapFromAttribute, wanted), term)
		switch {
		case i == 0:
			all = is
		case term.MapTerms == "OR":
			all = all || is
		default:
			all = all && is
		}
	}
	return all
}

func compareTerm(value any, term Term) bool {
	if value == nil {
		return false
	}
	a, b := Text(value), Text(term.MapFromValue)
	x, first := strconv.ParseFloat(a, 64)
	y, second := strconv.ParseFloat(b, 64)
	numbers := first == nil && second == nil
	switch term.MapFromCondition {
	case "EQU":
		return a == b
	case "NEQ":
		return a != b
	case "GTR":
		return numbers && x > y
	case "GEQ":
		return numbers && x >= y
	case "LSS":
		return numbers && x < y
	case "LEQ":
		return numbers && x <= y
	default:
		return false
	}
}

func (r Reading) describeTerms(terms []Term, wanted map[string]any) string {
	var all []string
	for _, term := range terms {
		all = append(all, term.MapFromAttribute+" is "+Text(r.valueOf(term.MapFromAttribute, wanted)))
	}
	return " while " + strings.Join(all, " and ")
}
