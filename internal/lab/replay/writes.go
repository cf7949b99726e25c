package replay

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
	"github.com/gitmetal/ingot/internal/lab/rules"
)

// recordOp logs an operation.
func (s *Server) recordOp(kind oplog.Kind, detail string) {
	s.log.AddOp(oplog.Op{At: s.options.Now(), Kind: kind, Detail: detail})
}

// patchResource merges a change into a resource. A change of a settings object also waits for the resource that the
// object belongs to, or reaches it at once.
func (s *Server) patchResource(w http.ResponseWriter, r *http.Request, at string, body map[string]any) {
	resource := s.tree[at]
	if resource == nil {
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no resource at "+at, ""))
		return
	}
	if want := r.Header.Get("If-Match"); want != "" && want != "*" && want != tagOf(resource) {
		sendJSON(w, http.StatusPreconditionFailed,
			document.NewError("PreconditionFailed", "the ETag does not match", ""))
		return
	}
	owner := s.ownerOf(at)
	for _, declared := range []map[string]any{resource, s.tree[owner]} {
		if name, value := forbidden(declared, body); name != "" {
			sendJSON(w, http.StatusBadRequest, document.NewError("PropertyValueNotInList",
				fmt.Sprintf("the value %s for the property %s is not in the list of acceptable values", value, name),
				name))
			return
		}
	}
	s.changeResource(at, body)
	if owner != "" {
		waiting, _ := rules.Merge(s.pending[owner], body).(map[string]any)
		s.pending[owner] = waiting
		if s.appliesAtOnce(owner, at) {
			s.applyPending(owner)
		}
	}
	if image, sent := body["Image"]; sent && s.tree[at]["MediaTypes"] != nil {
		s.patchDrive(at, image)
	}
	if boot, is := body["Boot"].(map[string]any); is {
		s.recordOp(oplog.Override, fmt.Sprintf("%v/%v", boot["BootSourceOverrideTarget"],
			boot["BootSourceOverrideEnabled"]))
	}
	w.WriteHeader(http.StatusNoContent)
}

// patchDrive completes an insert or an eject at a BMC that has no actions for them.
func (s *Server) patchDrive(at string, image any) {
	if url, _ := image.(string); url != "" {
		s.changeResource(at, map[string]any{"ImageName": path.Base(url), "Inserted": true, "ConnectedVia": "URI"})
		s.recordOp(oplog.Insert, url)
		return
	}
	s.changeResource(at, s.options.Ejected)
	s.recordOp(oplog.Eject, "")
}

// changeResource merges a change into a resource, which gets another ETag where it names one.
func (s *Server) changeResource(at string, body map[string]any) {
	s.tree.applyPatch(at, body)
	if s.tree[at]["@odata.etag"] != nil {
		s.serial++
		s.tree[at]["@odata.etag"] = `"replay-` + strconv.Itoa(s.serial) + `"`
	}
}

// settingsOf is the path of a resource's settings object, or empty.
func (s *Server) settingsOf(owner string) string {
	for at, of := range s.options.SettingsOf {
		if of == owner {
			return at
		}
	}
	return followLink(s.tree[owner], "@Redfish.Settings", "SettingsObject")
}

// ownerOf is the path of the resource that has a settings object at a path, or empty.
func (s *Server) ownerOf(at string) string {
	if owner := s.options.SettingsOf[at]; owner != "" {
		return owner
	}
	for owner, resource := range s.tree {
		if owner != at && followLink(resource, "@Redfish.Settings", "SettingsObject") == at {
			return owner
		}
	}
	return ""
}

// appliesAtOnce reports whether a settings object says that its changes are applied without a reset.
func (s *Server) appliesAtOnce(owner, at string) bool {
	settings, _ := s.tree[owner]["@Redfish.Settings"].(map[string]any)
	if slices.Contains(readTexts(settings["SupportedApplyTimes"]), "Immediate") {
		return true
	}
	chosen, _ := s.tree[at]["@Redfish.SettingsApplyTime"].(map[string]any)
	return chosen["ApplyTime"] == "Immediate"
}

func (s *Server) applyPending(at string) {
	if waiting := s.pending[at]; waiting != nil {
		s.changeResource(at, waiting)
		delete(s.pending, at)
	}
}

// forbidden finds a value of a change that the resource's declared values do not have.
func forbidden(resource, body map[string]any) (name, value string) {
	for name, wanted := range body {
		if inner, object := wanted.(map[string]any); object {
			below, _ := resource[name].(map[string]any)
			if name, value := forbidden(below, inner); name != "" {
				return name, value
			}
			continue
		}
		allowed := readTexts(resource[name+"@Redfish.AllowableValues"])
		if text, is := wanted.(string); is && len(allowed) > 0 && !slices.Contains(allowed, text) {
			return name, text
		}
	}
	return "", ""
}

// postRequest logs in, carries out an action, or adds a member to a collection.
func (s *Server) postRequest(w http.ResponseWriter, at string, body map[string]any) {
	if at == s.sessionsAt() {
		s.logIn(w, at, body)
		return
	}
	for owner, resource := range s.tree {
		actions, _ := resource["Actions"].(map[string]any)
		for name, described := range actions {
			action, _ := described.(map[string]any)
			if target, _ := action["target"].(string); target != "" && pathOf(target) == at {
				s.runAction(w, call{name: name, owner: owner, action: action, body: body})
				return
			}
		}
	}
	if s.tree[at]["Members"] == nil {
		sendJSON(w, http.StatusNotFound,
			document.NewError("ResourceMissingAtURI", "there is nothing to post to at "+at, ""))
		return
	}
	member := s.addMember(at, body)
	w.Header().Set("Location", member)
	sendJSON(w, http.StatusCreated, s.tree[member])
}

// pathOf takes the path out of a target, which some BMCs write with their own address.
func pathOf(target string) string {
	if at := strings.Index(target, root); at > 0 {
		target = target[at:]
	}
	return strings.TrimSuffix(target, "/")
}

func (s *Server) logIn(w http.ResponseWriter, at string, body map[string]any) {
	user, _ := body["UserName"].(string)
	password, _ := body["Password"].(string)
	if !s.isAccount(user, password) {
		s.recordOp(oplog.LoginRefused, "")
		sendJSON(w, http.StatusUnauthorized,
			document.NewError("ResourceAtUriUnauthorized", "the user name or the password is wrong", ""))
		return
	}
	if s.tree[at] == nil {
		s.tree[at] = map[string]any{"@odata.id": at, "Members": []any{}, "Members@odata.count": 0}
	}
	token := rand.Text()
	member := s.addMember(at, map[string]any{"UserName": user})
	s.sessions[token] = member
	s.recordOp(oplog.Login, "")
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", member)
	sendJSON(w, http.StatusCreated, s.tree[member])
}

// drivePaths are the paths of the virtual drives.
func (s *Server) drivePaths() []string {
	var paths []string
	for at := range s.tree {
		if strings.Contains(at, "/VirtualMedia/") {
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	return paths
}

// addMember puts a new member into a collection and returns its path.
func (s *Server) addMember(at string, body map[string]any) string {
	s.serial++
	member := at + "/replay-" + strconv.Itoa(s.serial)
	created := copyDocument(body)
	created["@odata.id"], created["Id"] = member, path.Base(member)
	s.tree[member] = created
	members, _ := s.tree[at]["Members"].([]any)
	s.setMembers(at, append(slices.Clone(members), newLink(member)))
	return member
}

func (s *Server) setMembers(at string, members []any) {
	s.tree[at]["Members"], s.tree[at]["Members@odata.count"] = members, len(members)
}

// removeMember deletes a member of a collection; a session ends with it.
func (s *Server) removeMember(w http.ResponseWriter, at string) {
	collection := path.Dir(at)
	members, _ := s.tree[collection]["Members"].([]any)
	if s.tree[at] == nil || members == nil {
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no member at "+at, ""))
		return
	}
	delete(s.tree, at)
	s.setMembers(collection, slices.DeleteFunc(slices.Clone(members), func(member any) bool {
		document, _ := member.(map[string]any)
		return followLink(document) == at
	}))
	for token, session := range s.sessions {
		if session == at {
			delete(s.sessions, token)
			s.recordOp(oplog.Logout, "")
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
