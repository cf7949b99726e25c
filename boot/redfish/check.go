package redfish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Report is what a BMC offers, judged by what ingot needs.
type Report struct {
	Address     string `json:"address"`
	Fingerprint string `json:"fingerprint,omitempty"` // of the certificate, in the form of spec.bmc.tls.fingerprint
	// of the host keys over SSH, in the form of spec.bmc.console.fingerprint; not filled by Check
	ConsoleKeys []string  `json:"consoleKeys,omitempty"`
	Vendor      string    `json:"vendor,omitempty"`
	Product     string    `json:"product,omitempty"`
	Redfish     string    `json:"redfish,omitempty"` // version of the service
	System      *System   `json:"system,omitempty"`
	Media       []Slot    `json:"media,omitempty"`
	Hardware    *Hardware `json:"hardware,omitempty"`
	Findings    []Finding `json:"findings"`
	// Usable says that nothing is missing that ingot needs for an install by virtual media, as far as reading tells:
	// what only a boot shows is among the findings as Unknown.
	Usable bool `json:"usable"`
}

// Verdict of a Finding.
type Verdict string

// Verdicts.
const (
	Good    Verdict = "good"    // offered, and used
	Limited Verdict = "limited" // works, with the restriction in the text
	Missing Verdict = "missing" // ingot needs it
	Unknown Verdict = "unknown" // reading does not tell; a boot does
)

// Finding is the result of a check.
type Finding struct {
	Topic   string  `json:"topic"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"` // what was found and, unless the verdict is good, what to do
}

// Check reads what the BMC offers and changes nothing except its own session, which Close deletes. Unreadable resources
// are findings. The error is set if the BMC could not be reached at all; the Report then holds what was read before.
func (c *Client) Check(ctx context.Context) (Report, error) {
	report := Report{Address: c.conn.Base() + c.conn.System()}
	err := c.runChecks(ctx, &report)
	report.Fingerprint = c.Fingerprint()
	report.Usable = err == nil && report.isUsable()
	return report, err
}

func (r *Report) isUsable() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Verdict == Missing })
}

func (r *Report) addFinding(topic string, verdict Verdict, text string) {
	r.Findings = append(r.Findings, Finding{Topic: topic, Verdict: verdict, Text: text})
}

func (c *Client) runChecks(ctx context.Context, report *Report) error {
	root, err := c.conn.Call(ctx, "check the service").ReadRoot()
	if err != nil {
		report.addFinding("service", Missing, err.Error())
		return err
	}
	report.Vendor, report.Product, report.Redfish = root.Vendor, root.Product, root.Version
	report.addFinding("service", Good, strings.TrimSpace("Redfish "+root.Version))
	computer, err := c.readSystem(c.conn.Call(ctx, "check the system"))
	if err != nil {
		report.addFinding("system", Missing, err.Error())
		return err
	}
	c.askManagers(c.conn.Call(ctx, "look for the serial console"), computer)
	system := computer.toSystem()
	system.Console, _ = c.Console()
	if offered, err := computer.Doc.GetSupportedResetTypes(); err == nil && len(system.ResetTypes) == 0 {
		for _, kind := range offered {
			system.ResetTypes = append(system.ResetTypes, string(kind))
		}
	}
	report.System = &system
	c.checkSession(report)
	checkSystem(report, system)
	checkResets(report, computer, system)
	checkOverride(report, computer)
	checkConsole(report, system)
	c.checkMedia(ctx, report)
	c.checkHardware(ctx, report)
	c.checkSettings(ctx, report)
	addUnknown(report)
	return nil
}

func (c *Client) checkSession(report *Report) {
	if c.conn.Session() != "" {
		report.addFinding("account", Good, "logged in with a session")
		return
	}
	report.addFinding("account", Limited, "no session could be had, Basic authentication is used: a daemon that takes "+
		"over cannot shut another out")
}

func checkSystem(report *Report, s System) {
	identity := strings.TrimSpace(strings.Join([]string{s.Manufacturer, s.Model, s.Serial}, " "))
	if s.Serial == "" {
		report.addFinding("identity", Limited,
			identity+" shows no serial: name the machine by its MACs in spec.identity")
	} else {
		report.addFinding("identity", Good, identity)
	}
	if s.Power == inventory.PowerUnknown {
		report.addFinding("power state", Missing,
			"PowerState is missing or unknown: ingot cannot tell that the machine is off")
	} else {
		report.addFinding("power state", Good, string(s.Power))
	}
	if len(s.Unread) > 0 {
		report.addFinding("document", Limited, "members that do not follow the schema are left out: "+
			strings.Join(s.Unread, ", "))
	}
}

// checkOverride judges what the BMC declares of its boot override. Whether it keeps one, reading does not tell.
func checkOverride(report *Report, s computer) {
	const topic = "boot override"
	targets, enables := s.toSystem().Targets, s.enables
	lasts, once := slices.Contains(enables, string(Continuous)), slices.Contains(enables, string(Once))
	switch {
	case len(targets) > 0 && !slices.Contains(targets, "Cd") && !slices.Contains(targets, "UsbCd"):
		report.addFinding(topic, Missing, "no target Cd or UsbCd, only "+strings.Join(targets, ", ")+
			": virtual media cannot be booted")
	case len(enables) > 0 && !lasts && !once:
		report.addFinding(topic, Missing, "neither Once nor Continuous, only "+strings.Join(enables, ", ")+
			": a BIOS setting may lock the boot order")
	case len(targets) == 0:
		report.addFinding(topic, Limited, "it does not say which targets it takes: Cd is tried")
	case len(enables) > 0 && !lasts:
		report.addFinding(topic, Limited, "Once, not Continuous: it is set again before each boot, and a machine that "+
			"restarts in between starts from its disk")
	default:
		report.addFinding(topic, Good, "targets "+strings.Join(targets, ", "))
	}
	if s.settings != "" {
		report.addFinding(topic, Unknown, "the System has a settings object, "+s.settings+": whether an override must "+
			"go there, and whether the firmware follows it, only a boot shows")
	}
}

// addUnknown says what no BMC tells before a boot.
func addUnknown(report *Report) {
	if !report.isUsable() {
		return
	}
	for _, unknown := range []struct{ topic, text string }{
		{"boot override", "whether it keeps an override, and whether the firmware follows it"},
		{"virtual media", "whether it reads media from the daemon's media address, and over HTTP"},
		{"power", "whether the machine goes off and on when it accepts that"},
		{"firmware", "whether it starts ingot's boot loader, and how long it takes to get there"},
	} {
		report.addFinding(unknown.topic, Unknown, unknown.text)
	}
}

func checkConsole(report *Report, s System) {
	const topic = "serial console"
	switch console := s.Console; {
	case console == nil:
		report.addFinding(topic, Limited, "not offered over SSH: it is not read")
	case !console.Enabled:
		report.addFinding(topic, Limited, "offered over SSH and switched off: enable it at the BMC, or it is not read")
	case console.Shared && console.Entry == "":
		report.addFinding(topic, Limited,
			fmt.Sprintf("behind the BMC's command line at SSH port %d, and it does not say how it is entered: it is "+
				"not read", console.Port))
	default:
		report.addFinding(topic, Good,
			fmt.Sprintf("over SSH at port %d; spec.bmc.console.fingerprint has it read", console.Port))
	}
}

func checkResets(report *Report, s computer, system System) {
	if s.reset == "" {
		report.addFinding("power", Missing, "the System has no Reset action: give the account the privilege "+
			"ConfigureComponents, or check the licence")
		return
	}
	for _, kind := range []ResetType{PowerOn, ForceOff, GracefulShutdown, ForceRestart} {
		checkReset(report, system, kind)
	}
}

func checkReset(report *Report, s System, kind ResetType) {
	topic := "power: " + string(kind)
	if len(s.ResetTypes) == 0 {
		report.addFinding(topic, Limited, "it does not say whether it offers this: it is tried")
		return
	}
	for _, choice := range resetChoices[kind] {
		if slices.Contains(s.ResetTypes, string(choice)) {
			report.addFinding(topic, Good, "as "+string(choice))
			return
		}
	}
	if kind == PowerOn || kind == ForceOff {
		report.addFinding(topic, Missing, "it offers only "+strings.Join(s.ResetTypes, ", "))
		return
	}
	report.addFinding(topic, Limited, "not offered: a hard power-off, or off and on, is used")
}

func (c *Client) checkMedia(ctx context.Context, report *Report) {
	slots, err := c.Media(ctx)
	if err != nil {
		report.addFinding("virtual media", Missing, err.Error())
		return
	}
	report.Media = slots
	var usable []string
	overHTTP := false
	for _, slot := range slots {
		switch {
		case slot.Unread != "":
			report.addFinding("virtual media", Limited, slot.Path+" cannot be read: "+slot.Unread)
		case slot.Usable:
			usable = append(usable, slot.Path)
			overHTTP = overHTTP || !slot.takesNoHTTP()
		}
		if slot.Leftover != "" {
			report.addFinding("virtual media", Limited, fmt.Sprintf("%s shows the image %q and says that it is not "+
				"connected: it counts as empty", slot.Path, slot.Leftover))
		}
	}
	if len(usable) == 0 {
		report.addFinding("virtual media", Missing,
			fmt.Sprintf("%d drives and none takes a CD: enable virtual media, or check the licence", len(slots)))
		return
	}
	if !overHTTP && !checkProtocols(report, slots) {
		return
	}
	report.addFinding("virtual media", Good, "drives that take a CD: "+strings.Join(usable, ", "))
}

// checkProtocols judges drives that declare no HTTP, and reports whether media can be served to them.
func checkProtocols(report *Report, slots []Slot) bool {
	d := slots[slices.IndexFunc(slots, Slot.takesNoHTTP)]
	declares := "it declares that it takes media over " + strings.Join(d.Protocols, ", ") + " only"
	if !slices.Contains(d.Protocols, "HTTPS") {
		report.addFinding("virtual media", Missing, declares+", and ingot serves them over HTTP and HTTPS: allow one of "+
			"them for virtual media at the BMC")
		return false
	}
	trust := ""
	switch {
	case d.Certificates:
		trust = "; have it trust the daemon's authority with `ingot bmc trust`"
	case d.Verifies:
		trust = "; it verifies certificates and offers no place for the daemon's authority: put that into the BMC with its " +
			"own tools"
	}
	report.addFinding("virtual media", Limited, declares+": "+httpsHint+trust)
	return true
}

func (c *Client) checkHardware(ctx context.Context, report *Report) {
	hardware, err := c.Inventory(ctx)
	if err != nil {
		report.addFinding("inventory", Limited, err.Error())
		return
	}
	report.Hardware = &hardware
	report.addFinding("inventory", Good,
		fmt.Sprintf("%d network cards, %d disks", len(hardware.NICs), len(hardware.Disks)))
	if count := len(hardware.Unread); count > 0 {
		report.addFinding("inventory", Limited, fmt.Sprintf("%d parts are not shown: %s", count,
			strings.Join(hardware.Unread[:min(count, 5)], "; ")))
	}
	switch hardware.SecureBoot {
	case "Enabled":
		report.addFinding("secure boot", Good, "enforced")
	case "":
		report.addFinding("secure boot", Limited, "the BMC does not say; the ramdisk will")
	default:
		report.addFinding("secure boot", Limited,
			"off: switch it on in the firmware before spec.boot.secureBoot can be true")
	}
}
