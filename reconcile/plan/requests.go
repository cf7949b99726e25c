package plan

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/requested"
)

// addRequests adds to a plan what the requests of the host's file ask for. What is due otherwise goes first, but a new
// operation, which may be held by what an inspection corrects. A request that waits is named with the reason.
func (h *host) addRequests(p Plan) Plan {
	if h.change.Verdict == change.HandsOff {
		return p
	}
	open := requests.Open(h.Desired.Requests, h.Record.Done)
	if h.change.WantsLook(h.Observed) {
		open = append(open, requests.Request{Kind: requests.Inspect, Value: fmt.Sprintf("retry-%d", h.Record.Epoch+1)})
	}
	for _, r := range open {
		action, waits := requested.Answer(h.describeMachine(p), r)
		switch {
		case action != nil && (p.Action == nil || r.Kind == requests.Inspect && p.Action.Kind == act.OpenOperation):
			p.Action, p.Request = action, r.String()
			continue
		case action != nil:
			waits = "what is due before"
		}
		p.Requests = append(p.Requests, fmt.Sprintf("%s waits: %s", r, waits))
	}
	return p
}

// describeMachine is the machine as a request finds it, by the plan without the request.
func (h *host) describeMachine(p Plan) requested.Machine {
	m := requested.Machine{Desired: h.Desired, Record: h.Record, Observed: h.Observed, On: h.IsOn(), Off: h.IsOff(),
		Ours: h.StartedByUs() || h.IsOff(), Settled: h.bootSettled(), Retry: h.change.WantsLook(h.Observed)}
	m.Held = p.Hold != nil && (h.change.Hold == nil || p.Hold.Reason != h.change.Hold.Reason)
	if op := h.Record.Operation; op != nil {
		m.Steps = h.withSteps(*op).Steps
	}
	return m
}

// followRequest sees a boot that was requested to its end; false for any other boot, and during an operation.
func (h *host) followRequest() (Plan, bool) {
	b := h.Record.Boot
	if b == nil || b.Request == nil || h.Record.Operation != nil {
		return Plan{}, false
	}
	phase := Starting
	if b.Target == inventory.FromRamdisk {
		phase = Inspecting
	}
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, phase), true
	}
	if p, answered := h.checkIdentity(); answered {
		return p, true
	}
	if phase == Inspecting {
		return h.followInspection(), true
	}
	return h.followReboot(*b), true
}

// followInspection boots the ramdisk, and records what its agent reports. The machine then goes back to what it was.
func (h *host) followInspection() Plan {
	for _, question := range []func() (Plan, bool){h.checkTokenAlarm, h.checkTakeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	if keptOff := change.KeptOff(h.Desired); keptOff != "" {
		return h.endRequest(Inspecting, "the inspection ended before its look: the machine is "+keptOff)
	}
	p, ready := h.startRamdisk(Inspecting)
	switch {
	case p.Hold != nil && p.Hold.Reason == change.BootFailed:
		why, _, _ := strings.Cut(p.Hold.Message, seeConsole)
		return h.endRequest(Inspecting, "the inspection got nowhere: "+why)
	case !ready:
		return p
	case h.needsFacts():
		return h.recordFacts(Inspecting)
	default:
		return h.endRequest(Inspecting, "")
	}
}

// endRequest ends the request of the boot, with a note on how; "" for well.
func (h *host) endRequest(phase Phase, note string) Plan {
	r := h.Record.Boot.Request
	a := act.Action{Kind: act.EndRequest, Reason: r.Request().String() + " is done"}
	if note != "" {
		a.Note, a.Reason = fmt.Sprintf("%s: %s", r.Request(), note), note
	}
	return planAction(phase, a)
}

// inheritRequest gives the request of the boot before to another attempt of it; nil where there is none.
func (h *host) inheritRequest(target string) *requests.Run {
	if b := h.Record.Boot; b != nil && b.Target == target && h.Record.Operation == nil {
		return b.Request
	}
	return nil
}
