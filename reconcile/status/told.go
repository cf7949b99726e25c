package status

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Told is what people are told of a host: its document, or, where its page on the status branch is all there is and is not believed, for the reason given,
// just that, and what to do. The latter is never written there: that would destroy what may be mended.
func Told(document Document, d inventory.Desired, unbelieved error) Document {
	if unbelieved == nil {
		return document
	}
	shown := Document{
		APIVersion: schemas.APIVersion, Kind: KindHostStatus, Metadata: NewMetadata(d.Name, d.ID, d.Labels),
		Phase: plan.Held, Hold: &Hold{Reason: change.NotBelieved, Message: unbelieved.Error()}, Commit: d.Commit, File: d.File, Ring: d.Ring, Pending: d.Pending,
	}
	if d.Workload != nil {
		shown.Workload = d.Workload.Name
	}
	return shown
}
