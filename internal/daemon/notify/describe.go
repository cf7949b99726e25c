package notify

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/status"
)

// describeFleet takes what notices need from a view.
func describeFleet(view reconcile.View) notices.Fleet {
	f := notices.Fleet{Path: view.Fleet.Path, Commit: view.Commit, Refused: view.Refused, Rings: view.Fleet.Rings}
	if len(view.Findings) > 0 {
		f.Finding = view.Findings[0].String()
	}
	return f
}

func describeHosts(hosts []reconcile.HostView) []notices.Host {
	all := make([]notices.Host, len(hosts))
	for i, h := range hosts {
		all[i] = notices.Host{Desired: h.Desired, Record: h.Observed.Record, Document: h.Document, Turn: h.Plan.Turn,
			Looked: !h.Looked.IsZero()}
		if all[i].Desired.ID == "" {
			all[i].Desired.ID = h.ID
		}
	}
	return all
}

// CollectPages gives the conditions that pages of the status branch tell of.
func CollectPages(fleet status.Fleet, pages []status.Document) notices.Conditions {
	hosts := make([]notices.Host, len(pages))
	for i, d := range pages {
		hosts[i] = notices.Host{Desired: inventory.Desired{ID: d.Metadata.Host(), Name: d.Metadata.Name}, Document: d}
		if d.FindCause() == cause.Name(admit.WorkloadFailed) {
			hosts[i].Turn, hosts[i].Desired.Workload = string(admit.WorkloadFailed), &inventory.Workload{Name: d.Workload}
		}
	}
	return notices.Collect(notices.Fleet{Rings: fleet.Rings}, hosts)
}
