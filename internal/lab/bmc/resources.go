package bmc

import (
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// listResources gives the documents that can only be read, by path.
func (b *BMC) listResources() map[string]func() document.Document {
	list := func(at, kind string, ids ...string) func() document.Document {
		return func() document.Document { return document.NewCollection(at, kind, ids...) }
	}
	storage, nics := document.System+"/Storage", document.System+"/EthernetInterfaces"
	all := map[string]func() document.Document{
		document.Root:                            b.rootDocument,
		document.Root + "/Systems":               list(document.Root+"/Systems", "ComputerSystem", "1"),
		document.Root + "/Managers":              list(document.Root+"/Managers", "Manager", "1"),
		document.Manager:                         b.managerDocument,
		document.Manager + "/VirtualMedia":       func() document.Document { return b.listSlots(document.Manager) },
		document.Manager + "/VirtualMedia/Decoy": func() document.Document { return decoySlot(document.Manager) },
		document.System + "/VirtualMedia":        func() document.Document { return b.listSlots(document.System) },
		document.System + "/VirtualMedia/Decoy":  func() document.Document { return decoySlot(document.System) },
		document.System + "/SecureBoot":          b.secureBootDocument,
		document.Root + "/SessionService": func() document.Document {
			return document.NewService("SessionService", map[string]string{"Sessions": document.Sessions})
		},
		document.Sessions: func() document.Document {
			return document.NewCollection(document.Sessions, "Session", b.sessionIDs()...)
		},
		document.Root + "/AccountService": func() document.Document {
			return document.NewService("AccountService",
				map[string]string{"Accounts": document.Accounts, "Roles": document.Roles})
		},
		document.Accounts: func() document.Document {
			return document.NewCollection(document.Accounts, "ManagerAccount", b.accounts.IDs()...)
		},
		document.Roles: list(document.Roles, "Role", accounts.Roles...),
		document.Root + "/TaskService": func() document.Document {
			return document.NewService("TaskService", map[string]string{"Tasks": document.Tasks})
		},
		document.Tasks: func() document.Document {
			return document.NewCollection(document.Tasks, "Task", b.taskIDs()...)
		},
		storage + "/1/Controllers":   list(storage+"/1/Controllers", "StorageController", "1"),
		storage + "/1/Controllers/1": func() document.Document { return document.NewController(storage + "/1/Controllers/1") },
		document.Volumes:             b.volumesDocument,
		storage:                      list(storage, "Storage", "1"),
	}
	for _, role := range accounts.Roles {
		all[document.Roles+"/"+role] = func() document.Document {
			return document.NewRole(role, accounts.Privileges(role))
		}
	}
	var cards, drives []string
	for _, nic := range b.config.Identity.NICs {
		cards = append(cards, nic.Name)
		all[nics+"/"+nic.Name] = func() document.Document { return document.NewEthernet(nic.Name, nic.MAC) }
	}
	for _, disk := range b.config.Identity.Disks {
		drives = append(drives, disk.Name)
		all[storage+"/1/Drives/"+disk.Name] = func() document.Document {
			return document.NewDrive(disk.Name, disk.Serial, disk.Model, disk.Bytes)
		}
	}
	all[nics] = list(nics, "EthernetInterface", cards...)
	all[storage+"/1"] = func() document.Document { return document.NewStorage(drives) }
	return all
}

func (b *BMC) rootDocument() document.Document {
	if b.currentFaults().NoSessions {
		return document.NewServiceRoot(b.config.Vendor, b.config.Identity.UUID, "")
	}
	return document.NewServiceRoot(b.config.Vendor, b.config.Identity.UUID, document.Sessions)
}

// systemDocument is the ComputerSystem of a well-behaved BMC, with the faults of reading applied.
func (b *BMC) systemDocument() document.Document {
	id := b.config.Identity
	b.mu.Lock()
	faults, o, on, ending, console := b.faults, b.override, b.run != nil, b.run != nil && b.run.ending, b.console
	b.mu.Unlock()
	doc := document.NewResource(document.System, "ComputerSystem", "System")
	doc["SystemType"] = "Physical"
	doc.SetUnlessEmpty("Manufacturer", id.Manufacturer)
	doc.SetUnlessEmpty("Model", id.Model)
	doc.SetUnlessEmpty("SerialNumber", id.Serial)
	doc.SetUnlessEmpty("SKU", id.SKU)
	doc.SetUnlessEmpty("UUID", id.UUID)
	doc.SetUnlessEmpty("BiosVersion", id.BIOSVersion)
	doc["Status"] = document.Document{"State": "Enabled", "Health": "OK"}
	doc["PowerState"] = powerStateName(on, ending && faults.ShowTransitions)
	doc["ProcessorSummary"] = document.Document{"Count": id.Processors, "CoreCount": id.Cores}
	doc["MemorySummary"] = document.Document{"TotalSystemMemoryGiB": float64(id.MemoryMiB) / 1024}
	doc["Boot"] = document.NewBootOverride(o.Target, o.Enabled, o.Mode, o.HTTPURI)
	doc["SecureBoot"] = document.NewLink(document.System + "/SecureBoot")
	doc["EthernetInterfaces"] = document.NewLink(document.System + "/EthernetInterfaces")
	doc["Storage"] = document.NewLink(document.System + "/Storage")
	doc["Links"] = managerLinks("")
	if !faults.NoBIOS {
		doc["Bios"] = document.NewLink(document.BIOS)
	}
	if console != nil {
		doc["SerialConsole"] = console
	}
	if faults.MediaUnder != UnderManager {
		doc["VirtualMedia"] = document.NewLink(document.System + "/VirtualMedia")
	}
	doc["Actions"] = resetAction("", faults.AllowableHidden)
	b.distortSystem(doc, faults)
	return doc
}

func managerLinks(origin string) document.Document {
	return document.Document{"ManagedBy": []document.Document{document.NewLink(origin + document.Manager)}}
}

func resetAction(origin string, bare bool) document.Document {
	reset := document.Document{"target": origin + document.System + "/Actions/ComputerSystem.Reset"}
	if !bare {
		reset["ResetType@Redfish.AllowableValues"] = document.ResetTypes
	}
	return document.Document{"#ComputerSystem.Reset": reset}
}

// distortSystem applies the faults of the System document.
func (b *BMC) distortSystem(doc document.Document, faults Faults) {
	if b.meetFault("PowerStateNull", faults.PowerStateNull) {
		doc["PowerState"] = nil
	}
	if b.meetFault("NumbersAsText", faults.NumbersAsText) {
		doc["MemorySummary"] = document.Document{"TotalSystemMemoryGiB": "2"}
		doc["ProcessorSummary"] = document.Document{"Count": "1", "CoreCount": "2"}
	}
	if b.meetFault("Oversized", faults.Oversized > 0) {
		doc["Oem"] = document.Document{"Padding": strings.Repeat("x", int(faults.Oversized))}
	}
	if b.meetFault("ForeignLinks", faults.ForeignLinks != "") {
		doc["VirtualMedia"] = document.NewLink(faults.ForeignLinks + document.System + "/VirtualMedia")
		doc["Links"] = managerLinks(faults.ForeignLinks)
		doc["Actions"] = resetAction(faults.ForeignLinks, faults.AllowableHidden)
	}
}

func powerStateName(on, ending bool) string {
	switch {
	case ending:
		return "PoweringOff"
	case on:
		return "On"
	default:
		return "Off"
	}
}

func (b *BMC) managerDocument() document.Document {
	doc := document.NewResource(document.Manager, "Manager", "Manager")
	doc["ManagerType"], doc["FirmwareVersion"] = "BMC", "lab 1"
	doc["Links"] = document.Document{"ManagerForServers": []document.Document{document.NewLink(document.System)}}
	if b.currentFaults().MediaUnder != UnderSystem {
		doc["VirtualMedia"] = document.NewLink(document.Manager + "/VirtualMedia")
	}
	return doc
}

func (b *BMC) secureBootDocument() document.Document {
	if b.config.Identity.SecureBoot {
		return document.NewSecureBoot("UserMode")
	}
	return document.NewSecureBoot("SetupMode")
}
