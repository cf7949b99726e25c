package cause

import (
	"cmp"
	"strings"

	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// settingsRows are the causes about declared BIOS settings.
func settingsRows() []Row {
	return []Row{
		{"SettingsRefused", "the BMC would not take the declared BIOS settings (SettingsRefused)",
			"Nothing is done for the BIOS settings that the fleet declares: {hold}",
			"Correct the Step with spec.bmc: names and values are those of the machine's own registry.",
			held(change.SettingsRefused)},
		{"SettingsFailed", "the declared BIOS settings were written, and the machine does not have them (SettingsFailed)",
			"The machine did not take the BIOS settings that the fleet declares: {hold}",
			"Look at the BMC's jobs and the firmware's setup; then change the Step, or run `ingot retry {host}`.",
			held(change.SettingsFailed)},
		{"SettingsChanging", "the BIOS settings of a machine in service are being changed",
			"The BIOS settings of the machine are seen to: {settings}",
			nothing, all(either(inPhase(plan.Maintaining), waits(waitSettings)),
				func(c *Case) bool { return !failed(c) && c.Plan.Hold == nil })},
	}
}

// waitSettings begins what a machine waits for on the way to its settings.
const waitSettings = "the BIOS settings: "

// settingsOf is what is waited for, or is done, on the way to the declared BIOS settings.
func settingsOf(c *Case) string {
	if why, waits := strings.CutPrefix(c.Plan.Waits, waitSettings); waits {
		return why
	}
	return cmp.Or(c.Plan.Waits, doingOf(c))
}
