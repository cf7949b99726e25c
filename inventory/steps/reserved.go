package steps

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/schemas"
)

// MaxWait is the longest time of a step wait.
const MaxWait = time.Hour

// Reserved is a step that every fleet has without a Step of its own.
type Reserved struct {
	// Writes is set for a step that is part of a workload's inputs: the step writes to the disks of its arguments.
	Writes bool
	// Timeout is the default timeout; "" for DefaultTimeout.
	Timeout string
	Schema  map[string]any // of the arguments; nil for none
	Does    string         // for people
}

// ListReserved lists the reserved steps besides install, by name.
func ListReserved() map[string]Reserved {
	text := func(name string, rules map[string]any) map[string]any {
		rules["type"] = "string"
		return map[string]any{"type": "object", "required": []any{name}, "properties": map[string]any{name: rules}}
	}
	return map[string]Reserved{
		schemas.StepErase: {Schema: eraseSchema(), Writes: true, Timeout: EraseTimeout,
			Does: "erases disks by names of spec.disks, or root, and reads them back"},
		schemas.StepWriteImage: {Schema: imageSchema(), Writes: true, Timeout: ImageTimeout,
			Does: "writes an image to the root disk, in place of install, and a config drive for cloud-init"},
		schemas.StepCollectLogs: {Timeout: "5m",
			Does: "sends the ramdisk's journal, the kernel's messages, the state and the hardware: `ingot logs HOST`"},
		schemas.StepStartUnit: {Timeout: "1h", Schema: text("unit", map[string]any{"pattern": unitPattern}),
			Does: "starts a unit of the ramdisk, and waits for its end"},
		schemas.StepInjectFiles: {Schema: injectSchema(), Writes: true,
			Does: "puts files into the installed system, behind the install"},
		schemas.StepHold:   {Does: "waits, without a deadline, until `ingot resume HOST`"},
		schemas.StepReboot: {Does: "boots the ramdisk anew, once"},
		schemas.StepWait: {Schema: text("for", map[string]any{"pattern": "^[0-9]+(s|m|h)$"}),
			Does: "waits for a time, at most 1h"},
		schemas.StepPower: {Schema: text("state", map[string]any{"enum": []any{schemas.PowerOn, schemas.PowerOff}}),
			Does: "Off: the machine is powered off, and on again for the next step; On: it is on, as every step needs it"},
	}
}

// unitPattern is the grammar of the units that start-unit takes, within systemd.unit(5).
const unitPattern = `^[A-Za-z0-9:_][A-Za-z0-9:_.@-]{0,200}\.(service|target)$`

// ReadUnit gives the unit of a step start-unit, which its schema has checked.
func (s Step) ReadUnit() string {
	unit, _ := s.Args["unit"].(string)
	return unit
}

// Complete gives a reserved step with arguments its work; an error names a mistake in the arguments. Other steps stay as
// they are.
func Complete(s Step) (Step, error) {
	switch s.Name {
	case schemas.StepErase:
		s.Writes = listErased(s)
	case schemas.StepWriteImage:
		s = takeImage(s)
	case schemas.StepInjectFiles:
		s = takeFiles(s)
	case schemas.StepReboot:
		s.Reboots = true
	case schemas.StepPower:
		s.Reboots = s.Args["state"] == schemas.PowerOff
	case schemas.StepWait:
		text, _ := s.Args["for"].(string)
		wait, err := time.ParseDuration(text)
		if err != nil || wait < time.Second || wait > MaxWait {
			return s, fmt.Errorf("%q is no time to wait: 1s to 1h", text)
		}
		s.Script = fmt.Appendf(nil, "#!/bin/sh\nexec sleep %d\n", int(wait.Seconds()))
		s.Seconds = int(wait.Seconds()) + waitSlack
	}
	return s, nil
}

// waitSlack is how many seconds longer than its time a step wait may take.
const waitSlack = 60
