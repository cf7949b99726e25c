package review

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Setting is a Step with settings of the BMC.
type Setting struct {
	Step string `json:"step"`           // the name of the Step
	ID   string `json:"id,omitempty"`   // "" where the name is the id
	From string `json:"from,omitempty"` // file:line:col of the entry, in the Workload or in the Host
	// Bios are the attributes with their values: ProcVirtualization=Enabled.
	Bios    []string `json:"bios"`
	Apply   string   `json:"apply"` // WithInstall, InTurn
	Timeout string   `json:"timeout"`
}

// unchecked is said wherever settings are planned: the registry is at the machine.
const unchecked = "names and values are checked at the machine, against its BMC's registry, before any reset"

// ListSettings lists the settings of a host in their order.
func ListSettings(list []settings.Step) []Setting {
	var all []Setting
	for _, s := range list {
		next := Setting{Step: s.Name, ID: s.ID, Bios: settings.Merge([]settings.Step{s}, false).Describe(),
			Apply: schemas.WithInstall, Timeout: fmt.Sprintf("%ds", s.Seconds)}
		if s.InTurn {
			next.Apply = schemas.InTurn
		}
		if s.From != (schemas.Position{}) {
			next.From = s.From.String()
		}
		all = append(all, next)
	}
	return all
}

// noteSettings adds what the settings of the BMC mean. With an install they share the boot of the ramdisk. On a machine
// in service only those count that are applied in turn, and only where the record does not say that they hold.
func (h *Host) noteSettings(before, after inventory.Desired, record inventory.Record) {
	if after.Workload == nil || h.Verdict == change.HandsOff {
		return
	}
	if h.Verdict == change.Install || h.Verdict == change.Reinstall {
		h.Settings = ListSettings(after.Workload.Settings)
		return
	}
	var was []settings.Step
	if before.Workload != nil {
		was = before.Workload.Settings
	}
	turn := settings.Merge(after.Workload.Settings, true)
	if digest := turn.Digest(); digest != "" && digest != settings.Merge(was, true).Digest() {
		if record.Settings != nil && record.Settings.Held == digest {
			h.Later = append(h.Later, "the machine had the BIOS settings "+strings.Join(turn.Describe(), " ")+" at the last look")
		} else {
			h.Requests = append(h.Requests, fmt.Sprintf("in turn: reboots, once, unless it has them, for the BIOS settings %s (%s)",
				strings.Join(turn.Describe(), " "), unchecked))
		}
	}
	h.Later = append(h.Later, compareBIOS(was, after.Workload.Settings)...)
}

// compareBIOS says which settings of two lists differ that are not applied in turn.
func compareBIOS(before, after []settings.Step) (lines []string) {
	key := func(s settings.Step) func(settings.Step) bool {
		return func(o settings.Step) bool { return o.Key() == s.Key() }
	}
	for _, s := range before {
		if !slices.ContainsFunc(after, key(s)) {
			lines = append(lines, "step "+s.Key()+" is taken out, and the machine keeps its BIOS settings")
		}
	}
	for _, s := range after {
		i := slices.IndexFunc(before, key(s))
		if s.InTurn || i >= 0 && reflect.DeepEqual(before[i].WithoutPlace(), s.WithoutPlace()) {
			continue
		}
		lines = append(lines, "step "+s.Key()+" sets "+strings.Join(settings.Merge([]settings.Step{s}, false).Describe(), " "))
	}
	return lines
}

// describeSettings gives a line for each step with settings of an installation.
func (h Host) describeSettings() []string {
	var lines []string
	for _, s := range h.Settings {
		line := "before the first boot: " + s.Step
		if s.ID != "" {
			line += " as " + s.ID
		}
		if s.From != "" {
			line += " (" + s.From + ")"
		}
		lines = append(lines, line+": "+strings.Join(s.Bios, " ")+"; the boot of the ramdisk is its reset")
	}
	if len(lines) > 0 {
		lines = append(lines, unchecked)
	}
	return lines
}
