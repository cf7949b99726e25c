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

// System is one look at the machine through its BMC.
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
	// Targets and ResetTypes are what the BMC says it accepts; empty when it does not say.
	Targets    []string `json:"targets,omitempty"`
	ResetTypes []string `json:"resetTypes,omitempty"`
	// Console is the serial console over SSH; nil when the BMC says nothing of one.
	Console *SerialConsole `json:"serialConsole,omitempty"`
	// Unread are members of the document that do not have the shape of the schema.
	Unread []string `json:"unread,omitempty"`
}

// Override is what the firmware is told to start from, in Redfish's words.
type Override struct {
	Target  string `json:"target"`         // None, Cd, UsbCd, Hdd, UefiHttp…
	Enabled string `json:"enabled"`        // Disabled, Once, Continuous
	Mode    string `json:"mode,omitempty"` // UEFI, Legacy
}

// SerialConsole is what the BMC says of the machine's serial console over SSH.
type SerialConsole struct {
	Enabled bool   `json:"enabled"`
	Port    int    `json:"port"`
	Shared  bool   `json:"shared,omitempty"` // with the BMC's command line
	Entry   string `json:"entry,omitempty"`  // the line that enters it from there
}

// System reads the machine.
func (c *Client) System(ctx context.Context) (System, error) {
	got, err := c.readSystem(c.conn.Call(ctx, "read the system"))
	if err != nil {
		return System{}, err
	}
	return got.view(), nil
}

// Console is the serial console as the System said it when it was read last; nil when it said nothing of one, false before the first reading. It asks
// nothing: whoever reads consoles takes no turn at the BMC.
func (c *Client) Console() (console *SerialConsole, read bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.console, c.systemRead
}

// computer is the ComputerSystem with what gofish keeps to itself.
type computer struct {
	conn.Resource[schemas.ComputerSystem]
	path     string
	managers []string // links as the BMC wrote them
	media    string
	settings string
	resets   []string // allowable reset types, when the document itself says
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
	_ = json.Unmarshal(got.Raw, &links) // what has another shape is taken as absent
	found := computer{Resource: got, path: path, media: links.VirtualMedia.ID, settings: links.Settings.SettingsObject.ID,
		resets: links.Actions.Reset.Allowable,
	}
	for _, manager := range links.Links.ManagedBy {
		found.managers = append(found.managers, manager.ID)
	}
	c.sawPower(found.view().Power)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.console, c.systemRead = serialConsole(got.Doc), true
	return found, nil
}

// systemPath is the ComputerSystem of the address, or the only one the service has.
func (c *Client) systemPath(w conn.Call) (string, error) {
	c.mu.Lock()
	known := c.system
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	root, err := w.Root()
	if err != nil {
		return "", err
	}
	systems, err := w.Members(root.Systems)
	if err != nil {
		return "", err
	}
	if len(systems) != 1 {
		return "", w.Refused(fmt.Sprintf("the service has %d systems: %s", len(systems), strings.Join(systems, ", ")),
			"put the path of the machine's system into spec.bmc.address")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.system = systems[0]
	return systems[0], nil
}

func (s computer) view() System {
	doc := s.Doc
	v := System{
		Path: s.path, Power: powerState(string(doc.PowerState)), Manufacturer: doc.Manufacturer, Model: doc.Model,
		Serial: serial(doc), UUID: strings.ToLower(doc.UUID), BIOSVersion: doc.BiosVersion, Unread: s.Dropped, ResetTypes: s.resets,
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
	v.Console = serialConsole(doc)
	for _, target := range doc.Boot.AllowableBootSourceOverrideTargetValues {
		v.Targets = append(v.Targets, string(target))
	}
	slices.Sort(v.Unread)
	return v
}

// sshPort is where SSH is when the BMC does not say.
const sshPort = 22

// serialConsole reads SerialConsole.SSH; nil where there is none. A BMC that names a port or a command has one, whatever it may be switched to.
func serialConsole(doc *schemas.ComputerSystem) *SerialConsole {
	said := doc.SerialConsole.SSH
	if said == (schemas.SerialConsoleProtocol{}) {
		return nil
	}
	console := &SerialConsole{Enabled: said.ServiceEnabled, Port: sshPort, Shared: said.SharedWithManagerCLI, Entry: said.ConsoleEntryCommand}
	if said.Port != nil && *said.Port > 0 && *said.Port < 1<<16 {
		console.Port = int(*said.Port)
	}
	return console
}

// powerState reads PowerState. A machine on its way up or down is not off; null, missing and unknown words are unknown.
func powerState(said string) inventory.PowerState {
	switch said {
	case "On", "PoweringOn", "PoweringOff", "Paused":
		return inventory.PoweredOn
	case "Off":
		return inventory.PoweredOff
	default:
		return inventory.PowerUnknown
	}
}

// serial is the number on the machine's label. Dell's SerialNumber is the board's; the service tag is the SKU.
func serial(doc *schemas.ComputerSystem) string {
	if dell(doc.Manufacturer) {
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
	GracefulShutdown ResetType = "GracefulShutdown" // the guest is asked, and may ignore it
	ForceRestart     ResetType = "ForceRestart"
)

// accepted are the Redfish reset types that serve a change, best first.
var accepted = map[ResetType][]schemas.ResetType{
	PowerOn:          {schemas.OnResetType, schemas.ForceOnResetType, schemas.PushPowerButtonResetType},
	ForceOff:         {schemas.ForceOffResetType},
	GracefulShutdown: {schemas.GracefulShutdownResetType},
	ForceRestart:     {schemas.ForceRestartResetType, schemas.PowerCycleResetType},
}

// Reset asks for a change of power and returns once the BMC has accepted it; the machine may still be on its way. A machine
// that is there already is a success without a request.
func (c *Client) Reset(ctx context.Context, want ResetType) error {
	_, err := c.Change(ctx, want)
	return err
}

// Change is Reset, and reports whether the machine was there already, so that this call changed nothing.
func (c *Client) Change(ctx context.Context, want ResetType) (already bool, err error) {
	w := c.conn.Call(ctx, "power: "+string(want))
	before, err := c.readSystem(w)
	if err != nil {
		return false, err
	}
	if arrived(want, before.view().Power) {
		return true, nil
	}
	kind, err := c.pick(w, before, want)
	if err != nil {
		return false, err
	}
	task, err := before.Doc.Reset(kind)
	if err == nil {
		return false, w.Follow(task)
	}
	refused := conn.As(err)
	if refused == nil { // gofish's own words
		return false, w.Protocol(err)
	}
	if refused.Status != http.StatusConflict && refused.Status != http.StatusBadRequest {
		return false, refused
	}
	// Many BMCs refuse what is already so; look again.
	after, err := c.readSystem(w)
	if err == nil && arrived(want, after.view().Power) {
		return true, nil
	}
	return false, refused
}

// ButtonPause is how long a machine must have been seen to be off, and not on between, before its power button is pushed: pushed on a machine that runs, whose
// BMC is behind the times, it would switch that off.
const ButtonPause = 30 * time.Second

// sawPower keeps since when every reading said that the machine is off.
func (c *Client) sawPower(power inventory.PowerState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case power != inventory.PoweredOff:
		c.offSince = time.Time{}
	case c.offSince.IsZero():
		c.offSince = c.conn.Now()
	}
}

// OffSince is when the first of the readings in a row was made that all said Off; zero while the last one did not. A reading that failed ends no row.
func (c *Client) OffSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offSince
}

// arrived reports whether the machine is where a change would bring it. A restart always has to be asked for.
func arrived(want ResetType, power inventory.PowerState) bool {
	switch want {
	case PowerOn:
		return power == inventory.PoweredOn
	case ForceOff, GracefulShutdown:
		return power == inventory.PoweredOff
	default:
		return false
	}
}

func (c *Client) pick(w conn.Call, s computer, want ResetType) (schemas.ResetType, error) {
	choices, known := accepted[want]
	if !known {
		return "", w.Protocol(errors.New("there is no such change of power"))
	}
	offered, err := s.Doc.GetSupportedResetTypes()
	if err != nil || len(offered) == 0 {
		return choices[0], nil // it does not say: the common one
	}
	since := c.OffSince()
	seenOff := !since.IsZero() && !c.conn.Now().Before(since.Add(ButtonPause))
	for _, choice := range choices {
		button := choice == schemas.PushPowerButtonResetType
		switch {
		case !slices.Contains(offered, choice) || button && s.view().Power != inventory.PoweredOff:
		case button && !seenOff:
			return "", w.NotYet("it has only a power button, and was not seen to be off for long enough to push that", fmt.Sprintf("it is pushed when the machine is off for %s", ButtonPause))
		default:
			return choice, nil
		}
	}
	return "", w.Refused(fmt.Sprintf("it offers only %v", offered),
		"use another way: off and on for a restart, a hard power-off for a shutdown")
}
