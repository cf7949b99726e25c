package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/gitmetal/ingot/agent/wire"
)

// Description is what a plug-in says of itself: the one JSON document on its standard output.
type Description struct {
	Protocol int               `json:"protocol"` // wire.RunProtocol
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Steps    []StepDescription `json:"steps"`
}

// StepDescription is what a plug-in says of one of its steps on this machine.
type StepDescription struct {
	Step    string         `json:"step"`
	Support string         `json:"support"`        // wire.SupportVendor…
	Args    map[string]any `json:"args,omitempty"` // JSON Schema; nil: no arguments
	Writes  bool           `json:"writes"`         // the step writes to disks
	Reboots bool           `json:"reboots"`        // the step wants a boot behind it
	// Repeatable says that the step may run again after it was cut off; default true.
	Repeatable *bool `json:"repeatable,omitempty"`
}

// maxWord is the most bytes of a name and of a version.
const maxWord = 64

// supports are the levels, the highest first.
var supports = []string{wire.SupportVendor, wire.SupportMainline, wire.SupportGeneric, wire.SupportNone}

// Read reads what a plug-in says of itself. Members that this version does not know are left out.
func Read(answer []byte) (Description, error) {
	var d Description
	decoder := json.NewDecoder(bytes.NewReader(answer))
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("its answer to describe is no JSON document: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return d, errors.New("its answer to describe is more than one JSON document: write other words to standard error")
	}
	if d.Protocol != wire.RunProtocol {
		return d, fmt.Errorf("it speaks protocol %d of plug-ins, this agent %d", d.Protocol, wire.RunProtocol)
	}
	for field, word := range map[string]string{"name": d.Name, "version": d.Version} {
		if word == "" || len(word) > maxWord || strings.ContainsFunc(word, isUnfit) {
			return d, fmt.Errorf("its %s is %.80q: want 1 to %d printable characters", field, word, maxWord)
		}
	}
	for _, s := range d.Steps {
		if !slices.Contains(supports, s.Support) {
			return d, fmt.Errorf("the support of its step %.80q is %.80q: want one of %s", s.Step, s.Support,
				strings.Join(supports, ", "))
		}
	}
	return d, nil
}

func isUnfit(c rune) bool { return c > unicode.MaxASCII || !unicode.IsPrint(c) }

// find gives the step that a fleet names.
func (d Description) find(step string) (StepDescription, error) {
	var names []string
	for _, s := range d.Steps {
		if s.Step == step {
			return s, nil
		}
		names = append(names, s.Step)
	}
	return StepDescription{}, fmt.Errorf("it has no step %q: it has %s", step, strings.Join(names, ", "))
}

// Check refuses a step that does more than its Step declares, a step whose own schema refuses the arguments, and a
// plug-in that says another version than before.
//
//	the plug-in says     the Step says          then
//	writes: true         no writes, no mounts   refused
//	reboots: true        no reboots: true       refused
//	repeatable: false    no repeatable: false   refused
//	support: none        any                    left out, before these questions
func (s StepDescription) Check(run wire.Run) error {
	switch {
	case s.Writes && !run.Writes:
		return errors.New("it writes to disks: name them in spec.writes of the Step, or say mounts: system")
	case s.Reboots && !run.Reboots:
		return errors.New("it wants a boot: say reboots: true in the Step")
	case s.Repeatable != nil && !*s.Repeatable && !run.Once:
		return errors.New("it may run only once: say repeatable: false in the Step")
	}
	return checkArguments(s.Args, run)
}
