// Package notices decides what people outside are told: notifications of hosts that need a person and of work that
// stopped, and the status that the forge shows on each commit. Both are functions of what the status pages say.
//
// Call Collect for the conditions that hold now, and Memory.Tell for the notifications that are due; call JudgeCommits
// for the verdict on each commit and ring, and Memory.DueStatuses for those that the forge does not show yet. A Memory
// outlives the process. Do not send anything here: package internal/daemon/notify sends. Pure.
package notices

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Kind is what a notification tells, as one word for programs.
type Kind string

// Kinds.
const (
	Held    Kind = "held"    // hosts wait for a person
	Failed  Kind = "failed"  // hosts were given up
	Stopped Kind = "stopped" // failures let nothing more of a ring or a workload begin
)

// Kinds are all kinds.
var Kinds = []Kind{Held, Failed, Stopped}

// Fleet is what is known of the whole fleet.
type Fleet struct {
	Path    string // the fleet's directory in the repository; "" for the whole repository
	Commit  string // the accepted commit of the trunk
	Refused string // the newest commit, if it is refused; Finding says why
	Finding string
	Rings   []admit.Progress
}

// Host is what is known of one host.
type Host struct {
	Desired  inventory.Desired
	Record   inventory.Record
	Document status.Document // the host's page; without a phase before the first look
	Turn     string          // the reason of package admit why the host's step is not done now
	Looked   bool            // a look has ended since the daemon's start
}

// Condition is one thing that a person is told once while it holds.
type Condition struct {
	Key   string // the host's id, "ring/" and a ring, or "workload/" and a workload
	Kind  Kind
	Cause string
	// Mark stands for what is to be done: the same condition with another mark is told anew.
	Mark     string
	Name     string // of the host, for people; "" for a ring or a workload
	Commit   string
	Ring     string
	Workload string
	Why, Do  string

	group string // conditions of one group share a notification
	// allowOne is the command that allows what the host waits for, allowAll the one for all hosts of the group.
	allowOne, allowAll string
}

// Conditions are the conditions that hold now, by key. Unknown are hosts that nobody can say anything about.
type Conditions struct {
	Now     map[string]Condition
	Unknown map[string]bool
}

// Collect gives the conditions of a fleet. What is not known is not taken for good.
func Collect(fleet Fleet, hosts []Host) Conditions {
	c := Conditions{Now: map[string]Condition{}, Unknown: map[string]bool{}}
	stopped := map[string]int{}
	for _, h := range hosts {
		key := string(h.Desired.ID)
		if h.Document.Phase == "" {
			c.Unknown[key] = true
			continue
		}
		if one, holds := describeHost(h.Document); holds {
			c.Now[key] = one
		}
		if w := h.Desired.Workload; w != nil && h.Turn == string(admit.WorkloadFailed) {
			if stopped[w.Name]++; stopped[w.Name] == 1 {
				c.add(stoppedWorkload(w.Name, h.Document))
			}
		}
	}
	for _, ring := range fleet.Rings {
		if why := ring.WhyStopped(); why != "" {
			c.add(Condition{Key: "ring/" + ring.Name, Kind: Stopped, Cause: "RingFailed", Mark: digest(ring.Commit, why),
				Ring: ring.Name, Commit: ring.Commit, Why: why, Do: "`ingot status` lists the machines.",
				group: "ring/" + ring.Name})
		}
	}
	return c
}

func (c Conditions) add(one Condition) { c.Now[one.Key] = one }

// describeHost gives the condition of a host by its page.
func describeHost(d status.Document) (Condition, bool) {
	kind := map[plan.Phase]Kind{plan.Held: Held, plan.Failed: Failed}[d.Phase]
	if kind == "" {
		return Condition{}, false
	}
	one := Condition{Key: string(d.Metadata.Host()), Kind: kind, Cause: string(d.FindCause()), Name: d.Metadata.Label(),
		Commit: d.Commit, Ring: d.Ring, Workload: d.Workload, Why: d.Error}
	asks := []string{string(d.Phase), one.Cause}
	consents := ""
	if d.Cause != nil {
		one.Why, one.Do = d.Cause.Why, d.Cause.Do
	}
	if d.Hold != nil {
		one.Why = cmp.Or(one.Why, d.Hold.Message)
		asks = append(asks, slices.Concat([]string{d.Hold.Takeover}, d.Hold.Consent)...)
		if len(d.Hold.Consent) > 0 {
			consents = d.Workload // as status.GroupHosts: one command allows all hosts of the workload
			one.allowOne, one.allowAll = "ingot consent "+d.Metadata.Name, status.Group{Workload: d.Workload}.AllowCommand()
		}
	}
	one.Mark = digest(asks...)
	one.group = strings.Join([]string{string(d.Phase), one.Cause, consents}, "/")
	return one, true
}

// stoppedWorkload is the condition of a workload of which nothing more begins; d is the page of a host that waits.
func stoppedWorkload(workload string, d status.Document) Condition {
	one := Condition{Key: "workload/" + workload, Kind: Stopped, Cause: string(admit.WorkloadFailed), Workload: workload,
		Commit: d.Commit, Why: d.Waits, Mark: digest("stopped"), group: "workload/" + workload}
	if d.Cause != nil {
		one.Why, one.Do = d.Cause.Why, d.Cause.Do
	}
	return one
}

// digest is a short digest of texts.
func digest(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:4])
}

// nameSome names the first of a total, and counts the rest; "" where none is named.
func nameSome(names []string, total, most int) string {
	if total > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), total-most)
	}
	return strings.Join(names, ", ")
}
