package notices

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/inventory"
)

// How much a notification says.
const (
	maxListed = 50  // hosts with their ids
	maxNamed  = 8   // hosts in the text
	maxWhy    = 600 // bytes of a reason
)

// Event is a notification: the body of the webhook, in JSON. Chat services show Text.
type Event struct {
	ID    string    `json:"id"` // the same at every try, also after a restart
	Time  time.Time `json:"time"`
	Event Kind      `json:"event"`
	Text  string    `json:"text"`
	Cause string    `json:"cause,omitempty"`
	// Host and MachineID are set where the event is of one host; Hosts are the first 50 hosts, Count is of all.
	Host      string              `json:"host,omitempty"`
	MachineID inventory.MachineID `json:"machineID,omitempty"`
	Hosts     []Named             `json:"hosts,omitempty"`
	Count     int                 `json:"count,omitempty"`
	// Commit, Ring and Workload are set where all hosts of the event share them.
	Commit   string `json:"commit,omitempty"`
	Ring     string `json:"ring,omitempty"`
	Workload string `json:"workload,omitempty"`
	// Fleet is the fleet's directory in the repository; "" for the whole repository.
	Fleet string `json:"fleet,omitempty"`
	// Why and Do are of the first host: the cause in a sentence, and the one thing to do.
	Why string `json:"why,omitempty"`
	Do  string `json:"do,omitempty"`
}

// Named is a host of an event.
type Named struct {
	Name string              `json:"name"`
	ID   inventory.MachineID `json:"id"`
}

// Tell gives the events for conditions that were not told yet, one for each group, and when a group that had an event
// lately may have the next. What Tell gives counts as told from then on. A condition that ends is forgotten, and told
// anew when it comes back; of what is unknown, nothing is forgotten.
func (m *Memory) Tell(c Conditions, fleet Fleet, at time.Time) (events []Event, again time.Time) {
	m.forgetEnded(c, at)
	groups := map[string][]Condition{}
	for _, key := range slices.Sorted(maps.Keys(c.Now)) {
		one := c.Now[key]
		told, known := m.Told[key]
		if !known || told.Kind != one.Kind {
			told = Told{Kind: one.Kind, Since: at.Unix()}
			m.Told[key] = told
		}
		if told.Mark != one.Mark {
			groups[one.group] = append(groups[one.group], one)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if next, paced := m.Groups[name]; paced {
			again = earliest(again, next)
			continue
		}
		events = append(events, newEvent(groups[name], fleet, at))
		m.Groups[name] = at.Add(m.pace())
		for _, one := range groups[name] {
			told := m.Told[one.Key]
			told.Mark = one.Mark
			m.Told[one.Key] = told
		}
	}
	return events, again
}

// forgetEnded forgets the conditions that do not hold any more.
func (m *Memory) forgetEnded(c Conditions, at time.Time) {
	maps.DeleteFunc(m.Told, func(key string, _ Told) bool {
		_, holds := c.Now[key]
		return !holds && !c.Unknown[key]
	})
	maps.DeleteFunc(m.Groups, func(_ string, next time.Time) bool { return !at.Before(next) })
}

// Adopt takes conditions as told: the pages that a daemon without its memory finds.
func (m *Memory) Adopt(c Conditions, at time.Time) {
	for key, one := range c.Now {
		m.Told[key] = Told{Kind: one.Kind, Since: at.Unix(), Mark: one.Mark}
	}
}

func newEvent(group []Condition, fleet Fleet, at time.Time) Event {
	first := group[0]
	e := Event{Time: at.UTC().Truncate(time.Second), Event: first.Kind, Cause: first.Cause, Fleet: fleet.Path,
		Commit: shared(group, func(c Condition) string { return c.Commit }),
		Ring:   shared(group, func(c Condition) string { return c.Ring }),
		Workload: shared(group,
			func(c Condition) string { return c.Workload }), Why: cut(first.Why), Do: first.Do}
	parts := []string{at.UTC().Format(time.RFC3339Nano), fleet.Path}
	for _, one := range group {
		parts = append(parts, one.Key, one.Mark)
		if one.Name == "" {
			continue
		}
		if e.Count++; e.Count <= maxListed {
			e.Hosts = append(e.Hosts, Named{one.Name, inventory.MachineID(one.Key)})
		}
	}
	if e.Count > 1 && first.allowAll != "" {
		e.Do = strings.ReplaceAll(first.Do, "`"+first.allowOne+"`", "`"+first.allowAll+"`")
	}
	if e.Count == 1 {
		e.Host, e.MachineID = first.Name, inventory.MachineID(first.Key)
	}
	e.ID = digest(parts...) + digest(append(parts, "second half")...)
	e.Text = describeEvent(e, first)
	return e
}

// describeEvent says an event in words.
func describeEvent(e Event, first Condition) string {
	var subject string
	switch {
	case e.Count == 1:
		subject = fmt.Sprintf("%s is %s", e.Host, verb(e))
	case e.Count > 1:
		names := make([]string, len(e.Hosts))
		for i, h := range e.Hosts {
			names[i] = h.Name
		}
		subject = fmt.Sprintf("%d hosts are %s: %s", e.Count, verb(e), nameSome(names, e.Count, maxNamed))
	default:
		subject = strings.ReplaceAll(first.Key, "/", " ") + " is stopped"
	}
	text := "ingot: " + subject + "."
	if e.Fleet != "" {
		text = "ingot (" + e.Fleet + "): " + subject + "."
	}
	why := e.Why
	if e.Count > 1 && why != "" {
		why = first.Name + ": " + why
	}
	for _, sentence := range []string{why, e.Do, commitSentence(e)} {
		if sentence != "" {
			text += " " + endSentence(sentence)
		}
	}
	return plainText(text)
}

// markup are the beginnings of mentions, links and HTML in the chats that show a text: a space without width, or a sign
// that looks alike, takes their meaning.
var markup = strings.NewReplacer("<", "‹", ">", "›", "@", "@\u200b", "](", "]\u200b(", "://", ":\u200b//", "www.",
	"www.\u200b")

// plainText makes what machines, BMCs and commits say safe in a chat: no mention, no link, a single line.
func plainText(text string) string {
	return markup.Replace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text))
}

// verb says what hosts are, with the cause.
func verb(e Event) string {
	word := map[Kind]string{Held: "held", Failed: "given up"}[e.Event]
	if e.Cause == "" {
		return word
	}
	return word + " (" + e.Cause + ")"
}

func commitSentence(e Event) string {
	switch {
	case e.Commit == "":
		return ""
	case e.Ring != "":
		return fmt.Sprintf("Commit %.12s, ring %s", e.Commit, e.Ring)
	default:
		return fmt.Sprintf("Commit %.12s", e.Commit)
	}
}

func endSentence(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "!") {
		return text
	}
	return text + "."
}

// shared is a value that all conditions have; "" if they differ.
func shared(group []Condition, value func(Condition) string) string {
	first := value(group[0])
	for _, one := range group {
		if value(one) != first {
			return ""
		}
	}
	return first
}

// cut bounds a reason.
func cut(why string) string {
	if len(why) <= maxWhy {
		return why
	}
	return strings.ToValidUTF8(why[:maxWhy], "") + "…"
}

// earliest is the earlier one of two times, of which the first may be zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// subjects are the keys of what an event speaks of; nil where the event does not list all of them.
func (e Event) subjects() []string {
	if e.Count > len(e.Hosts) {
		return nil
	}
	keys := make([]string, 0, len(e.Hosts))
	for _, h := range e.Hosts {
		keys = append(keys, string(h.ID))
	}
	if e.Count == 0 {
		keys = append(keys, cmp.Or(e.Ring, e.Workload)+"/")
	}
	return keys
}
