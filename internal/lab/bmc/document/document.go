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
	Accounts = Root + "/AccountService/Accounts"
	Roles    = Root + "/AccountService/Roles"
	Volumes  = System + "/Storage/1/Volumes"
	OData    = Root + "/odata"
	Metadata = Root + "/$metadata"
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

// NewResource starts a document of a kind in versions: odata id and type, Id and Name.
func NewResource(at, kind, name string) Document {
	return Document{"@odata.id": at, "@odata.type": odataType(kind), "Id": path.Base(at), "Name": name}
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
		"@odata.type": "Message", "MessageId": "Base.1.18." + id, "Message": message,
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
	doc := NewResource(Root, "ServiceRoot", "Root Service")
	doc["@odata.id"], doc["Id"] = Root+"/", "RootService"
	doc["RedfishVersion"], doc["Vendor"], doc["Product"] = "1.21.0", vendor, "Virtual BMC"
	doc.SetUnlessEmpty("UUID", uuid)
	doc["Systems"], doc["Managers"] = NewLink(Root+"/Systems"), NewLink(Root+"/Managers")
	doc["AccountService"], doc["Tasks"] = NewLink(Root+"/AccountService"), NewLink(Root+"/TaskService")
	doc["SessionService"], doc["Links"] = NewLink(Root+"/SessionService"), Document{}
	doc["Registries"] = NewLink(Registries)
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
	doc := NewResource(System+"/SecureBoot", "SecureBoot", "UEFI Secure Boot")
	enforced := mode == "UserMode"
	doc["SecureBootEnable"], doc["SecureBootMode"], doc["SecureBootCurrentBoot"] = enforced, mode, "Disabled"
	if enforced {
		doc["SecureBootCurrentBoot"] = "Enabled"
	}
	return doc
}

// NewService is a service with links to its collections, by member.
func NewService(kind string, collections map[string]string) Document {
	doc := NewResource(Root+"/"+kind, kind, kind)
	doc["ServiceEnabled"] = true
	for member, collection := range collections {
		doc[member] = NewLink(collection)
	}
	return doc
}

// NewAccount is an account with a role.
func NewAccount(id, user, role string, enabled bool) Document {
	doc := NewResource(Accounts+"/"+id, "ManagerAccount", "Account "+id)
	doc["UserName"], doc["RoleId"], doc["Enabled"], doc["Password"] = user, role, enabled, nil
	doc["AccountTypes"], doc["Links"] = []string{"Redfish"}, Document{"Role": NewLink(Roles + "/" + role)}
	return doc
}

// NewRole is a predefined role.
func NewRole(id string, privileges []string) Document {
	doc := NewResource(Roles+"/"+id, "Role", id)
	doc["RoleId"], doc["IsPredefined"], doc["AssignedPrivileges"] = id, true, privileges
	return doc
}

// NewSession is an open session.
func NewSession(id, user string) Document {
	doc := NewResource(Sessions+"/"+id, "Session", "Session "+id)
	doc["UserName"] = user
	return doc
}

// NewTask is a long-running operation in a Redfish TaskState.
func NewTask(id, name, state string) Document {
	doc := NewResource(Tasks+"/"+id, "Task", name)
	doc["TaskState"], doc["TaskMonitor"], doc["TaskStatus"] = state, Monitors+"/"+id, "OK"
	return doc
}

// NewEthernet is a host interface.
func NewEthernet(id, mac string) Document {
	doc := NewResource(System+"/EthernetInterfaces/"+id, "EthernetInterface", "Ethernet "+id)
	doc["MACAddress"], doc["PermanentMACAddress"], doc["InterfaceEnabled"] = mac, mac, true
	doc["Status"] = enabled()
	return doc
}

// NewDrive is a disk; bytes is its capacity.
func NewDrive(id, serial, model string, bytes int64) Document {
	doc := NewResource(System+"/Storage/1/Drives/"+id, "Drive", "Drive "+id)
	doc["SerialNumber"], doc["Model"], doc["CapacityBytes"], doc["MediaType"] = serial, model, bytes, "SSD"
	doc["Protocol"], doc["Status"] = "SATA", enabled()
	return doc
}

// NewStorage links to the drives.
func NewStorage(ids []string) Document {
	doc := NewResource(System+"/Storage/1", "Storage", "Storage")
	drives := []Document{}
	for _, id := range ids {
		drives = append(drives, NewLink(System+"/Storage/1/Drives/"+id))
	}
	doc["Drives"], doc["Drives@odata.count"] = drives, len(drives)
	doc["Controllers"], doc["Volumes"] = NewLink(System+"/Storage/1/Controllers"), NewLink(System+"/Storage/1/Volumes")
	return doc
}

// NewController is the controller of the drives.
func NewController(at string) Document {
	doc := NewResource(at, "StorageController", "Controller")
	doc["Status"] = enabled()
	return doc
}

// Volume is a RAID volume that a client made. The volume is a resource only: the machine's disks stay as they are.
type Volume struct {
	ID, Name, RAID string
	Bytes          int64
	Drives         []string // paths
}

// NewVolume is a RAID volume.
func NewVolume(v Volume) Document {
	doc := NewResource(Volumes+"/"+v.ID, "Volume", v.Name)
	links := make([]Document, 0, len(v.Drives))
	for _, drive := range v.Drives {
		links = append(links, NewLink(drive))
	}
	doc["RAIDType"], doc["CapacityBytes"], doc["Status"] = v.RAID, v.Bytes, enabled()
	doc["Links"] = Document{"Drives": links, "Drives@odata.count": len(links)}
	return doc
}

// NewApplyTimes says that volumes are made at once.
func NewApplyTimes() Document {
	return Document{"@odata.type": "#Settings." + versions["Settings"] + ".OperationApplyTimeSupport",
		"SupportedValues": []string{"Immediate"}}
}

func enabled() Document { return Document{"State": "Enabled", "Health": "OK"} }

// NewVirtualMedia is a virtual drive at a path; url is empty without a medium.
func NewVirtualMedia(at, url string) Document {
	doc := NewResource(at, "VirtualMedia", "Virtual CD")
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
