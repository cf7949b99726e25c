package effects

import (
	"fmt"
	"path"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// maxDescribe is the most bytes of the arguments of all steps in a job that asks plug-ins, so that the job stays below
// wire.MaxBody.
const maxDescribe = 2 << 20

// buildDescribe lists the steps with plug-ins of an operation, for the job that asks the plug-ins what they are. The
// arguments have references in place of secrets.
func (e *Effects) buildDescribe(desired inventory.Desired, record inventory.Record) (asked []wire.Script, err error) {
	size := 0
	for _, step := range desired.Workload.Steps {
		if len(step.Plugins) == 0 {
			continue
		}
		run, err := e.buildRun(step, desired, record, func(ref refs.Secret) (secret.Value, error) {
			return secret.New(refs.Ref{Secret: ref}.String()), nil
		})
		if err != nil {
			return nil, err
		}
		plugins, err := e.listPlugins(step, record)
		if err != nil {
			return nil, err
		}
		size += len(run.Args)
		asked = append(asked, wire.Script{Plugins: plugins, Run: run})
	}
	if size > maxDescribe {
		return nil, fmt.Errorf("the arguments of all plug-ins have %d bytes, at most %d can be delivered", size, maxDescribe)
	}
	return asked, nil
}

// listPlugins lists the candidates of a step in the agent's form, with what each said of itself before in the
// operation. A plug-in of a later commit may not be in the mirror yet: the mirror is asked to fetch it.
func (e *Effects) listPlugins(step inventory.Step, record inventory.Record) (plugins []wire.Plugin, err error) {
	for _, p := range step.Plugins {
		next := wire.Plugin{Name: path.Base(p.Place()), SHA256: p.SHA256, Step: p.Step, Size: int64(len(p.Body)), Body: p.Body,
			Version: versionOf(*record.Operation, p.SHA256)}
		if p.URL != "" {
			file, size, err := e.config.Images.Open(p.SHA256)
			if err != nil {
				e.config.Images.Ensure(imageRef(steps.Fetched{Image: schemas.Image{URL: p.URL, SHA256: p.SHA256}, Step: step.Name}))
				return nil, fmt.Errorf("plug-in %s of step %s is not in the mirror: %w", next.Name, step.Key(), err)
			}
			if err := file.Close(); err != nil {
				return nil, fmt.Errorf("plug-in %s of step %s: %w", next.Name, step.Key(), err)
			}
			next.Size = size
		}
		plugins = append(plugins, next)
	}
	return plugins, nil
}

// versionOf is the version that a plug-in said last in the operation; "" before.
func versionOf(o inventory.Operation, sha256 string) (version string) {
	for _, step := range o.Steps {
		for _, d := range step.Described {
			if d.SHA256 == sha256 {
				version = d.Version
			}
		}
	}
	return version
}
