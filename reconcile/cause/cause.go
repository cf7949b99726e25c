// Package cause says why a machine is not where the fleet wants it: one sentence, one thing to do, and the evidence.
//
// Find gives the answer for a Case, from a table of causes (Catalogue) in which the first row that fits decides.
// Collect gives the evidence. Recognize finds the known texts on a serial console. Do not decide here what happens to a
// machine: package plan decides, and nothing that this package says has an effect. Pure.
package cause

import (
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Case is what is known of one machine at one moment. A zero part is not known. Desired, Observed and Plan are never nil;
// nobody changes what they point to while the case is in use.
type Case struct {
	Desired  *inventory.Desired
	Observed *inventory.Observed // with the record after the last action
	Plan     *plan.Plan
	Action   act.Kind // of the last look; "" without an action
	Outcome  act.Outcome
	Looked   time.Time // end of the last look; zero before the first look
	Error    string    // the error on the page
	Fleet    *Fleet    // what holds for all machines; nil for a page
}

// Fleet is what holds for all machines of a daemon.
type Fleet struct {
	Commit  string // accepted since the daemon's start; "" before the first accepted commit
	Another string // why the daemon stands aside: another daemon runs this fleet
	Source  string // why the fleet cannot be read
	Refused string // why the newest commit is refused: its first finding
	Publish string // why the status branch cannot be pushed
}

// Name of a cause, as one word for programs.
type Name string

// Answer is the cause of a machine's state.
type Answer struct {
	Cause Name   `json:"cause"`
	Why   string `json:"why"` // one sentence, and one more about a Secret that cannot be opened
	Do    string `json:"do"`  // the one thing to do
}

// Row is one cause of the catalogue. Why and Do name the fields of a case in braces (fields.go).
type Row struct {
	Name Name
	When string // the condition in words
	Why  string
	Do   string
	fits func(*Case) bool
}

// Nothing is what to do about a cause that ends by itself.
const nothing = "Nothing: this goes on by itself."

// catalogue is every cause, in the order in which Find asks. The last row fits every case.
var catalogue = slices.Concat(fleetRows(), handsOffRows(), idleRows(), bmcRows(), settingsRows(), keptRows(), diskRows(), permissionRows(), inputRows(),
	loaderRows(), mediumRows(), powerRows(), callRows(), attemptRows(), effectRows(), turnRows(), agentRows(), waitRows(),
	quietRows())

// Catalogue gives every cause, in the order in which Find asks. The last row fits every case.
func Catalogue() []Row { return slices.Clone(catalogue) }

// Find gives the cause of a case: the first row of the catalogue that fits.
func Find(c Case) Answer {
	row := &catalogue[0]
	for i := 1; !row.fits(&c); i++ {
		row = &catalogue[i]
	}
	return Answer{Cause: row.Name, Why: fill(row.Why, &c) + besides(&c), Do: fill(row.Do, &c)}
}

// besides is a Secret that cannot be opened, at a host that waits for something else: a sentence of its own.
func besides(c *Case) string {
	if c.Observed.BMC.Reach != inventory.SecretUnusable || held(change.SecretUnusable)(c) {
		return ""
	}
	return " " + makeSentence("besides, "+c.Observed.BMC.Error)
}

// IsKept reports whether a host's page keeps the cause: something stops the machine, or went wrong. What goes on at the
// first attempt changes too often for a page.
func (c *Case) IsKept() bool {
	rec := &c.Observed.Record
	troubled := c.Plan.Hold != nil || failed(c) || c.Observed.Console.Sign != "" ||
		rec.Boot != nil && rec.Boot.Attempt > 1 || rec.Operation != nil && rec.Operation.Error != ""
	switch c.Plan.Phase {
	case plan.Inspecting, plan.Installing, plan.Retiring, plan.Starting, plan.Maintaining, plan.Active:
		return troubled
	default:
		return c.Plan.Phase != ""
	}
}

// fill replaces the fields of a text by their values in a case, and makes the text a sentence.
func fill(text string, c *Case) string {
	var filled strings.Builder
	for rest := text; rest != ""; {
		plain, from, _ := strings.Cut(rest, "{")
		filled.WriteString(plain)
		name, behind, closed := strings.Cut(from, "}")
		value, known := fields[name]
		switch {
		case closed && known:
			filled.WriteString(value(c))
			rest = behind
		default:
			filled.WriteString(rest[len(plain):min(len(plain)+1, len(rest))])
			rest = from
		}
	}
	return makeSentence(filled.String())
}

func makeSentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if end := text[len(text)-1]; end != '.' && end != '?' && end != '!' {
		text += "."
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
