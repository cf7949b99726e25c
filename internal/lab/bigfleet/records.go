package bigfleet

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// began is the time of every install.
var began = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)

// Records gives the records of hosts that run their workloads, by id.
func Records(fleet inventory.Fleet) map[inventory.MachineID]inventory.Record {
	records := make(map[inventory.MachineID]inventory.Record, len(fleet.Hosts))
	for id, d := range fleet.Hosts {
		records[id] = newRecord(d)
	}
	return records
}

func newRecord(d inventory.Desired) inventory.Record {
	disk := inventory.Disk{
		Name: "nvme0n1", Path: "pci-0000:01:00.0-nvme-1", Serial: "D" + d.Identity.Serial, WWN: d.RootDisk.WWN,
		Model: "SAMSUNG MZQL23T8HCLS-00A07", Vendor: "Samsung",
		Transport: "nvme", Size: 3_840_755_982_336,
	}
	r := inventory.Record{ID: d.ID, Epoch: 2, Facts: newFacts(d, disk)}
	if w := d.Workload; w != nil {
		r.Installed = &inventory.Installed{
			ID: hexDigest("install "+d.Name, 0)[:24], Workload: w.Name, Inputs: w.Inputs, Parts: w.Parts,
			Commit: d.Release, Image: w.Image.SHA256, Disk: inventory.IdentifyDisks([]inventory.Disk{disk})[0].ID(),
			Update: w.Update, At: began, PhoneHome: began.Add(time.Minute),
		}
	}
	return r
}

// Documents are the hosts' pages of the status branch, by path.
func Documents(fleet inventory.Fleet) map[string][]byte {
	files := make(map[string][]byte, len(fleet.Hosts))
	for id, r := range Records(fleet) {
		files[status.Path(id)] = Document(fleet.Hosts[id], r)
	}
	return files
}

// Document is the page of a host that has nothing to do.
func Document(d inventory.Desired, r inventory.Record) []byte {
	observed := inventory.Observed{Record: r}
	observed.BMC.Reach, observed.BMC.Power = inventory.Reached, inventory.PoweredOn
	return status.Summarize(status.Document{},
		status.Result{At: began, Desired: &d, Observed: &observed, Plan: &plan.Plan{Phase: plan.Active}}).Encode()
}

func newFacts(d inventory.Desired, disk inventory.Disk) *inventory.Facts {
	disk.Content = inventory.Content{Signature: hexDigest("content "+d.Name, 0)[:16],
		Summary: "GPT: EFI-SYSTEM (vfat), boot (ext4), root (xfs)"}
	f := &inventory.Facts{
		At: began.Add(-10 * time.Minute), Epoch: 1, Memory: 256 << 30, Disks: []inventory.Disk{disk},
		System: inventory.System{Manufacturer: "Dell Inc.", Product: "PowerEdge R650", Serial: d.Identity.Serial,
			UUID: hexDigest("uuid "+d.Name, 0)[:32]},
		Firmware: inventory.Firmware{UEFI: true, SecureBoot: true, Vendor: "Dell Inc.", Version: "1.12.1"},
		CPU:      inventory.CPU{Model: "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", Arch: "amd64", Count: 128},
	}
	for i, mac := range d.Identity.MACs {
		f.NICs = append(f.NICs, inventory.NIC{Name: fmt.Sprintf("eno%d", i+1), MAC: mac, Driver: "ice", Link: i == 0,
			Mbps: 25_000})
	}
	return f
}
