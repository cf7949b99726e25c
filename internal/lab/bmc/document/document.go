// Package document builds the Redfish resources that the virtual BMC answers with, as DMTF's schema bundle 2025.1 names
// them. Pure: state goes in as values, a map for JSON comes out.
package document

import (
	"fmt"
	"path"
)

// Paths of the service.
const (
	Root     = "/redfish/v1"
	System   = Root + "/Systems/1"
	Manager  = Root + "/Managers/1"
	Sessions = Root + "/SessionService/Sessions"
	Account  = Root + "/AccountService/Accounts/1"
	Tasks    = Root + "/TaskService/Tasks"
	Monitors = Root + "/TaskService/TaskMonitors"
)

// Values the service accepts.
var (
	ResetTypes      = []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart"}
	OverrideTargets = []string{"None", "Cd", "Hdd", "Pxe", "UefiHttp"}
	OverrideEnables = []string{"Disabled", "Once", "Continuous"}
)

// Document is one resource as it goes over the wire.
type Document map[string]any

// Resource starts a document: odata id and type, Id and Name.
func Resource(at, kind, name string) Document {
	return Document{"@odata.id": at, "@odata.type": kind, "Id": path.Base(at), "Name": name}
}

// Collection links to members by id.
func Collection(at, kind string, ids ...string) Document {
	members := make([]Document, 0, len(ids))
	for _, id := range ids {
		members = append(members, Link(at+"/"+id))
	}
	return Document{
		"@odata.id": at, "@odata.type": fmt.Sprintf("#%sCollection.%sCollection", kind, kind),
		"Name": kind + " Collection", "Members": members, "Members@odata.count": len(members),
	}
}

// Link refers to another resource.
func Link(at string) Document { return Document{"@odata.id": at} }

// Put sets a member unless the value is empty.
func (d Document) Put(name, value string) {
	if value != "" {
		d[name] = value
	}
}

// Error is an error document. Related names the property or parameter at fault, or is empty.
func Error(id, message, related string) Document {
	info := Document{
		"@odata.type": "#Message.v1_1_2.Message", "MessageId": "Base.1.18." + id, "Message": message,
		"MessageSeverity": "Critical", "Resolution": "None.",
	}
	if related != "" {
		info["MessageArgs"] = []string{related}
		info["RelatedProperties"] = []string{"#/" + related}
	}
	return Document{"error": Document{
		"code": "Base.1.18.GeneralError", "message": "A general error has occurred. See ExtendedInfo for more information.",
		"@Message.ExtendedInfo": []Document{info},
	}}
}

// ServiceRoot is the entry of the service; sessions is the path of the session collection, or empty.
func ServiceRoot(vendor, uuid, sessions string) Document {
	doc := Resource(Root, "#ServiceRoot.v1_17_0.ServiceRoot", "Root Service")
	doc["@odata.id"], doc["Id"] = Root+"/", "RootService"
	doc["RedfishVersion"], doc["Vendor"], doc["Product"] = "1.21.0", vendor, "Virtual BMC"
	doc.Put("UUID", uuid)
	doc["Systems"], doc["Managers"] = Link(Root+"/Systems"), Link(Root+"/Managers")
	doc["AccountService"], doc["Tasks"] = Link(Root+"/AccountService"), Link(Root+"/TaskService")
	doc["SessionService"], doc["Links"] = Link(Root+"/SessionService"), Document{}
	if sessions != "" {
		doc["Links"] = Document{"Sessions": Link(sessions)}
	}
	return doc
}

// BootOverride is the Boot member of a ComputerSystem.
func BootOverride(target, enabled, mode, uri string) Document {
	doc := Document{
		"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled, "BootSourceOverrideMode": mode,
		"BootSourceOverrideTarget@Redfish.AllowableValues":  OverrideTargets,
		"BootSourceOverrideEnabled@Redfish.AllowableValues": OverrideEnables,
		"BootSourceOverrideMode@Redfish.AllowableValues":    []string{"UEFI"},
		"HttpBootUri": nil,
	}
	doc.Put("HttpBootUri", uri)
	return doc
}

// SerialConsole is the SerialConsole member of a ComputerSystem: over SSH, behind a command line when entry is set.
func SerialConsole(port int, entry string) Document {
	ssh := Document{"ServiceEnabled": true, "Port": port, "SharedWithManagerCLI": entry != ""}
	ssh.Put("ConsoleEntryCommand", entry)
	return Document{"MaxConcurrentSessions": 15, "SSH": ssh}
}

// SecureBoot is the resource with the mode UserMode when Secure Boot is enforced, or SetupMode.
func SecureBoot(mode string) Document {
	doc := Resource(System+"/SecureBoot", "#SecureBoot.v1_1_1.SecureBoot", "UEFI Secure Boot")
	enforced := mode == "UserMode"
	doc["SecureBootEnable"], doc["SecureBootMode"], doc["SecureBootCurrentBoot"] = enforced, mode, "Disabled"
	if enforced {
		doc["SecureBootCurrentBoot"] = "Enabled"
	}
	return doc
}

// ServiceOf is a service with a link to its collection.
func ServiceOf(at, kind, member, collection string) Document {
	doc := Resource(at, kind, path.Base(at))
	doc[member], doc["ServiceEnabled"] = Link(collection), true
	return doc
}

// ManagerAccount is the one account.
func ManagerAccount(user string) Document {
	doc := Resource(Account, "#ManagerAccount.v1_13_0.ManagerAccount", "Account")
	doc["UserName"], doc["RoleId"], doc["Enabled"], doc["Password"] = user, "Administrator", true, nil
	return doc
}

// Session is one open session.
func Session(id, user string) Document {
	doc := Resource(Sessions+"/"+id, "#Session.v1_7_1.Session", "Session "+id)
	doc["UserName"] = user
	return doc
}

// Task is one long-running operation in a Redfish TaskState.
func Task(id, name, state string) Document {
	doc := Resource(Tasks+"/"+id, "#Task.v1_7_4.Task", "Reset "+name)
	doc["TaskState"], doc["TaskMonitor"], doc["TaskStatus"] = state, Monitors+"/"+id, "OK"
	return doc
}

// Ethernet is one host interface.
func Ethernet(id, mac string) Document {
	doc := Resource(System+"/EthernetInterfaces/"+id, "#EthernetInterface.v1_12_2.EthernetInterface", "Ethernet "+id)
	doc["MACAddress"], doc["PermanentMACAddress"], doc["InterfaceEnabled"] = mac, mac, true
	return doc
}

// Drive is one disk; bytes is its capacity.
func Drive(id, serial, model string, bytes int64) Document {
	doc := Resource(System+"/Storage/1/Drives/"+id, "#Drive.v1_20_0.Drive", "Drive "+id)
	doc["SerialNumber"], doc["Model"], doc["CapacityBytes"], doc["MediaType"] = serial, model, bytes, "SSD"
	return doc
}

// Storage links to the drives.
func Storage(ids []string) Document {
	doc := Resource(System+"/Storage/1", "#Storage.v1_17_1.Storage", "Storage")
	drives := []Document{}
	for _, id := range ids {
		drives = append(drives, Link(System+"/Storage/1/Drives/"+id))
	}
	doc["Drives"], doc["Drives@odata.count"] = drives, len(drives)
	return doc
}

// VirtualMedia is one virtual drive at a path; url is empty when nothing is in it.
func VirtualMedia(at, url string) Document {
	doc := Resource(at, "#VirtualMedia.v1_6_4.VirtualMedia", "Virtual CD")
	doc["MediaTypes"], doc["Inserted"], doc["WriteProtected"] = []string{"CD", "DVD"}, url != "", true
	doc["Image"], doc["ImageName"], doc["ConnectedVia"] = nil, nil, "NotConnected"
	if url != "" {
		doc["Image"], doc["ImageName"], doc["ConnectedVia"] = url, path.Base(url), "URI"
	}
	return doc
}

// MediaActions are the actions of a virtual drive at a path.
func MediaActions(at string) Document {
	return Document{
		"#VirtualMedia.InsertMedia": Document{"target": at + "/Actions/VirtualMedia.InsertMedia"},
		"#VirtualMedia.EjectMedia":  Document{"target": at + "/Actions/VirtualMedia.EjectMedia"},
	}
}
