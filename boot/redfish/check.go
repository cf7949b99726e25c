package redfish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Report is what a BMC offers, and what ingot makes of it.
type Report struct {
	Address     string    `json:"address"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the certificate it shows, as spec.bmc.tls.fingerprint wants it
	ConsoleKeys []string  `json:"consoleKeys,omitempty"` // of its host keys over SSH, as spec.bmc.console.fingerprint wants one; Check does not look
	Vendor      string    `json:"vendor,omitempty"`
	Product     string    `json:"product,omitempty"`
	Redfish     string    `json:"redfish,omitempty"` // version of the service
	System      *System   `json:"system,omitempty"`
	Media       []Slot    `json:"media,omitempty"`
	Hardware    *Hardware `json:"hardware,omitempty"`
	Findings    []Finding `json:"findings"`
	// Usable says that ingot can install this machine by virtual media.
	Usable bool `json:"usable"`
}

// Verdict of a Finding.
type Verdict string

// Verdicts.
const (
	Good    Verdict = "good"    // offered, and used
	Limited Verdict = "limited" // works, with the restriction that the text tells
	Missing Verdict = "missing" // ingot needs it
)

// Finding is one thing that was checked.
type Finding struct {
	Topic   string  `json:"topic"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"` // what was found and, unless it is good, what to do
}

// Check reads what the BMC offers. It changes nothing but for its session, which Close deletes. What cannot be read is a finding;
// the error is set when the BMC could not be talked to at all, and the Report then says how far it came.
func (c *Client) Check(ctx context.Context) (Report, error) {
	report := Report{Address: c.conn.Base() + c.conn.System()}
	err := c.check(ctx, &report)
	report.Fingerprint = c.Fingerprint()
	report.Usable = err == nil && report.usable()
	return report, err
}

func (r *Report) usable() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Verdict == Missing })
}

func (r *Report) add(topic string, verdict Verdict, text string) {
	r.Findings = append(r.Findings, Finding{Topic: topic, Verdict: verdict, Text: text})
}

func (c *Client) check(ctx context.Context, report *Report) error {
	root, err := c.conn.Call(ctx, "check the service").Root()
	if err != nil {
		report.add("service", Missing, err.Error())
		return err
	}
	report.Vendor, report.Product, report.Redfish = root.Vendor, root.Product, root.Version
	report.add("service", Good, strings.TrimSpace("Redfish "+root.Version))
	computer, err := c.readSystem(c.conn.Call(ctx, "check the system"))
	if err != nil {
		report.add("system", Missing, err.Error())
		return err
	}
	system := computer.view()
	if offered, err := computer.Doc.GetSupportedResetTypes(); err == nil && len(system.ResetTypes) == 0 {
		for _, kind := range offered {
			system.ResetTypes = append(system.ResetTypes, string(kind))
		}
	}
	report.System = &system
	c.checkSession(report)
	checkSystem(report, system)
	checkConsole(report, system)
	c.checkMedia(ctx, report)
	c.checkHardware(ctx, report)
	return nil
}

func (c *Client) checkSession(report *Report) {
	if c.conn.Session() != "" {
		report.add("account", Good, "logged in with a session")
		return
	}
	report.add("account", Limited, "no session could be had, Basic authentication is used: a daemon that takes over cannot shut another out")
}

func checkSystem(report *Report, s System) {
	identity := strings.TrimSpace(strings.Join([]string{s.Manufacturer, s.Model, s.Serial}, " "))
	if s.Serial == "" {
		report.add("identity", Limited, identity+" shows no serial: name the machine by its MACs in spec.identity")
	} else {
		report.add("identity", Good, identity)
	}
	if s.Power == inventory.PowerUnknown {
		report.add("power state", Missing, "PowerState is missing or unknown: ingot cannot tell that the machine is off")
	} else {
		report.add("power state", Good, string(s.Power))
	}
	for _, kind := range []ResetType{PowerOn, ForceOff, GracefulShutdown, ForceRestart} {
		checkReset(report, s, kind)
	}
	if len(s.Unread) > 0 {
		report.add("document", Limited, "members that do not follow the schema are left out: "+strings.Join(s.Unread, ", "))
	}
	switch {
	case len(s.Targets) == 0:
		report.add("boot override", Limited, "it does not say which targets it takes: Cd is tried")
	case slices.Contains(s.Targets, "Cd") || slices.Contains(s.Targets, "UsbCd"):
		report.add("boot override", Good, "targets "+strings.Join(s.Targets, ", "))
	default:
		report.add("boot override", Missing, "no target Cd or UsbCd, only "+strings.Join(s.Targets, ", ")+": virtual media cannot be booted")
	}
}

func checkConsole(report *Report, s System) {
	const topic = "serial console"
	switch console := s.Console; {
	case console == nil:
		report.add(topic, Limited, "not offered over SSH: it is not read")
	case !console.Enabled:
		report.add(topic, Limited, "offered over SSH and switched off: enable it at the BMC, or it is not read")
	case console.Shared && console.Entry == "":
		report.add(topic, Limited, fmt.Sprintf("behind the BMC's command line at SSH port %d, and it does not say how it is entered: it is not read", console.Port))
	default:
		report.add(topic, Good, fmt.Sprintf("over SSH at port %d; spec.bmc.console.fingerprint has it read", console.Port))
	}
}

func checkReset(report *Report, s System, kind ResetType) {
	topic := "power: " + string(kind)
	if len(s.ResetTypes) == 0 {
		report.add(topic, Limited, "it does not say whether it offers this: it is tried")
		return
	}
	for _, choice := range accepted[kind] {
		if slices.Contains(s.ResetTypes, string(choice)) {
			report.add(topic, Good, "as "+string(choice))
			return
		}
	}
	if kind == PowerOn || kind == ForceOff {
		report.add(topic, Missing, "it offers only "+strings.Join(s.ResetTypes, ", "))
		return
	}
	report.add(topic, Limited, "not offered: a hard power-off, or off and on, is used")
}

func (c *Client) checkMedia(ctx context.Context, report *Report) {
	slots, err := c.Media(ctx)
	if err != nil {
		report.add("virtual media", Missing, err.Error())
		return
	}
	report.Media = slots
	var usable []string
	for _, slot := range slots {
		if slot.Usable {
			usable = append(usable, slot.Path)
		}
	}
	if len(usable) == 0 {
		report.add("virtual media", Missing, fmt.Sprintf("%d drives and none takes a CD: enable virtual media, or check the licence", len(slots)))
		return
	}
	report.add("virtual media", Good, "drives that take a CD: "+strings.Join(usable, ", "))
}

func (c *Client) checkHardware(ctx context.Context, report *Report) {
	hardware, err := c.Inventory(ctx)
	if err != nil {
		report.add("inventory", Limited, err.Error())
		return
	}
	report.Hardware = &hardware
	report.add("inventory", Good, fmt.Sprintf("%d network cards, %d disks", len(hardware.NICs), len(hardware.Disks)))
	switch hardware.SecureBoot {
	case "Enabled":
		report.add("secure boot", Good, "enforced")
	case "":
		report.add("secure boot", Limited, "the BMC does not say; the ramdisk will")
	default:
		report.add("secure boot", Limited, "off: switch it on in the firmware before spec.boot.secureBoot can be true")
	}
}
