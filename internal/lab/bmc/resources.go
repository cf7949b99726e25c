package bmc

import (
	"path"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// resources are the documents that only need reading, by path.
func (b *BMC) resources() map[string]func() document.Document {
	list := func(at, kind string, ids ...string) func() document.Document {
		return func() document.Document { return document.Collection(at, kind, ids...) }
	}
	accounts, storage, nics := path.Dir(document.Account), document.System+"/Storage", document.System+"/EthernetInterfaces"
	all := map[string]func() document.Document{
		"/redfish":                               func() document.Document { return document.Document{"v1": document.Root + "/"} },
		document.Root:                            b.root,
		document.Root + "/Systems":               list(document.Root+"/Systems", "ComputerSystem", "1"),
		document.Root + "/Managers":              list(document.Root+"/Managers", "Manager", "1"),
		document.Manager:                         b.manager,
		document.Manager + "/VirtualMedia":       func() document.Document { return b.slots(document.Manager) },
		document.Manager + "/VirtualMedia/Decoy": func() document.Document { return decoy(document.Manager) },
		document.System + "/VirtualMedia":        func() document.Document { return b.slots(document.System) },
		document.System + "/VirtualMedia/Decoy":  func() document.Document { return decoy(document.System) },
		document.System + "/SecureBoot":          b.secureBoot,
		document.Root + "/SessionService":        service("SessionService", "Sessions", document.Sessions),
		document.Sessions:                        func() document.Document { return document.Collection(document.Sessions, "Session", b.sessionIDs()...) },
		document.Root + "/AccountService":        service("AccountService", "Accounts", accounts),
		accounts:                                 list(accounts, "ManagerAccount", "1"),
		document.Account:                         func() document.Document { return document.ManagerAccount(b.config.Username) },
		document.Root + "/TaskService":           service("TaskService", "Tasks", document.Tasks),
		document.Tasks:                           func() document.Document { return document.Collection(document.Tasks, "Task", b.taskIDs()...) },
		storage:                                  list(storage, "Storage", "1"),
	}
	var cards, drives []string
	for _, nic := range b.config.Identity.NICs {
		cards = append(cards, nic.Name)
		all[nics+"/"+nic.Name] = func() document.Document { return document.Ethernet(nic.Name, nic.MAC) }
	}
	for _, disk := range b.config.Identity.Disks {
		drives = append(drives, disk.Name)
		all[storage+"/1/Drives/"+disk.Name] = func() document.Document {
			return document.Drive(disk.Name, disk.Serial, disk.Model, disk.Bytes)
		}
	}
	all[nics] = list(nics, "EthernetInterface", cards...)
	all[storage+"/1"] = func() document.Document { return document.Storage(drives) }
	return all
}

func service(name, member, collection string) func() document.Document {
	at, kind := document.Root+"/"+name, "#"+name+".v1_1_9."+name
	return func() document.Document { return document.ServiceOf(at, kind, member, collection) }
}

func (b *BMC) root() document.Document {
	if b.current().NoSessions {
		return document.ServiceRoot(b.config.Vendor, b.config.Identity.UUID, "")
	}
	return document.ServiceRoot(b.config.Vendor, b.config.Identity.UUID, document.Sessions)
}

// system is the ComputerSystem as a well-behaved BMC shows it, with the faults of reading applied.
func (b *BMC) system() document.Document {
	id := b.config.Identity
	b.mu.Lock()
	faults, o, on, ending, console := b.faults, b.override, b.run != nil, b.run != nil && b.run.ending, b.console
	b.mu.Unlock()
	doc := document.Resource(document.System, "#ComputerSystem.v1_23_1.ComputerSystem", "System")
	doc["SystemType"] = "Physical"
	doc.Put("Manufacturer", id.Manufacturer)
	doc.Put("Model", id.Model)
	doc.Put("SerialNumber", id.Serial)
	doc.Put("SKU", id.SKU)
	doc.Put("UUID", id.UUID)
	doc.Put("BiosVersion", id.BIOSVersion)
	doc["Status"] = document.Document{"State": "Enabled", "Health": "OK"}
	doc["PowerState"] = powerState(on, ending && faults.ShowTransitions)
	doc["ProcessorSummary"] = document.Document{"Count": id.Processors, "CoreCount": id.Cores}
	doc["MemorySummary"] = document.Document{"TotalSystemMemoryGiB": float64(id.MemoryMiB) / 1024}
	doc["Boot"] = document.BootOverride(o.Target, o.Enabled, o.Mode, o.HTTPURI)
	doc["SecureBoot"] = document.Link(document.System + "/SecureBoot")
	doc["EthernetInterfaces"] = document.Link(document.System + "/EthernetInterfaces")
	doc["Storage"] = document.Link(document.System + "/Storage")
	doc["Links"] = managedBy("")
	if console != nil {
		doc["SerialConsole"] = console
	}
	if faults.MediaUnder != UnderManager {
		doc["VirtualMedia"] = document.Link(document.System + "/VirtualMedia")
	}
	doc["Actions"] = resetAction("", faults.AllowableHidden)
	b.distort(doc, faults)
	return doc
}

func managedBy(origin string) document.Document {
	return document.Document{"ManagedBy": []document.Document{document.Link(origin + document.Manager)}}
}

func resetAction(origin string, bare bool) document.Document {
	reset := document.Document{"target": origin + document.System + "/Actions/ComputerSystem.Reset"}
	if !bare {
		reset["ResetType@Redfish.AllowableValues"] = document.ResetTypes
	}
	return document.Document{"#ComputerSystem.Reset": reset}
}

// distort applies the faults of the System document.
func (b *BMC) distort(doc document.Document, faults Faults) {
	if b.meet("PowerStateNull", faults.PowerStateNull) {
		doc["PowerState"] = nil
	}
	if b.meet("NumbersAsText", faults.NumbersAsText) {
		doc["MemorySummary"] = document.Document{"TotalSystemMemoryGiB": "2"}
		doc["ProcessorSummary"] = document.Document{"Count": "1", "CoreCount": "2"}
	}
	if b.meet("Oversized", faults.Oversized > 0) {
		doc["Oem"] = document.Document{"Padding": strings.Repeat("x", int(faults.Oversized))}
	}
	if b.meet("ForeignLinks", faults.ForeignLinks != "") {
		doc["VirtualMedia"] = document.Link(faults.ForeignLinks + document.System + "/VirtualMedia")
		doc["Links"] = managedBy(faults.ForeignLinks)
		doc["Actions"] = resetAction(faults.ForeignLinks, faults.AllowableHidden)
	}
}

func powerState(on, ending bool) string {
	switch {
	case ending:
		return "PoweringOff"
	case on:
		return "On"
	default:
		return "Off"
	}
}

func (b *BMC) manager() document.Document {
	doc := document.Resource(document.Manager, "#Manager.v1_20_0.Manager", "Manager")
	doc["ManagerType"], doc["FirmwareVersion"] = "BMC", "lab 1"
	doc["Links"] = document.Document{"ManagerForServers": []document.Document{document.Link(document.System)}}
	if b.current().MediaUnder != UnderSystem {
		doc["VirtualMedia"] = document.Link(document.Manager + "/VirtualMedia")
	}
	return doc
}

func (b *BMC) secureBoot() document.Document {
	if b.config.Identity.SecureBoot {
		return document.SecureBoot("UserMode")
	}
	return document.SecureBoot("SetupMode")
}
