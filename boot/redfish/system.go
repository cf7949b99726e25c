package redfish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/inventory"

	"github.com/gitmetal/ingot/boot/redfish/conn"
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

// SerialConsole is the machine's serial console over SSH, as the BMC describes it.
type SerialConsole struct {
	Enabled bool   `json:"enabled"`
	Port    int    `json:"port"`
	Shared  bool   `json:"shared,omitempty"` // with the BMC's command line
	Entry   string `json:"entry,omitempty"`  // the command that enters the console from the command line
}

// System reads the machine.
func (c *Client) System(ctx context.Context) (System, error) {
	got, err := c.readSystem(c.conn.Call(ctx, "read the system"))
	if err != nil {
		return System{}, err
	}
	return got.toSystem(), nil
}

// Console is the serial console of the last reading of the System: nil if the BMC named none; read is false before the
// first reading. Nothing is sent, so readers of consoles take no turn at the BMC.
func (c *Client) Console() (console *SerialConsole, read bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.console, c.systemRead
}

// computer is the ComputerSystem with members that gofish does not export.
type computer struct {
	conn.Resource[schemas.ComputerSystem]
	path     string
	managers []string // links as the BMC wrote them
	media    string
	settings string
	resets   []string // allowable reset types, if the document has them
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
	var links struct {
		VirtualMedia conn.Link
		Links        struct{ ManagedBy []conn.Link }
		Settings     struct{ SettingsObject conn.Link } `json:"@Redfish.Settings"`
		Actions      struct {
			Reset struct {
				Allowable []string `json:"ResetType@Redfish.AllowableValues"`
			} `json:"#ComputerSystem.Reset"`
		}
	}
	_ = json.Unmarshal(got.Raw, &links) // members of another shape count as absent
	found := computer{Resource: got, path: path, media: links.VirtualMedia.ID,
		settings: links.Settings.SettingsObject.ID,
		resets:   links.Actions.Reset.Allowable,
	}
	for _, manager := range links.Links.ManagedBy {
		found.managers = append(found.managers, manager.ID)
	}
	c.recordPower(found.toSystem().Power)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.console, c.systemRead = readSerialConsole(got.Doc), true
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
		Serial: serialNumber(doc), UUID: strings.ToLower(doc.UUID), BIOSVersion: doc.BiosVersion, Unread: s.Dropped,
		ResetTypes: s.resets,
		Override: Override{
			Target: string(doc.Boot.BootSourceOverrideTarget), Enabled: string(doc.Boot.BootSourceOverrideEnabled),
			Mode: string(doc.Boot.BootSourceOverrideMode),
		},
	}
	if count := doc.ProcessorSummary.Count; count != nil {
		v.Processors = int(*count)
	}
	if size := doc.MemorySummary.TotalSystemMemoryGiB; size != nil {
		v.MemoryMiB = int(*size * 1024)
	}
	v.Console = readSerialConsole(doc)
	for _, target := range doc.Boot.AllowableBootSourceOverrideTargetValues {
		v.Targets = append(v.Targets, string(target))
	}
	slices.Sort(v.Unread)
	return v
}

// sshPort is the default if the BMC names no port.
const sshPort = 22

// readSerialConsole reads SerialConsole.SSH; nil if it is absent. A BMC that names a port or a command has a console,
// also if the console is switched off.
func readSerialConsole(doc *schemas.ComputerSystem) *SerialConsole {
	said := doc.SerialConsole.SSH
	if said == (schemas.SerialConsoleProtocol{}) {
		return nil
	}
	console := &SerialConsole{Enabled: said.ServiceEnabled, Port: sshPort, Shared: said.SharedWithManagerCLI,
		Entry: said.ConsoleEntryCommand}
	if said.Port != nil && *said.Port > 0 && *said.Port < 1<<16 {
		console.Port = int(*said.Port)
	}
	return console
}

// parsePower reads PowerState. A machine on its way up or down is not off; null, missing and unknown words are
// PowerUnknown.
func parsePower(said string) inventory.PowerState {
	switch said {
	case "On", "PoweringOn", "PoweringOff", "Paused":
		return inventory.PoweredOn
	case "Off":
		return inventory.PoweredOff
	default:
		return inventory.PowerUnknown
	}
}

// serialNumber is the number on the machine's label. Dell's SerialNumber belongs to the board; the service tag is in
// SKU.
func serialNumber(doc *schemas.ComputerSystem) string {
	if isDell(doc.Manufacturer) {
		return cmp.Or(doc.SKU, doc.SerialNumber)
	}
	return doc.SerialNumber
}

// ResetType is a change of power.
type ResetType string

// Changes of power.
const (
	PowerOn          ResetType = "On"
	ForceOff         ResetType = "ForceOff"
	GracefulShutdown ResetType = "GracefulShutdown" // the guest is asked, and may ignore the request
	ForceRestart     ResetType = "ForceRestart"
)

// resetChoices are the Redfish reset types that serve a change, best first.
var resetChoices = map[ResetType][]schemas.ResetType{
	PowerOn:          {schemas.OnResetType, schemas.ForceOnResetType, schemas.PushPowerButtonResetType},
	ForceOff:         {schemas.ForceOffResetType},
	GracefulShutdown: {schemas.GracefulShutdownResetType},
	ForceRestart:     {schemas.ForceRestartResetType, schemas.PowerCycleResetType},
}

// Reset asks for a change of power and returns once the BMC has accepted the change; the machine may still be changing.
// If the power is already as wanted, nothing is sent.
func (c *Client) Reset(ctx context.Context, want ResetType) error {
	_, err := c.Change(ctx, want)
	return err
}

// Change is Reset, and reports whether the power was already as wanted, so that the call changed nothing.
func (c *Client) Change(ctx context.Context, want ResetType) (already bool, err error) {
	w := c.conn.Call(ctx, "power: "+string(want))
	before, err := c.readSystem(w)
	if err != nil {
		return false, err
	}
	if reachedPower(want, before.toSystem().Power) {
		return true, nil
	}
	kind, err := c.pickReset(w, before, want)
	if err != nil {
		return false, err
	}
	task, err := before.Doc.Reset(kind)
	if err == nil {
		return false, w.FollowTask(task)
	}
	refused := conn.AsError(err)
	if refused == nil { // gofish's own error
		return false, w.ProtocolError(err)
	}
	if refused.Status != http.StatusConflict && refused.Status != http.StatusBadRequest {
		return false, refused
	}
	// Many BMCs refuse a change to the present state; look again.
	after, err := c.readSystem(w)
	if err == nil && reachedPower(want, after.toSystem().Power) {
		return true, nil
	}
	return false, refused
}

// ButtonPause is how long every reading must have said Off before a power button is pushed. If the BMC's reading is
// stale and the machine runs, the button would switch the machine off.
const ButtonPause = 30 * time.Second

// recordPower keeps the time since when every reading said Off.
func (c *Client) recordPower(power inventory.PowerState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case power != inventory.PoweredOff:
		c.offSince = time.Time{}
	case c.offSince.IsZero():
		c.offSince = c.conn.Now()
	}
}

// OffSince is the time of the first reading in the last row of readings that all said Off; zero unless the last reading
// said Off. A failed reading does not end the row.
func (c *Client) OffSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offSince
}

// reachedPower reports whether the power is already as wanted. A restart is never reached.
func reachedPower(want ResetType, power inventory.PowerState) bool {
	switch want {
	case PowerOn:
		return power == inventory.PoweredOn
	case ForceOff, GracefulShutdown:
		return power == inventory.PoweredOff
	default:
		return false
	}
}

func (c *Client) pickReset(w conn.Call, s computer, want ResetType) (schemas.ResetType, error) {
	choices, known := resetChoices[want]
	if !known {
		return "", w.ProtocolError(errors.New("there is no such change of power"))
	}
	offered, err := s.Doc.GetSupportedResetTypes()
	if err != nil || len(offered) == 0 {
		return choices[0], nil // the BMC does not say: the most common type
	}
	since := c.OffSince()
	seenOff := !since.IsZero() && !c.conn.Now().Before(since.Add(ButtonPause))
	for _, choice := range choices {
		button := choice == schemas.PushPowerButtonResetType
		switch {
		case !slices.Contains(offered, choice) || button && s.toSystem().Power != inventory.PoweredOff:
		case button && !seenOff:
			return "", w.TemporaryError(
				"it has only a power button, and was not seen to be off for long enough to push that",
				fmt.Sprintf("it is pushed when the machine is off for %s", ButtonPause))
		default:
			return choice, nil
		}
	}
	return "", w.RefusedError(fmt.Sprintf("it offers only %v", offered),
		"use another way: off and on for a restart, a hard power-off for a shutdown")
}
