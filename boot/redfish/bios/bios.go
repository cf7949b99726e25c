// Package bios reads and writes the BIOS settings of one machine over Redfish: the Bios resource with the attributes as
// the machine runs, its settings object with the attributes after the next reset, and the registry that says which
// names and values there are.
//
// Call BIOS.Read, then settings.Compare with what is wanted, then Resource.Write with what differs. A write is kept by
// the BMC and changes nothing until the machine is reset: do not reset the machine here.
package bios

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/jobs"
	"github.com/gitmetal/ingot/inventory/settings"
)

// BIOS keeps the registry of one BMC between readings: a registry has megabytes, and changes with the firmware's name
// of it alone. The zero BIOS is ready. The methods are safe for concurrent use.
type BIOS struct {
	mu       sync.Mutex
	name     string // of the registry
	registry *settings.Registry
}

// Resource is a reading of a machine's BIOS.
type Resource struct {
	settings.Reading
	// Missing is set where the BMC offers no BIOS settings; then nothing else is.
	Missing bool
	Path    string // of the Bios resource
	// Object is the path of the settings object; the Bios resource itself where it names none.
	Object string
	// Registry is the name that the BMC gives the registry.
	RegistryName string
	// Applies are the apply times that the BMC declares.
	Applies []string
	etag    string // of the settings object
}

// onReset is the apply time under which the reset stays ours.
const onReset = "OnReset"

// document is a Bios resource, or its settings object.
type document struct {
	AttributeRegistry string
	Attributes        map[string]any
	Settings          struct {
		SettingsObject      conn.Link
		SupportedApplyTimes []string
	} `json:"@Redfish.Settings"`
}

// Read reads the BIOS of a machine whose ComputerSystem is given as its BMC wrote it.
func (b *BIOS) Read(w conn.Call, system []byte) (Resource, error) {
	var links struct{ Bios conn.Link }
	_ = json.Unmarshal(system, &links) // a member of another shape counts as absent
	if links.Bios.ID == "" {
		return Resource{Missing: true}, nil
	}
	at, err := w.ResolveLink(links.Bios.ID)
	if err != nil {
		return Resource{}, err
	}
	got, err := conn.Get[document](w, at)
	if conn.IsAbsent(err) {
		return Resource{Missing: true}, nil
	}
	if err != nil {
		return Resource{}, err
	}
	r := Resource{Path: at, Object: at, RegistryName: got.Doc.AttributeRegistry, Applies: got.Doc.Settings.SupportedApplyTimes,
		etag: got.ETag}
	if r.Current = got.Doc.Attributes; len(r.Current) == 0 {
		return Resource{Missing: true}, nil
	}
	if link := got.Doc.Settings.SettingsObject.ID; link != "" {
		if err := r.readObject(w, link); err != nil {
			return Resource{}, err
		}
	}
	r.Registry, err = b.readRegistry(w, r.RegistryName)
	return r, err
}

// readObject reads the settings object.
func (r *Resource) readObject(w conn.Call, link string) error {
	at, err := w.ResolveLink(link)
	if err != nil {
		return err
	}
	got, err := conn.Get[document](w, at)
	if err != nil {
		return err
	}
	r.Object, r.etag, r.Pending = at, got.ETag, got.Doc.Attributes
	if len(r.Applies) == 0 {
		r.Applies = got.Doc.Settings.SupportedApplyTimes
	}
	return nil
}

// readRegistry gives the registry of a name; nil where the BMC has none.
func (b *BIOS) readRegistry(w conn.Call, name string) (*settings.Registry, error) {
	b.mu.Lock()
	known, is := b.registry, b.name == name
	b.mu.Unlock()
	if known != nil && is || name == "" {
		return known, nil
	}
	found, err := findRegistry(w, name)
	if err != nil || found == nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.name, b.registry = name, found
	return found, nil
}

// location is a place of a registry.
type location struct {
	Language string
	URI      string `json:"Uri"`
}

// findRegistry looks a registry up among those of the service.
func findRegistry(w conn.Call, name string) (*settings.Registry, error) {
	root, err := w.ReadRoot()
	if err != nil || root.Registries == "" {
		return nil, err
	}
	members, err := w.ListMembers(root.Registries)
	if conn.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// the id of a registry is its name, or the name without the version
	i := slices.IndexFunc(members, func(at string) bool { return path.Base(at) == name })
	if i < 0 {
		i = slices.IndexFunc(members, func(at string) bool { return strings.HasPrefix(name, path.Base(at)) })
	}
	if i < 0 {
		return nil, nil
	}
	file, err := conn.Get[struct{ Location []location }](w, members[i])
	if err != nil {
		return nil, err
	}
	locations := file.Doc.Location
	slices.SortStableFunc(locations, func(a, b location) int { return preference(b.Language) - preference(a.Language) })
	if len(locations) == 0 || locations[0].URI == "" {
		return nil, nil
	}
	at, err := w.ResolveLink(locations[0].URI)
	if err != nil {
		return nil, err
	}
	got, err := conn.Get[struct{ RegistryEntries settings.Registry }](w, at)
	if conn.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &got.Doc.RegistryEntries, nil
}

// Describe says for people what a BMC offers.
func (r Resource) Describe() string {
	if r.Missing {
		return "not offered: a Step with spec.bmc is held on this machine"
	}
	text := fmt.Sprintf("%d attributes, ", len(r.Current))
	if len(r.Applies) > 0 {
		text += "applied " + strings.Join(r.Applies, ", ") + ", "
	}
	if r.Registry == nil {
		return text + "no registry: names are known from the machine, values are not checked before they are written"
	}
	return text + "registry " + r.RegistryName
}

// preference is higher for the language of ingot's words.
func preference(language string) int {
	if strings.HasPrefix(language, "en") {
		return 1
	}
	return 0
}

// Write has the BMC keep what differs and is not kept already, to be applied at the next reset, and gives the path of
// the job that will apply it; "" where the BMC names none.
func (r Resource) Write(w conn.Call, differs []settings.Difference) (job string, err error) {
	attributes := map[string]any{}
	for _, d := range differs {
		attributes[d.Name] = d.Want
	}
	body := map[string]any{"Attributes": attributes}
	if slices.Contains(r.Applies, onReset) {
		body["@Redfish.SettingsApplyTime"] = map[string]any{"ApplyTime": onReset}
	}
	response, err := w.Change(r.Object, r.etag, body)
	if err != nil {
		return "", err
	}
	return readJobOf(w, response)
}

// AskJob has a manager make the job that applies the settings object: iDRACs that declare no apply time keep a write
// and do nothing with it.
func (r Resource) AskJob(w conn.Call, manager string) (job string, err error) {
	response, err := w.Post(strings.TrimSuffix(manager, "/")+"/Jobs", map[string]any{"TargetSettingsURI": r.Object})
	if err != nil {
		return "", err
	}
	return readJobOf(w, response)
}

// readJobOf gives the job that an answer names: the task in its body, or what its Location leads to.
func readJobOf(w conn.Call, response *http.Response) (string, error) {
	defer response.Body.Close()
	var task struct {
		ID        string `json:"@odata.id"`
		TaskState string
	}
	if body, err := io.ReadAll(response.Body); err == nil && response.StatusCode == http.StatusAccepted {
		_ = json.Unmarshal(body, &task) // an answer without a task
	}
	link := response.Header.Get("Location")
	if task.ID != "" && task.TaskState != "" {
		link = task.ID
	}
	if link == "" {
		return "", nil
	}
	at, err := w.ResolveLink(link)
	if err != nil {
		return "", err
	}
	if found, err := jobs.Read(w, at); err == nil && found != nil { // a monitor shows the task behind it
		return found.Path, nil
	}
	return at, nil
}
