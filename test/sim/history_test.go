package sim

import (
	"regexp"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
)

// history is what the status branch and the disks have shown of every host. Rules about the order of things are checked
// against it: S4 and S5. After a loss of memory, or beside a second daemon, the rules of S5 begin anew.
type history struct {
	w       *world
	pages   map[string]string            // the newest page, by host
	ended   map[string]map[string]string // the outcome of ended operations, by host
	written map[string][]string          // operations that wrote to a disk, in their order, by host
}

func newHistory(w *world) *history {
	return &history{w: w, pages: map[string]string{}, ended: map[string]map[string]string{}, written: map[string][]string{}}
}

// operationWrites checks S4: after a later operation began to write, an earlier one never writes again.
func (h *history) operationWrites(host, op string) {
	before := h.written[host]
	for i, earlier := range before {
		if earlier == op && i < len(before)-1 {
			h.w.checks.breaks("S4 one operation", "host %s: operation %s writes after the later operation %s did", host, op,
				before[len(before)-1])
		}
	}
	if len(before) == 0 || before[len(before)-1] != op {
		h.written[host] = append(before, op)
	}
}

var (
	underWay = regexp.MustCompile(`(?m)^operation:\n(?:  .*\n)*?  id: (\S+)\n`)
	lastOne  = regexp.MustCompile(`(?m)^lastOperation:\n(?:  .*\n)*?  id: (\S+)\n(?:  .*\n)*?  outcome: (\S+)\n`)
)

// statusIsPushed checks S5: an operation ends once, with one outcome, and is never under way again.
func (h *history) statusIsPushed() {
	if h.w.branchMoved || h.w.memoryLost || len(h.w.daemons) > 1 {
		h.ended = map[string]map[string]string{}
		return
	}
	for _, id := range h.w.people.now.ids() {
		page := string(h.w.git.file(statusBranch, status.Path(inventory.MachineID(id))))
		if page == h.pages[id] {
			continue
		}
		h.pages[id] = page
		if h.ended[id] == nil {
			h.ended[id] = map[string]string{}
		}
		if now := underWay.FindStringSubmatch(page); now != nil && h.ended[id][now[1]] != "" {
			h.w.checks.breaks("S5 one end", "host %s: operation %s ended as %s, and is under way", id, now[1], h.ended[id][now[1]])
		}
		last := lastOne.FindStringSubmatch(page)
		if last == nil {
			continue
		}
		if was := h.ended[id][last[1]]; was != "" && was != last[2] {
			h.w.checks.breaks("S5 one end", "host %s: operation %s ended as %s, and now as %s", id, last[1], was, last[2])
		}
		h.ended[id][last[1]] = last[2]
	}
}

// quietTime is how long nothing may be done to a site that has converged.
const quietTime = 2 * time.Hour

// stayQuiet checks a site that has converged, and of which nothing is asked: no BMC is asked to change anything, no disk
// is written, and the status branch says what the daemon says.
func (w *world) stayQuiet() {
	changes := w.changes
	w.pass(quietTime)
	if w.over() {
		return
	}
	if w.changes != changes {
		w.checks.breaks("L1 quiet", "BMCs were asked for %d changes within %s after all hosts were Active", w.changes-changes, quietTime)
	}
	for _, id := range w.people.now.ids() {
		page := string(w.git.file(statusBranch, status.Path(inventory.MachineID(id))))
		if !activePhase.MatchString(page) {
			w.checks.breaks("L3 status", "host %s is Active, and %s after that its page does not say so:\n%.600s", id, quietTime, page)
		}
	}
}

var activePhase = regexp.MustCompile(`(?m)^phase: Active$`)
