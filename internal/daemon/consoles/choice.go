package consoles

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// Serial is the kept end of a host's serial console, and how the console is read.
type Serial struct {
	State State    `json:"state"`
	Text  string   `json:"text"`  // why the console is not read, and what to do; or since when it is read
	Lines []string `json:"lines"` // the newest kept lines; the last line may be unfinished
}

// State says how a console is read.
type State string

// States of a console.
const (
	Off   State = "off"   // the fleet does not ask for the console, or nothing may be done to the machine
	Idle  State = "idle"  // nothing is under way that would be worth a session of the BMC
	Waits State = "waits" // the console should be read, and cannot be read now
	Reads State = "reads"
)

// urgency orders the hosts whose consoles should be read: if there are more hosts than sessions, the lower values come
// first.
type urgency int

const (
	underWay urgency = iota // booting or being written
	watched                 // a person looks at the console
	failed
	waiting
	settling // became Active a moment ago: the system still starts
	held     // waits for a person
)

// notRead is the reason for a console that the fleet could ask for.
const notRead = "It is not read."

// settles is how long a console is read after a host has nothing more to do.
const settles = 10 * time.Minute

// lease is how long a console is read after a person looked at it.
const lease = time.Minute

// choice says whether a console should be read.
type choice struct {
	read    bool
	urgency urgency
	state   State // if the console should not be read
	why     string
}

// decideReading says whether a host's console should be read now. A host with nothing to do has settled at until; a
// person's look ends at leased.
func decideReading(h *reconcile.HostView, until, leased, now time.Time) choice {
	switch d := &h.Desired; {
	case h.Orphaned:
		return choice{state: Off, why: "It is not in the fleet any more: its BMC is left alone."}
	case d.BMC == nil:
		return choice{state: Off, why: "The fleet names no BMC for it."}
	case d.Protect:
		return choice{state: Off, why: "It is protected: its BMC's console is left alone."}
	case d.Lifecycle == schemas.Unmanaged, d.Lifecycle == schemas.Retired:
		return choice{state: Off,
			why: fmt.Sprintf("Its lifecycle is %s: its BMC's console is left alone.", d.Lifecycle)}
	case d.BMC.Console == nil:
		return choice{state: Off, why: notRead}
	}
	wanted := choice{state: Idle, urgency: held}
	switch rank, steady := rankPhase(h.Document.Phase); {
	case !steady:
		wanted = choice{read: true, urgency: rank}
	case now.Before(until):
		wanted = choice{read: true, urgency: settling}
	}
	if now.Before(leased) {
		wanted = choice{read: true, urgency: min(wanted.urgency, watched)}
	}
	if h.Observed.BMC.Reach != inventory.Reached { // a running session keeps its phase's urgency
		return choice{state: Waits, urgency: wanted.urgency, why: "Its BMC is not reached."}
	}
	return wanted
}

// rankPhase gives the urgency of a phase; in a steady phase nothing is under way or wrong.
func rankPhase(phase plan.Phase) (rank urgency, steady bool) {
	switch phase {
	case plan.Inspecting, plan.Installing, plan.Retiring, plan.Running, plan.Starting, plan.Maintaining:
		return underWay, false
	case plan.Failed:
		return failed, false
	case plan.Waiting:
		return waiting, false
	case plan.Held, plan.Pending:
		return held, false
	case plan.Active, plan.Unmanaged, plan.Retired, plan.Protected, plan.Orphaned:
		return settling, true
	default: // not looked at yet
		return held, true
	}
}

// explainSetup says how a console is turned on that the fleet does not ask for; port is 0 until the BMC has named its
// port.
func explainSetup(h reconcile.HostView, port int) string {
	address := bmcHostname(h.Desired.BMC)
	scan := "ssh-keyscan " + address
	if port != 0 {
		scan = fmt.Sprintf("ssh-keyscan -p %d %s", port, address)
	}
	return fmt.Sprintf("It is not read. To have it read, write into %s below spec.bmc: console: {fingerprint: "+
		"\"SHA256:…\"}, with the fingerprint that `%s | ssh-keygen -lf -` prints, "+
		"once you have compared it with the BMC's own.", h.Desired.File, scan)
}

// bmcHostname is the host name in a BMC's address.
func bmcHostname(bmc *schemas.BMC) string {
	if u, err := url.Parse(bmc.Address); err == nil {
		return u.Hostname()
	}
	return ""
}

// joinConsoleAddress is host:port of a BMC's console.
func joinConsoleAddress(bmc *schemas.BMC, port int) string {
	return net.JoinHostPort(bmcHostname(bmc), strconv.Itoa(port))
}

// shownLines and shownBytes bound Serial.Lines; the log has more.
const (
	shownLines = 1000
	shownBytes = 96 << 10
)

// lastLines gives the end of a text, as lines.
func lastLines(text string) []string {
	if len(text) > shownBytes {
		text = text[len(text)-shownBytes:]
		_, text, _ = strings.Cut(text, "\n")
	}
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return []string{}
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-shownLines):]
}
