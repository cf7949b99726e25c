package redfish

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/inventory"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/vendors"
)

// System is a reading of the machine through its BMC.
type System struct {
	Path         string               `json:"path"` // of the ComputerSystem
	Power        inventory.PowerState `json:"power"`
	Manufacturer string               `json:"manufacturer,omitempty"`
	Model        string               `json:"model,omitempty"`
	Serial       string               `json:"serial,omitempty"` // Dell: the service tag
	UUID         string               `json:"uuid,omitempty"`
	BIOSVersion  string               `json:"biosVersion,omitempty"`
	Processors   int                  `json:"processors,omitempty"` // sockets
	MemoryMiB    int                  `json:"memoryMiB,omitempty"`
	Override     Override             `json:"override"`
	// Targets and ResetTypes are what the BMC says it accepts; empty if the BMC does not say.
	Targets    []string `json:"targets,omitempty"`
	ResetTypes []string `json:"resetTypes,omitempty"`
	// Console is the serial console over SSH; nil if the BMC names none.
	Console *SerialConsole `json:"serialConsole,omitempty"`
	// Unread are members of the document that do not have the shape of the schema.
	Unread []string `json:"unread,omitempty"`
}

// Override says what the firmware starts from, in Redfish's words.
type Override struct {
	Target  string `json:"target"`         // None, Cd, UsbCd, Hdd, UefiHttp…
	Enabled string `json:"enabled"`        // Disabled, Once, Continuous
	Mode    string `json:"mode,omitempty"` // UEFI, Legacy
}

// System reads the machine.
func (c *Client) System(ctx context.Context) (System, error) {
	w := c.conn.Call(ctx, "read the system")
	got, err := c.readSystem(w)
	if err != nil {
		return System{}, err
	}
	c.askManagers(w, got)
	system := got.toSystem()
	system.Console, _ = c.Console()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent, c.recentAt = &got, c.conn.Now()
	c.dropLater()
	return system, nil
}

// dropLater drops the documents of the newest reading once no change can begin with it: of ten thousand clients few
// have just read. The caller holds the lock.
func (c *Client) dropLater() {
	if c.drop != nil {
		c.drop.Stop()
	}
	c.drop = time.AfterFunc(fresh, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.recent, c.drives.last = nil, nil
	})
}

// recentSystem gives the machine as System has just read it, if nothing was changed since, or reads it: a change begins
// with the look that led to it, and is checked by a fresh reading.
func (c *Client) recentSystem(w conn.Call) (computer, error) {
	c.mu.Lock()
	recent, at := c.recent, c.recentAt
	c.mu.Unlock()
	if recent == nil || c.conn.Now().Sub(at) >= fresh {
		return c.readSystem(w)
	}
	again := *recent
	doc := *recent.Doc
	doc.SetClient(w) // the look's context is over
	again.Doc = &doc
	return again, nil
}

// computer is the ComputerSystem with members that gofish does not export.
type computer struct {
	conn.Resource[schemas.ComputerSystem]
	path     string
	vendor   string   // Manufacturer, or the name of the vendor's own members where Manufacturer is empty
	managers []string // links as the BMC wrote them
	media    string
	settings string
	reset    string   // target of the Reset action; empty if there is none
	resets   []string // allowable reset types, if the document has them
	enables  []string // allowable values of BootSourceOverrideEnabled, if the document has them
	nodeID   string   // Dell: the service tag of a blade
	override Override // that the next start follows
}

// members are members of a ComputerSystem that gofish does not export.
type members struct {
	VirtualMedia conn.Link
	Links        struct{ ManagedBy []conn.Link }
	Settings     struct{ SettingsObject conn.Link } `json:"@Redfish.Settings"`
	Boot         struct {
		Enables []string `json:"BootSourceOverrideEnabled@Redfish.AllowableValues"`
	}
	Actions struct {
		Reset struct {
			Target    string   `json:"target"`
			Allowable []string `json:"ResetType@Redfish.AllowableValues"`
		} `json:"#ComputerSystem.Reset"`
	}
	Oem map[string]json.RawMessage
}

// readMembers reads each member alone: a member of another shape counts as absent.
func readMembers(raw []byte) members {
	var found members
	var parts map[string]json.RawMessage
	_ = json.Unmarshal(raw, &parts) // conn.Get has read it as an object
	for name, into := range map[string]any{"VirtualMedia": &found.VirtualMedia, "Links": &found.Links,
		"@Redfish.Settings": &found.Settings, "Boot": &found.Boot, "Actions": &found.Actions, "Oem": &found.Oem} {
		_ = json.Unmarshal(parts[name], into)
	}
	return found
}

func (c *Client) readSystem(w conn.Call) (computer, error) {
	path, err := c.systemPath(w)
	if err != nil {
		return computer{}, err
	}
	got, err := conn.Get[schemas.ComputerSystem](w, path)
	if err != nil {
		return computer{}, err
	}
	got.Doc.SetClient(w)
	got.Doc.DisableEtagMatch(true) // iDRAC10 refuses If-Match on actions
	also := readMembers(got.Raw)
	found := computer{Resource: got, path: path, media: also.VirtualMedia.ID,
		settings: also.Settings.SettingsObject.ID,
		reset:    also.Actions.Reset.Target,
		resets:   also.Actions.Reset.Allowable,
		enables:  also.Boot.Enables,
		vendor:   vendors.FindName(got.Doc.Manufacturer, also.Oem),
		nodeID:   vendors.ReadDellNode(also.Oem["Dell"]),
	}
	c.mu.Lock()
	found.settings = cmp.Or(found.settings, c.override.settings)
	c.mu.Unlock()
	for _, manager := range also.Links.ManagedBy {
		found.managers = append(found.managers, manager.ID)
	}
	if found.override, err = c.readOverride(w, found); err != nil {
		return computer{}, err
	}
	c.recordPower(found.toSystem().Power)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.console, c.systemRead = cmp.Or(readSerialConsole(got.Doc), c.managerConsole), true
	return found, nil
}

// systemPath is the ComputerSystem of the address, or the service's only system.
func (c *Client) systemPath(w conn.Call) (string, error) {
	c.mu.Lock()
	known := c.system
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	root, err := w.ReadRoot()
	if err != nil {
		return "", err
	}
	systems, err := w.ListMembers(root.Systems)
	if err != nil {
		return "", err
	}
	if len(systems) != 1 {
		return "", w.RefusedError(fmt.Sprintf("the service has %d systems: %s", len(systems),
			strings.Join(systems, ", ")),
			"put the path of the machine's system into spec.bmc.address")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.system = systems[0]
	return systems[0], nil
}

func (s computer) toSystem() System {
	doc := s.Doc
	v := System{
		Path: s.path, Power: parsePower(string(doc.PowerState)), Manufacturer: doc.Manufacturer, Model: doc.Model,
		Serial: s.serialNumber(), UUID: strings.ToLower(doc.UUID), BIOSVersion: doc.BiosVersion, Unread: s.Dropped,
		ResetTypes: s.resets, Override: s.override,
	}
	if count := doc.ProcessorSummary.Count; count != nil {
		v.Processors = int(*count)
	}
	if size := doc.MemorySummary.TotalSystemMemoryGiB; size != nil {
		v.MemoryMiB = int(*size * 1024)
	}
	for _, target := range doc.Boot.AllowableBootSourceOverrideTargetValues {
		v.Targets = append(v.Targets, string(target))
	}
	slices.Sort(v.Unread)
	return v
}

// parsePower reads PowerState, in any spelling. A machine on its way up or down is not off; null, missing and unknown
// words are PowerUnknown.
func parsePower(said string) inventory.PowerState {
	switch strings.ToLower(said) {
	case "on", "poweringon", "poweringoff", "paused":
		return inventory.PoweredOn
	case "off":
		return inventory.PoweredOff
	default:
		return inventory.PowerUnknown
	}
}

// serialNumber is the number on the machine's label. Dell's SerialNumber belongs to the board; the service tag is in
// SKU, of a blade also in the vendor's own members.
func (s computer) serialNumber() string {
	board := strings.TrimSpace(s.Doc.SerialNumber)
	if vendors.IsDell(s.vendor) {
		return cmp.Or(strings.TrimSpace(s.Doc.SKU), s.nodeID, board)
	}
	return board
}
