package replay

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// call is an action that a client asks for.
type call struct {
	name   string // for example #ComputerSystem.Reset
	owner  string // path of the resource
	action map[string]any
	body   map[string]any
}

// parameter is a text parameter of the call, or empty.
func (c call) parameter(name string) string {
	text, _ := c.body[name].(string)
	return text
}

// allowedValues are the values that the tree declares for a parameter, in the action or in its ActionInfo.
func (s *Server) allowedValues(c call, parameter string) []string {
	if listed := readTexts(c.action[parameter+"@Redfish.AllowableValues"]); len(listed) > 0 {
		return listed
	}
	at, _ := c.action["@Redfish.ActionInfo"].(string)
	described, _ := s.tree[pathOf(at)]["Parameters"].([]any)
	for _, item := range described {
		if about, _ := item.(map[string]any); about["Name"] == parameter {
			return readTexts(about["AllowableValues"])
		}
	}
	return nil
}

// runAction carries out an action.
func (s *Server) runAction(w http.ResponseWriter, c call) {
	for parameter := range c.body {
		allowed := s.allowedValues(c, parameter)
		if value := c.parameter(parameter); value != "" && len(allowed) > 0 && !slices.Contains(allowed, value) {
			sendJSON(w, http.StatusBadRequest, document.NewError("ActionParameterValueNotInList",
				fmt.Sprintf("the value %s for the parameter %s is not in the list of acceptable values", value,
					parameter),
				parameter))
			return
		}
	}
	switch c.name {
	case "#ComputerSystem.Reset":
		s.changePower(w, c)
	case "#VirtualMedia.InsertMedia":
		s.insertMedium(w, c)
	case "#VirtualMedia.EjectMedia":
		s.ejectMedium(w, c)
	case "#UpdateService.SimpleUpdate":
		s.startUpdate(w)
	default:
		sendJSON(w, http.StatusBadRequest,
			document.NewError("ActionNotSupported", "the replay server does not know "+c.name, ""))
	}
}

// firstName is the path of the drive that a path is a name of.
func (s *Server) firstName(at string) string {
	if first := s.options.SecondNames[at]; first != "" {
		return first
	}
	return at
}

func (s *Server) insertMedium(w http.ResponseWriter, c call) {
	image, at := c.parameter("Image"), s.firstName(c.owner)
	protocols := s.allowedValues(c, "TransferProtocolType")
	scheme, _, _ := strings.Cut(image, ":")
	switch {
	case image == "":
		sendJSON(w, http.StatusBadRequest,
			document.NewError("ActionParameterMissing", "the parameter Image is missing", "Image"))
		return
	case len(protocols) > 0 && !slices.Contains(protocols, strings.ToUpper(scheme)):
		sendJSON(w, http.StatusBadRequest, document.NewError("ActionParameterValueFormatError",
			"the value of the parameter Image is of a different format than the parameter can accept", "Image"))
		return
	case s.tree[at]["Inserted"] == true:
		sendJSON(w, http.StatusBadRequest, document.NewError("ResourceInUse", "a medium is already inserted", ""))
		return
	}
	s.changeResource(at, map[string]any{"Image": image, "ImageName": path.Base(image), "Inserted": true,
		"ConnectedVia": "URI"})
	s.recordOp(oplog.Insert, image)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) ejectMedium(w http.ResponseWriter, c call) {
	at := s.firstName(c.owner)
	image, _ := s.tree[at]["Image"].(string)
	s.changeResource(at, s.options.Ejected)
	s.recordOp(oplog.Eject, image)
	w.WriteHeader(http.StatusNoContent)
}

// startUpdate answers a firmware update with a task that has ended; no version changes.
func (s *Server) startUpdate(w http.ResponseWriter) {
	tasks := root + "/TaskService/Tasks"
	if s.tree[tasks] == nil {
		s.tree[tasks] = map[string]any{"@odata.id": tasks, "Members": []any{}, "Members@odata.count": 0}
	}
	task := s.addMember(tasks, map[string]any{"Name": "SimpleUpdate", "TaskState": "Completed", "TaskStatus": "OK"})
	w.Header().Set("Location", task)
	sendJSON(w, http.StatusAccepted, s.tree[task])
}

// changePower begins a change of power.
func (s *Server) changePower(w http.ResponseWriter, c call) {
	on := s.tree[c.owner]["PowerState"] == "On"
	kind := c.parameter("ResetType")
	if kind == "PushPowerButton" {
		kind = "On"
		if on {
			kind = "ForceOff"
		}
	}
	switch kind {
	case "On", "ForceOn":
		s.recordOp(oplog.PowerOn, "")
		s.power[c.owner] = change{"On", s.options.Now().Add(s.options.PowerTakes)}
	case "ForceOff":
		s.recordOp(oplog.PowerOff, "force")
		s.stopMachine(c.owner, bmc.Force)
	case "GracefulShutdown":
		s.recordOp(oplog.PowerOff, "graceful")
		s.stopMachine(c.owner, bmc.Graceful)
	case "ForceRestart", "GracefulRestart", "PowerCycle", "Nmi":
		s.recordOp(oplog.Restart, "")
		s.restartMachine(c.owner)
	default:
		sendJSON(w, http.StatusBadRequest,
			document.NewError("ActionParameterNotSupported", "there is no reset type "+kind, "ResetType"))
		return
	}
	s.settlePower()
	w.WriteHeader(http.StatusNoContent)
}

// settlePower ends the changes of power whose time has come.
func (s *Server) settlePower() {
	for system, under := range s.power {
		if s.options.Now().Before(under.at) {
			continue
		}
		delete(s.power, system)
		if s.tree[system]["PowerState"] == under.to {
			continue
		}
		s.changeResource(system, map[string]any{"PowerState": under.to})
		if under.to == "On" {
			s.startMachine(system)
		}
	}
}
