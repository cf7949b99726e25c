// Package document builds the Redfish resources of the virtual BMC, with the names of DMTF's schema bundle 2025.1. The
// functions are pure: state goes in as values, a map for JSON comes out.
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

// Document is a resource as sent over the wire.
type Document map[string]any

// NewResource starts a document: odata id and type, Id and Name.
func NewResource(at, kind, name string) Document {
	return Document{"@odata.id": at, "@odata.type": kind, "Id": path.Base(at), "Name": name}
}

// NewCollection links to members by id.
func NewCollection(at, kind string, ids ...string) Document {
	members := make([]Document, 0, len(ids))
	for _, id := range ids {
		members = append(members, NewLink(at+"/"+id))
	}
	return Document{
		"@odata.id": at, "@odata.type": fmt.Sprintf("#%sCollection.%sCollection", kind, kind),
		"Name": kind + " Collection", "Members": members, "Members@odata.count": len(members),
	}
}

// NewLink refers to a resource.
func NewLink(at string) Document { return Document{"@odata.id": at} }

// SetUnlessEmpty sets a member unless the value is empty.
func (d Document) SetUnlessEmpty(name, value string) {
	if value != "" {
		d[name] = value
	}
}

// NewError is an error document. related names the property or parameter at fault, or is empty.
func NewError(id, message, related string) Document {
	info := Document{
		"@odata.type": "#Message.v1_1_2.Message", "MessageId": "Base.1.18." + id, "Message": message,
		"MessageSeverity": "Critical", "Resolution": "None.",
	}
	if related != "" {
		info["MessageArgs"] = []string{related}
		info["RelatedProperties"] = []string{"#/" + related}
	}
	return Document{"error": Document{
		"code": "Base.1.18.GeneralError", "message": "A general error has occurred. See ExtendedInfo for more " +
			"information.",
		"@Message.ExtendedInfo": []Document{info},
	}}
}

// NewServiceRoot is the entry of the service; sessions is the path of the session collection, or empty.
func NewServiceRoot(vendor, uuid, sessions string) Document {
	doc := NewResource(Root, "#ServiceRoot.v1_17_0.ServiceRoot", "Root Service")
	doc["@odata.id"], doc["Id"] = Root+"/", "RootService"
	doc["RedfishVersion"], doc["Vendor"], doc["Product"] = "1.21.0", vendor, "Virtual BMC"
	doc.SetUnlessEmpty("UUID", uuid)
	doc["Systems"], doc["Managers"] = NewLink(Root+"/Systems"), NewLink(Root+"/Managers")
	doc["AccountService"], doc["Tasks"] = NewLink(Root+"/AccountService"), NewLink(Root+"/TaskService")
	doc["SessionService"], doc["Links"] = NewLink(Root+"/SessionService"), Document{}
	if sessions != "" {
		doc["Links"] = Document{"Sessions": NewLink(sessions)}
	}
	return doc
}

// NewBootOverride is the Boot member of a ComputerSystem.
func NewBootOverride(target, enabled, mode, uri string) Document {
	doc := Document{
		"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled, "BootSourceOverrideMode": mode,
		"BootSourceOverrideTarget@Redfish.AllowableValues":  OverrideTargets,
		"BootSourceOverrideEnabled@Redfish.AllowableValues": OverrideEnables,
		"BootSourceOverrideMode@Redfish.AllowableValues":    []string{"UEFI"},
		"HttpBootUri": nil,
	}
	doc.SetUnlessEmpty("HttpBootUri", uri)
	return doc
}

// NewSerialConsole is the SerialConsole member of a ComputerSystem: over SSH, behind a command line if entry is set.
func NewSerialConsole(port int, entry string) Document {
	ssh := Document{"ServiceEnabled": true, "Port": port, "SharedWithManagerCLI": entry != ""}
	ssh.SetUnlessEmpty("ConsoleEntryCommand", entry)
	return Document{"MaxConcurrentSessions": 15, "SSH": ssh}
}

// NewSecureBoot is the resource with the mode UserMode if Secure Boot is enforced, or SetupMode.
func NewSecureBoot(mode string) Document {
	doc := NewResource(System+"/SecureBoot", "#SecureBoot.v1_1_1.SecureBoot", "UEFI Secure Boot")
	enforced := mode == "UserMode"
	doc["SecureBootEnable"], doc["SecureBootMode"], doc["SecureBootCurrentBoot"] = enforced, mode, "Disabled"
	if enforced {
		doc["SecureBootCurrentBoot"] = "Enabled"
	}
	return doc
}

// NewService is a service with a link to its collection.
func NewService(at, kind, member, collection string) Document {
	doc := NewResource(at, kind, path.Base(at))
	doc[member], doc["ServiceEnabled"] = NewLink(collection), true
	return doc
}

// NewAccount is the only account.
func NewAccount(user string) Document {
	doc := NewResource(Account, "#ManagerAccount.v1_13_0.ManagerAccount", "Account")
	doc["UserName"], doc["RoleId"], doc["Enabled"], doc["Password"] = user, "Administrator", true, nil
	return doc
}

// NewSession is an open session.
func NewSession(id, user string) Document {
	doc := NewResource(Sessions+"/"+id, "#Session.v1_7_1.Session", "Session "+id)
	doc["UserName"] = user
	return doc
}

// NewTask is a long-running operation in a Redfish TaskState.
func NewTask(id, name, state string) Document {
	doc := NewResource(Tasks+"/"+id, "#Task.v1_7_4.Task", "Reset "+name)
	doc["TaskState"], doc["TaskMonitor"], doc["TaskStatus"] = state, Monitors+"/"+id, "OK"
	return doc
}

// NewEthernet is a host interface.
func NewEthernet(id, mac string) Document {
	doc := NewResource(System+"/EthernetInterfaces/"+id, "#EthernetInterface.v1_12_2.EthernetInterface", "Ethernet "+id)
	doc["MACAddress"], doc["PermanentMACAddress"], doc["InterfaceEnabled"] = mac, mac, true
	return doc
}

// NewDrive is a disk; bytes is its capacity.
func NewDrive(id, serial, model string, bytes int64) Document {
	doc := NewResource(System+"/Storage/1/Drives/"+id, "#Drive.v1_20_0.Drive", "Drive "+id)
	doc["SerialNumber"], doc["Model"], doc["CapacityBytes"], doc["MediaType"] = serial, model, bytes, "SSD"
	return doc
}

// NewStorage links to the drives.
func NewStorage(ids []string) Document {
	doc := NewResource(System+"/Storage/1", "#Storage.v1_17_1.Storage", "Storage")
	drives := []Document{}
	for _, id := range ids {
		drives = append(drives, NewLink(System+"/Storage/1/Drives/"+id))
	}
	doc["Drives"], doc["Drives@odata.count"] = drives, len(drives)
	return doc
}

// NewVirtualMedia is a virtual drive at a path; url is empty without a medium.
func NewVirtualMedia(at, url string) Document {
	doc := NewResource(at, "#VirtualMedia.v1_6_4.VirtualMedia", "Virtual CD")
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
