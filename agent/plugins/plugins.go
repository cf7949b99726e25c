// Package plugins runs the plug-ins of steps: executables that say what they are on this machine (describe), and run a
// step. Call Open, which asks every candidate, and then Candidates.Run. Call DescribeAll for a job that only asks. Do
// not run a plug-in that was not asked: the fleet says what a step may do, and Open refuses a plug-in that does more.
package plugins

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// Candidates are the plug-ins of a step that support the machine, the highest support first, equal support in the order
// of the Step. Close frees their RAM.
type Candidates struct {
	run       steps.ScriptRun
	kept      []*steps.KeptPlugin
	order     []candidate
	described []wire.Described
}

// candidate is a plug-in that supports the machine.
type candidate struct {
	kept *steps.KeptPlugin
	said wire.Described
}

// name names a candidate for people.
func (c candidate) name() string {
	return c.said.Name + " " + c.said.Version + " (" + c.said.Support + ")"
}

// Open keeps the plug-ins of a step in RAM and asks each what it is. A plug-in that gives no answer, does more than the
// Step declares, refuses the arguments, or says another version than before ends the step: the error is a
// steps.Failure. The caller closes the Candidates, also after an error.
func Open(ctx context.Context, run steps.ScriptRun) (*Candidates, error) {
	c := &Candidates{run: run}
	if run.Script.Run == nil {
		return c, steps.Failure{Err: errors.New("the job says nothing about the step of its plug-ins")}
	}
	for _, p := range run.Script.Plugins {
		if err := c.ask(ctx, p); err != nil {
			return c, err
		}
	}
	slices.SortStableFunc(c.order, func(a, b candidate) int {
		return cmp.Compare(slices.Index(supports, a.said.Support), slices.Index(supports, b.said.Support))
	})
	return c, nil
}

// ask asks one plug-in what it is.
func (c *Candidates) ask(ctx context.Context, p wire.Plugin) error {
	kept, err := steps.KeepPlugin(c.run.Apart, p)
	if err != nil {
		return err
	}
	c.kept = append(c.kept, kept)
	run := c.run
	run.Plugin = kept
	answer, err := steps.DescribePlugin(ctx, run)
	if err != nil {
		return steps.Failure{Err: fmt.Errorf("plug-in %s: describe: %w", p.Name, err)}
	}
	said, err := judge(answer, p, *c.run.Script.Run)
	if err != nil {
		return steps.Failure{Err: fmt.Errorf("plug-in %s: %w", p.Name, err), Final: true}
	}
	c.described = append(c.described, said)
	c.run.Report(wire.Progress{Lines: []string{fmt.Sprintf("plug-in %s: %s %s: support %s", p.Name, said.Name, said.Version,
		said.Support)}})
	if said.Support != wire.SupportNone {
		c.order = append(c.order, candidate{kept, said})
	}
	return nil
}

// judge reads the answer of a plug-in, and refuses a plug-in that the Step does not allow.
func judge(answer []byte, p wire.Plugin, run wire.Run) (wire.Described, error) {
	d, err := Read(answer)
	if err != nil {
		return wire.Described{}, err
	}
	step, err := d.find(p.Step)
	if err != nil {
		return wire.Described{}, err
	}
	if p.Version != "" && p.Version != d.Version {
		return wire.Described{}, fmt.Errorf("its version is %s, and was %s before in this operation", d.Version, p.Version)
	}
	if step.Support != wire.SupportNone {
		if err := step.Check(run); err != nil {
			return wire.Described{}, err
		}
	}
	return wire.Described{SHA256: p.SHA256, Name: d.Name, Version: d.Version, Step: p.Step, Support: step.Support}, nil
}

// Described is what the plug-ins said of themselves, in the order of the Step.
func (c *Candidates) Described() []wire.Described { return c.described }

// CheckSupport refuses a step whose plug-ins do not support the machine, before leave is asked.
func (c *Candidates) CheckSupport() error {
	if len(c.order) > 0 {
		return nil
	}
	return steps.Failure{Err: errors.New("no plug-in supports this hardware"), Final: true}
}

// Close frees the RAM of the plug-ins.
func (c *Candidates) Close() error {
	var failed error
	for _, kept := range c.kept {
		failed = errors.Join(failed, kept.Remove())
	}
	return failed
}

// Run runs the plug-in with the highest support, after CheckSupport. A plug-in that says that it is not for this
// hardware and did nothing (exit code 3) is followed by the next one; a plug-in that was given disks, or the written system,
// is not, because it may have written. Any other failure ends the step. An error is a steps.Failure.
func (c *Candidates) Run(ctx context.Context, given []steps.GivenDisk, system ...steps.SystemDir) (output string, err error) {
	var passed []string
	for _, next := range c.order {
		run := c.run
		run.Plugin, run.Given, run.System = next.kept, given, system
		output, err = steps.RunScript(ctx, run)
		if err == nil {
			return output, nil
		}
		if !steps.IsNotForHardware(err) || len(given) > 0 || len(run.System) > 0 {
			return output, name(err, next)
		}
		passed = append(passed, next.name())
		c.run.Report(wire.Progress{Lines: []string{"plug-in " + next.name() + " is not for this hardware"}})
	}
	why := fmt.Errorf("no plug-in is for this hardware: tried %s", strings.Join(passed, ", "))
	return output, steps.Failure{Err: why, Output: output, Final: true}
}

// name adds the plug-in to a failure.
func name(err error, c candidate) error {
	var failure steps.Failure
	if !errors.As(err, &failure) {
		return fmt.Errorf("plug-in %s: %w", c.name(), err)
	}
	failure.Err = fmt.Errorf("plug-in %s: %w", c.name(), failure.Err)
	return failure
}

// DescribeAll asks the plug-ins of several steps what they are, and runs none. A step without support here is no error:
// its condition may leave it out. The error names the step.
func DescribeAll(ctx context.Context, asked []wire.Script, run steps.ScriptRun) (all []wire.Described, err error) {
	for _, script := range asked {
		run.Script = script
		described, err := describeStep(ctx, run)
		if err != nil {
			var failure steps.Failure
			final := errors.As(err, &failure) && failure.Final
			return nil, steps.Failure{Err: fmt.Errorf("step %s: %w", nameOf(script), err), Final: final}
		}
		all = append(all, described...)
	}
	return all, nil
}

// nameOf is the id of a step.
func nameOf(script wire.Script) string {
	if script.Run == nil {
		return ""
	}
	return script.Run.ID
}

// describeStep asks the plug-ins of one step.
func describeStep(ctx context.Context, run steps.ScriptRun) (described []wire.Described, err error) {
	c, err := Open(ctx, run)
	defer func() { err = errors.Join(err, c.Close()) }()
	if err != nil {
		return nil, err
	}
	return c.Described(), nil
}
