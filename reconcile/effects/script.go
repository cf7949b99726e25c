package effects

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// maxArguments is the most bytes of a step's arguments with the opened secrets, so that a job stays below wire.MaxBody.
const maxArguments = 512 << 10

// buildRun is what a script is told, with what open gives for the secrets of its arguments.
func (e *Effects) buildRun(step inventory.Step, desired inventory.Desired, record inventory.Record,
	open func(refs.Secret) (secret.Value, error)) (*wire.Run, error) {
	run := &wire.Run{Operation: record.Operation.ID, Step: step.Name, ID: step.Key(), Attempts: max(1, step.Attempts),
		Once: step.Once, Reboots: step.Reboots, Writes: len(step.Writes) > 0 || step.Mounts, Machine: wire.RunMachine{ID: string(record.ID), Name: desired.Name, Labels: desired.Labels,
			Vars: desired.Vars},
		Needs: wire.Needs{Network: step.Needs.Network, Processes: step.Needs.Processes}}
	if step.Needs.Memory != "" {
		memory, err := schemas.ParseSize(step.Needs.Memory)
		if err != nil {
			return nil, fmt.Errorf("memory of step %s: %w", step.Key(), err)
		}
		run.Needs.Memory = memory
	}
	if len(step.Args) == 0 {
		return run, nil
	}
	args, err := step.Open(func(ref refs.Secret) (string, error) {
		value, err := open(ref)
		return value.Reveal(), err
	})
	if err != nil {
		return nil, fmt.Errorf("arguments of step %s: %w", step.Key(), err)
	}
	body, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("the arguments of step %s are no JSON", step.Key()) // the error of json could hold a value
	}
	if len(body) > maxArguments {
		return nil, fmt.Errorf("the arguments of step %s have %d bytes, at most %d can be delivered", step.Key(), len(body),
			maxArguments)
	}
	run.Args, run.Secrets = body, listSecretNames(step)
	return run, nil
}

// listSecretNames lists the top-level names of the arguments that are secrets or hold secrets, sorted.
func listSecretNames(step inventory.Step) []string {
	names := map[string]bool{}
	for pointer := range step.Secrets {
		name, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
		names[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)] = true
	}
	return slices.Sorted(maps.Keys(names))
}
