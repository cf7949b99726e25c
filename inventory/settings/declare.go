package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// DefaultTimeout is the timeout of a Step with bmc that says none: some machines restart several times for one setting.
const DefaultTimeout = "1h"

// CheckUse finds fields of a use that a Step with bmc does not take.
func CheckUse(d schemas.Document, field, step string) (findings []schemas.Finding) {
	for _, name := range []string{"args", "attempts", "when"} {
		if at := field + "." + name; d.IsWritten(at) {
			findings = append(findings, d.ErrorAt(at, "leave it out", "Step %q changes settings of the BMC, and takes no %s", step, name))
		}
	}
	return findings
}

// Split parts the steps of a host into those that run in the ramdisk, in their order, and the settings, with the vars
// of the host. Settings are changed before the first boot of an operation, so their steps stand in front. The Steps are
// those of the tree that the host runs, by name; findings are told to add.
func Split(list []steps.Step, known map[string]schemas.Document, host schemas.Document,
	add func(...schemas.Finding)) (run []steps.Step, all []Step) {
	given := map[string]Step{} // by attribute
	report := func(at schemas.Position, hint, format string, args ...any) {
		add(schemas.Finding{Position: at, Severity: schemas.Error, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	for _, step := range list {
		d, of := known[step.Name]
		if !of || d.Step == nil || d.Step.Spec.BMC == nil {
			run = append(run, step)
			continue
		}
		next := Step{Name: step.Name, ID: step.ID, InTurn: d.Step.Spec.Apply == schemas.InTurn, Seconds: step.Seconds,
			From: step.From, Host: step.Host}
		if last := findLast(run); last != "" {
			report(step.From, "put it in front: settings are changed before the first boot",
				"step %q changes settings of the BMC, and stands behind %q, which runs in the ramdisk", step.Key(), last)
		}
		bios, mistakes := resolveBios(d, host)
		next.Bios = bios
		add(mistakes...)
		for _, name := range slices.Sorted(maps.Keys(bios)) {
			if other, twice := given[name]; twice && other.Bios[name] != bios[name] {
				report(step.From, "keep one", "step %q sets the BIOS attribute %s to %s, and step %q to %s", step.Key(), name,
					Text(bios[name]), other.Key(), Text(other.Bios[name]))
			}
			given[name] = next
		}
		all = append(all, next)
	}
	return run, all
}

// findLast gives the id of the last step that the fleet lists; "" for none. What plug-ins are asked comes by itself.
func findLast(list []steps.Step) string {
	for _, s := range slices.Backward(list) {
		if s.Name != schemas.StepDescribe {
			return s.Key()
		}
	}
	return ""
}

// errMissing says that a host lacks a var, which is reported in the host's file.
var errMissing = errors.New("the host lacks the var")

// resolveBios gives the attributes of a Step with the vars of a host.
func resolveBios(d, host schemas.Document) (bios map[string]any, findings []schemas.Finding) {
	bios = map[string]any{}
	for _, attribute := range slices.Sorted(maps.Keys(d.Step.Spec.BMC.Bios)) {
		field := "spec.bmc.bios." + attribute
		switch v := d.Step.Spec.BMC.Bios[attribute].(type) {
		case string:
			text, err := refs.ReplaceInText(v, func(ref refs.Ref) (string, error) {
				value, ok := host.Host.Spec.Vars[ref.Var]
				switch {
				case ref.Var == "": // what is set is shown and recorded
					return "", fmt.Errorf("%s: a BIOS attribute cannot be a secret, as it is shown and recorded", ref)
				case !ok:
					findings = append(findings, host.ErrorAt("spec.vars."+ref.Var, "", "the field is missing: %s uses ${vars.%s}",
						d.PositionOf(field), ref.Var))
					return "", errMissing
				}
				return value, nil
			})
			if err != nil && !errors.Is(err, errMissing) {
				findings = append(findings, d.ErrorAt(field, "", "%s", strings.TrimSpace(err.Error())))
			}
			bios[attribute] = text
		case int:
			bios[attribute] = float64(v)
		case int64:
			bios[attribute] = float64(v)
		case uint64:
			bios[attribute] = float64(v)
		case float64, bool:
			bios[attribute] = v
		}
	}
	return bios, findings
}
