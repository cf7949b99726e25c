package plan

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// PowerUntold is the message of a hold for a BMC that answers, and does not say whether its machine is on.
const PowerUntold = "the BMC does not say whether the machine is on"

// Refusal is an action that a BMC refused, and the BMC's words. The zero value is no refusal.
type Refusal struct {
	Action act.Kind
	Words  string
}

// ShowRefusal changes the plan of a host with a BMC that has refused an action for long: the host waits for its BMC,
// and does not read as if it went on. The action is tried again all the same.
func ShowRefusal(p Plan, refusal Refusal) Plan {
	goesOn := p.Phase == Inspecting || p.Phase.IsOperation() || p.Phase == Starting || p.Phase == Waiting
	if !goesOn || refusal == (Refusal{}) || p.Hold != nil {
		return p
	}
	p.Phase, p.Hold = Waiting, &change.Hold{Reason: change.BMCRefused, Message: refusal.Words}
	p.Refused = refusal.Action
	if p.Turn == "" {
		p.Waits = "the BMC"
	}
	return p
}

// checkBMC answers while the BMC does not. Unreachable, refused and unknown are never read as off, nor is a single
// reading.
func (h *host) checkBMC() (Plan, bool) {
	hold := change.Hold{Message: h.Observed.BMC.Error}
	switch h.Observed.BMC.Reach {
	case inventory.Reached:
		if h.Observed.BMC.Power != inventory.PowerUnknown {
			return h.checkOff()
		}
		hold = change.Hold{Reason: change.BMCRefused, Message: PowerUntold}
	case inventory.NotAsked:
		return Plan{Phase: Waiting, Waits: "a look at the BMC"}, true
	default:
		hold.Reason = change.NameUnreached(h.Observed.BMC.Reach)
	}
	return Plan{Phase: Waiting, Hold: &hold, Waits: "the BMC"}, true
}

// checkTokenAlarm answers when two keys used the token of the current boot. Nothing that the agent says counts until
// a later commit.
func (h *host) checkTokenAlarm() (Plan, bool) {
	b := h.Record.Boot
	if h.Observed.Agent.Alarm == "" || b == nil || h.Observed.Agent.Epoch != b.Epoch || b.Commit != h.Desired.Commit {
		return Plan{}, false
	}
	return h.holdHost(change.Hold{Reason: change.TokenAlarm, Message: h.Observed.Agent.Alarm +
		": find out who read the boot medium; any later commit of the fleet starts another boot"}), true
}

// checkImage answers until the workload's image is in the mirror and verified. No machine boots before that.
func (h *host) checkImage() (Plan, bool) {
	switch i := h.Observed.Image; i.State {
	case inventory.ImageReady:
		return Plan{}, false
	case inventory.ImageMissing:
		return planAction(Waiting,
			act.Action{Kind: act.FetchImage, Reason: "the image must be verified before anything boots for it"}), true
	case inventory.ImageFetching:
		return Plan{Phase: Waiting, Waits: "the image to be fetched and verified", Again: time.Minute}, true
	case inventory.ImageFailed:
		p := planAction(Held, act.Action{Kind: act.FetchImage, Reason: "try again what failed"})
		p.Hold = &change.Hold{Reason: change.ImageUnusable, Message: i.Error + ": nothing was booted"}
		return p, true
	default:
		panic("plan: unknown image phase " + string(i.State))
	}
}

// checkRamdisk answers while no machine can be booted from the ramdisk. A machine that runs from the ramdisk goes on.
func (h *host) checkRamdisk() (Plan, bool) {
	b := h.Record.Boot
	runs := b != nil && b.Target == inventory.FromRamdisk && b.Stage == inventory.Running
	if h.Observed.Ramdisk == "" || runs {
		return Plan{}, false
	}
	return h.holdHost(change.Hold{Reason: change.RamdiskUnusable, Message: h.Observed.Ramdisk}), true
}

// checkConfig answers while the config of the host cannot be rendered. No machine boots for such a config.
func (h *host) checkConfig() (Plan, bool) {
	if h.Observed.Config.Error == "" {
		return Plan{}, false
	}
	return h.holdHost(change.Hold{Reason: change.ConfigUnusable, Message: h.Observed.Config.Error +
		": nothing was booted"}), true
}
