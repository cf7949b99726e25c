package ruleset

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/schemas"
)

// Fields that the package itself knows.
const (
	nameField        = "metadata.name"
	credentialsField = "spec.bmc.credentials"
	labelsField      = "metadata.labels."
)

// Machine is a discovered machine.
type Machine struct {
	ID    inventory.MachineID // of the Host that is proposed
	Facts *inventory.Facts
	// Labels are those of the enrolment key, Key.
	Labels map[string]string
	Key    string
	// Expected is the machine in its Delivery; nil for a machine that nobody expects.
	Expected *schemas.ExpectedMachine
	Delivery string
}

// Verdict is what the rules make of a machine.
type Verdict struct {
	// Decisions are of all rules, in the order in which rules act.
	Decisions []Decision
	// Values by the path of the field: a string, bool, int64 or []string.
	Values map[string]any
	// From says who gave a value: "rule r750", "Delivery pallet-7", "key fra1-pallet-7".
	From map[string]string
	// Refused are messages of rules with fail: nothing is proposed.
	Refused []string
	// Findings are rules of one priority that give a field different values: nothing is proposed.
	Findings []schemas.Finding
	// Problems are values that do not go together: nothing is proposed.
	Problems []string
	// Notes are for the reviewer: a text that was made a name.
	Notes []string
	// Credentials are nil where no rule says anything of them.
	Credentials *schemas.RuleCredentials
	// Accept names the rule that wants the proposal merged without a person; "" for none.
	Accept string
}

// Decision is what became of one rule.
type Decision struct {
	Rule     string
	Priority int
	Holds    bool
	Why      string   // why the rule does not hold
	Sets     []string // paths of the fields that the rule set, sorted
	Lost     []string // fields that the rule does not set, with who set them
}

// Proposes reports whether the machine is proposed.
func (v Verdict) Proposes() bool { return len(v.Refused)+len(v.Findings)+len(v.Problems) == 0 }

// Decide gives the verdict on a machine. The same machine gives the same verdict. A rule whose condition or expression
// fails, or whose value its field does not allow, does not hold.
func (s *Set) Decide(m Machine) Verdict {
	dropped := map[string]string{}
	for range len(s.rules) + 1 { // each round drops a rule
		d := s.decideOnce(m, dropped)
		if len(d.verdict.Refused) > 0 {
			return d.verdict
		}
		more := d.checkValues()
		if len(more) == 0 {
			return d.verdict
		}
		maps.Copy(dropped, more)
	}
	return Verdict{Problems: []string{"the rules come to no end"}} // not reached: a dropped rule has no values
}

// decision is a verdict in the making.
type decision struct {
	verdict    Verdict
	priorities map[string]int              // of the rule that gave a value, by path
	givers     map[string]schemas.Document // by path
	places     map[string]string           // the field of the Rule, by path
	index      map[string]int              // of the decision of a rule, by name
}

func (s *Set) decideOnce(m Machine, dropped map[string]string) *decision {
	d := &decision{verdict: Verdict{Values: map[string]any{}, From: map[string]string{}}, priorities: map[string]int{},
		givers: map[string]schemas.Document{}, places: map[string]string{}, index: map[string]int{}}
	d.takeExpected(m)
	all := m.forRules()
	computed := make([]map[string]any, len(s.rules))
	for i, r := range s.rules { // phase 1: over the machine alone
		made := Decision{Rule: r.document.Name, Priority: r.priority()}
		if made.Why = dropped[r.document.Name]; made.Why == "" {
			computed[i], made.Why = r.compute(all, &d.verdict)
		}
		made.Holds = made.Why == ""
		d.index[made.Rule] = len(d.verdict.Decisions)
		d.verdict.Decisions = append(d.verdict.Decisions, made)
	}
	for i, r := range s.rules { // phase 2: by priority
		if d.verdict.Decisions[i].Holds {
			d.act(r, computed[i], &d.verdict.Decisions[i])
		}
	}
	for key, value := range m.Labels {
		if path := labelsField + key; d.verdict.From[path] == "" {
			d.verdict.Values[path], d.verdict.From[path] = value, "key "+m.Key
		}
	}
	return d
}

// forRules is what expressions see of the machine.
func (m Machine) forRules() rules.Machine {
	labels, name := maps.Clone(m.Labels), ""
	if m.Expected != nil {
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, m.Expected.Labels)
		name = m.Expected.Name
	}
	return rules.Machine{Facts: m.Facts, Labels: labels, Name: name, ID: m.ID}
}

// takeExpected takes what a Delivery says: no rule changes that.
func (d *decision) takeExpected(m Machine) {
	if m.Expected == nil {
		return
	}
	give := func(path, value string) {
		d.verdict.Values[path], d.verdict.From[path] = value, "Delivery "+m.Delivery
		d.priorities[path] = schemas.MaxPriority + 1
	}
	if m.Expected.Name != "" {
		give(nameField, m.Expected.Name)
	}
	for key, value := range m.Expected.Labels {
		give(labelsField+key, value)
	}
}

// compute decides the condition, and computes the values. why is "" where the rule holds.
func (r compiledRule) compute(m rules.Machine, v *Verdict) (values map[string]any, why string) {
	if holds, why := r.when.Decide(m); !holds {
		return nil, why
	}
	values = map[string]any{}
	for _, a := range r.actions {
		if a.value == nil {
			values[a.field.path] = a.fixed
			continue
		}
		value, why := a.value.Compute(m)
		if text, is := value.(string); is && a.field.path == nameField {
			name, note := makeName(text)
			if name == "" {
				why = fmt.Sprintf("%q has no letter or digit for a name", text)
			} else if note != "" && !slices.Contains(v.Notes, note) {
				v.Notes = append(v.Notes, note)
			}
			value = name
		}
		if why != "" {
			return nil, a.field.path + ": " + why
		}
		values[a.field.path] = value
	}
	return values, ""
}

// maxName is the longest DNS label (RFC 1123).
const maxName = 63

// makeName makes a text a DNS label, and says so where the text was none.
func makeName(text string) (name, note string) {
	var b strings.Builder
	for _, c := range strings.ToLower(text) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else if made := b.String(); made != "" && !strings.HasSuffix(made, "-") {
			b.WriteByte('-')
		}
	}
	name = b.String()
	name = strings.Trim(name[:min(len(name), maxName)], "-")
	if name != text {
		note = fmt.Sprintf("the name %q was made %s", text, name)
	}
	return name, note
}

// act takes the values of a rule that holds.
func (d *decision) act(r compiledRule, values map[string]any, made *Decision) {
	spec, name := r.document.Rule.Spec, "rule "+r.document.Name
	if spec.Fail != "" {
		d.verdict.Refused = append(d.verdict.Refused, name+": "+spec.Fail)
		return
	}
	for _, a := range r.actions {
		d.give(r, a, values[a.field.path], made)
	}
	if spec.Credentials != nil {
		d.giveCredentials(r, made)
	}
	if spec.Accept && d.verdict.Accept == "" {
		d.verdict.Accept = r.document.Name
	}
	slices.Sort(made.Sets)
}

// give gives a field a value, unless a rule of a higher priority gave one.
func (d *decision) give(r compiledRule, a action, value any, made *Decision) {
	path := a.field.path
	from, taken := d.verdict.From[path]
	switch {
	case !taken:
		d.verdict.Values[path], d.verdict.From[path] = value, "rule "+r.document.Name
		d.priorities[path], d.givers[path], d.places[path] = r.priority(), r.document, a.at
		made.Sets = append(made.Sets, path)
	case d.priorities[path] != r.priority():
		made.Lost = append(made.Lost, path+" by "+from)
	case !equalValues(d.verdict.Values[path], value):
		d.addConflict(path, r.document, a.at)
	}
}

// giveCredentials is give for the credentials of a BMC.
func (d *decision) giveCredentials(r compiledRule, made *Decision) {
	const path, at = "credentials", "spec.credentials"
	spec := r.document.Rule.Spec
	from, taken := d.verdict.From[path]
	switch {
	case !taken:
		d.verdict.Credentials, d.verdict.From[path] = spec.Credentials, "rule "+r.document.Name
		d.priorities[path], d.givers[path], d.places[path] = r.priority(), r.document, at
		made.Sets = append(made.Sets, path)
		if _, given := d.verdict.Values[credentialsField]; !given && spec.Credentials.Secret != "" {
			d.verdict.Values[credentialsField], d.verdict.From[credentialsField] = spec.Credentials.Secret, d.verdict.From[path]
		}
	case d.priorities[path] != r.priority():
		made.Lost = append(made.Lost, path+" by "+from)
	case *d.verdict.Credentials != *spec.Credentials:
		d.addConflict(path, r.document, at)
	}
}

// addConflict reports two rules of one priority, at both.
func (d *decision) addConflict(path string, second schemas.Document, at string) {
	first := d.givers[path]
	const hint = "give one of them a higher priority"
	say := func(rule, other schemas.Document, at, otherAt string) schemas.Finding {
		return rule.ErrorAt(at, hint, "Rule %s (%s) gives %s another value, with the same priority", other.Name,
			other.PositionOf(otherAt), path)
	}
	d.verdict.Findings = append(d.verdict.Findings, say(first, second, d.places[path], at),
		say(second, first, at, d.places[path]))
}

func equalValues(a, b any) bool {
	x, isList := a.([]string)
	y, areLists := b.([]string)
	if isList && areLists {
		return slices.Equal(x, y)
	}
	return !isList && !areLists && a == b
}

// labelKey is the key of a label's field.
func labelKey(path string) (key string, is bool) { return strings.CutPrefix(path, labelsField) }
