package act

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/schemas"
)

// TakeRequests is a record that knows which requests were done. Where nothing is known, as of a new host, a forgotten
// one or one that is known from a page, the requests of the host's file are taken as done. A host without a file has
// none.
func TakeRequests(rec inventory.Record, d inventory.Desired) inventory.Record {
	if rec.Done == nil && d.Lifecycle != "" {
		rec.Done = requests.TakeAsDone(d.Requests)
	}
	return rec
}

// beginRequest is Begin for the actions of requests.
func beginRequest(rec inventory.Record, a Action, now time.Time) inventory.Record {
	switch a.Kind {
	case Reboot:
		return sendReboot(rec, a, now)
	case EndRequest:
		return endRequest(rec, a)
	default:
		return recordRequest(rec, a)
	}
}

// recordRequest records that the request of an action is done, before anything is done for it.
func recordRequest(rec inventory.Record, a Action) inventory.Record {
	if a.Request != nil {
		rec.Done = rec.Done.With(*a.Request, a.Note)
	}
	return rec
}

// sendReboot records that the one command of a reboot is about to be sent. A machine that is reset is on its way up; a
// system that is asked to shut down is still there.
func sendReboot(rec inventory.Record, a Action, now time.Time) inventory.Record {
	run := rec.Boot.Request
	run.Sent, run.BootID = now, a.BootID
	if run.Mode == schemas.RebootHard {
		rec.Boot.Stage = inventory.Powering
	}
	return rec
}

// settleReboot records how the command of a reboot went. A command that failed is not sent again; a command that was
// kept back is.
func settleReboot(rec inventory.Record, out Outcome, now time.Time) inventory.Record {
	if rec.Boot == nil || rec.Boot.Request == nil {
		return rec
	}
	switch rec = cloneRecord(rec); {
	case out.Unsent:
		rec.Boot.Request.Sent, rec.Boot.Stage = time.Time{}, inventory.Preparing
	case out.Result != Done:
		rec.Boot.Request.Error = out.Why
	case rec.Boot.Stage == inventory.Powering:
		rec.Boot.Stage, rec.Boot.Started = inventory.Running, now
	}
	return rec
}

// endRequest records that the request of the boot is over. A boot from the disk that powered nothing on is over too.
func endRequest(rec inventory.Record, a Action) inventory.Record {
	kind := rec.Boot.Request.Kind
	if rec.Boot.Request = nil; rec.Boot.Target == inventory.FromDisk && rec.Boot.Stage == inventory.Preparing {
		rec.Boot = nil
	}
	rec.Done = rec.Done.Noted(kind, a.Note)
	return rec
}
