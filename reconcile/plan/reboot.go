package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/requested"
	"github.com/gitmetal/ingot/schemas"
)

// followReboot sees a requested reboot to its end. The one command is recorded before it is sent, and never sent again:
// a daemon that died in between cannot tell whether the BMC got it, nor can one whose record comes from a page, or from
// an older journal. The first row that fits decides:
//
//	the reboot                                  the machine                         due
//	is not sent, and not wanted any more        any                                 EndRequest
//	is not sent, by a record from before a gap  any                                 EndRequest: the record may be old
//	is not sent                                 is not on                           EndRequest
//	is not sent                                 is on                               Reboot
//	is Soft                                     is on, its system called anew       EndRequest
//	is Soft                                     is on for 30 minutes since          EndRequest: it did not shut down
//	is Soft                                     is on                               wait for Off
//	any                                         went off, and shall be off now      EndRequest
//	any                                         is on again, and its system called  EndRequest
//	any                                         is on again, and sends no calls     EndRequest, after a moment
//	any                                         is on again for deadline Home       EndRequest: it did not call
//	any                                         is on again                         wait for the call
//	any                                         is off                              PowerOn, as for any start from the disk
func (h *host) followReboot(b inventory.Boot) Plan {
	run, age, since := *b.Request, h.Observed.Attended, requested.SinceSent(h.Observed)
	unsent, asked := run.Sent.IsZero(), b.Stage == inventory.Preparing && h.IsOn()
	back := b.Stage == inventory.Running && h.IsOn()
	switch {
	case unsent && !requested.IsWanted(h.Desired, h.Record, run):
		return h.endRequest(Starting, "it was taken back before it was sent")
	case unsent && age.Interrupted:
		return h.endRequest(Starting, "it is not known whether it was sent: the daemon was started, or heard nothing, since")
	case unsent && !h.IsOn():
		return h.endRequest(Starting, "nothing was sent: the machine was off")
	case unsent:
		p := planAction(Starting, act.Action{Kind: act.Reboot, Boot: &b, BootID: requested.LastBootID(h.Observed.Agent.PhoneHome),
			Reason: "spec.requests asks for it once: " + run.Request().String()})
		p.Request = run.Request().String()
		return p
	case (asked || back) && requested.CalledAnew(h.Record, h.Observed.Agent.PhoneHome, run):
		return h.endRequest(Starting, "")
	case asked && h.Passed(since, shutdownDeadline):
		return h.endRequest(Starting, fmt.Sprintf("the system did not shut down within %s%s", shutdownDeadline, requested.DescribeError(run)))
	case asked:
		return Plan{Phase: Starting, Waits: "the system to shut down for a reboot that was requested",
			Due: h.Due(since, shutdownDeadline), Again: bmcPause}
	case (h.IsOff() || back) && h.Desired.Power == schemas.PowerOff:
		return h.endRequest(Active, "the machine is to be off now")
	case back && h.Record.Installed != nil && h.Record.Installed.PhoneHome.IsZero() && age.Started > settle:
		return h.endRequest(Active, "")
	case back && h.Passed(age.Started, h.Deadlines.Home):
		return h.endRequest(Active, fmt.Sprintf("the machine is on, and its system has not called within %s%s",
			h.Deadlines.Home, requested.DescribeError(run)))
	case back:
		return Plan{Phase: Starting, Waits: "the installed system to phone home after a reboot that was requested",
			Due: h.Due(age.Started, h.Deadlines.Home), Again: bmcPause}
	default:
		p, _ := h.startFromDisk(Starting)
		return p
	}
}
