// Package plugincheck runs the contract of a plug-in on this machine, without a fleet, a daemon and root: `ingot step
// test`. Call Run. The plug-in runs without the sandbox of the ramdisk, with the rights of the caller.
package plugincheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gitmetal/ingot/agent/plugins"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// Options of Run.
type Options struct {
	Plugin  string // file
	Step    string // "" for every step
	Facts   string // file with the facts of a machine, as JSON; "" for a machine with the memory of this one
	Args    string // file with the arguments, as JSON; "" for none
	System  string // directory in place of the written system; "" for a Step without mounts: system
	Timeout time.Duration
	Out     io.Writer // a line for each question
}

// check is one run of the contract.
type check struct {
	Options
	run      steps.ScriptRun
	findings int
}

// Run asks a plug-in what it is, checks the answer, and runs its steps, each with a disk of its own if it writes: a
// file; or with a directory as the written system. It gives the number of findings. An error says that the contract could not be run.
func Run(ctx context.Context, o Options) (findings int, err error) {
	c := check{Options: o}
	dir, err := os.MkdirTemp("", "ingot-step-test-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.System != "" {
		if c.System, err = filepath.Abs(c.System); err != nil {
			return 0, err
		}
	}
	if c.run, err = c.prepare(dir); err != nil {
		return 0, err
	}
	kept, err := steps.KeepPlugin(c.run.Apart, wire.Plugin{Name: filepath.Base(o.Plugin), Body: c.run.Script.Body})
	if err != nil {
		return 0, err
	}
	c.run.Plugin = kept
	said, known := c.describe(ctx)
	if known {
		c.trySteps(ctx, said)
	}
	return c.findings, nil
}

// prepare reads the files, and makes what every run of the plug-in has in common.
func (o Options) prepare(dir string) (steps.ScriptRun, error) {
	body, err := os.ReadFile(o.Plugin)
	if err != nil {
		return steps.ScriptRun{}, err
	}
	facts := wire.Facts{CPU: wire.CPU{Arch: runtime.GOARCH, Count: runtime.NumCPU()}, Disks: []wire.Disk{}, NICs: []wire.NIC{}}
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		facts.Memory = info.Totalram * uint64(info.Unit)
	}
	if at, err := os.Stat(o.System); o.System != "" && (err != nil || !at.IsDir()) {
		return steps.ScriptRun{}, fmt.Errorf("system: %s is no directory", o.System)
	}
	if err := readJSON(o.Facts, &facts); err != nil {
		return steps.ScriptRun{}, fmt.Errorf("facts: %w", err)
	}
	var args json.RawMessage
	if err := readJSON(o.Args, &args); err != nil {
		return steps.ScriptRun{}, fmt.Errorf("arguments: %w", err)
	}
	run := &wire.Run{Operation: "o-test", Attempts: 1, Args: args, Machine: wire.RunMachine{ID: "test", Name: "test"}}
	return steps.ScriptRun{Script: wire.Script{Body: body, Run: run}, Timeout: o.Timeout, Facts: facts,
		Apart: steps.Isolation{Dir: dir}, Report: o.printLines}, nil
}

// readJSON reads a file; "" is no file.
func readJSON(name string, value any) error {
	if name == "" {
		return nil
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("%s is no such JSON: %w", name, err)
	}
	return nil
}

// printLines prints what the plug-in says.
func (o Options) printLines(p wire.Progress) {
	for _, line := range p.Lines {
		fmt.Fprintln(o.Out, "    | "+line)
	}
	if p.Total > 0 {
		fmt.Fprintf(o.Out, "    | %d of %d\n", p.Done, p.Total)
	}
}

// passed prints a question that the plug-in answered well.
func (c *check) passed(format string, values ...any) {
	fmt.Fprintf(c.Out, "ok       "+format+"\n", values...)
}

// failed prints a finding.
func (c *check) failed(format string, values ...any) {
	c.findings++
	fmt.Fprintf(c.Out, "FINDING  "+format+"\n", values...)
}

// describe asks the plug-in twice what it is; not known when an answer cannot be used.
func (c *check) describe(ctx context.Context) (said plugins.Description, known bool) {
	for i := range 2 {
		answer, err := steps.DescribePlugin(ctx, c.run)
		if err != nil {
			c.failed("describe: %v", err)
			return said, false
		}
		next, err := plugins.Read(answer)
		switch {
		case err != nil:
			c.failed("describe: %v", err)
			return said, false
		case i > 0 && !reflect.DeepEqual(said, next):
			c.failed("describe: another answer at the second time: an operation would end")
			return said, false
		}
		said = next
	}
	c.passed("describe: %s %s", said.Name, said.Version)
	return said, true
}

// trySteps tries the steps that are asked for.
func (c *check) trySteps(ctx context.Context, said plugins.Description) {
	tried := 0
	for _, step := range said.Steps {
		if c.Step == "" || c.Step == step.Step {
			tried++
			c.tryStep(ctx, step)
		}
	}
	if tried == 0 {
		c.failed("the plug-in has no step %q", c.Step)
	}
}

// tryStep checks the arguments of one step, and runs the step.
func (c *check) tryStep(ctx context.Context, step plugins.StepDescription) {
	run := *c.run.Script.Run
	run.Step, run.ID, run.Writes, run.Reboots = step.Step, step.Step, step.Writes, step.Reboots
	run.Once = step.Repeatable != nil && !*step.Repeatable
	fmt.Fprintf(c.Out, "         step %s: support %s%s\n", step.Step, step.Support, listNeeds(run, c.System != ""))
	if err := step.Check(run); err != nil {
		c.failed("step %s: %v (--args FILE)", step.Step, err)
		return
	}
	if step.Support == wire.SupportNone {
		fmt.Fprintf(c.Out, "         step %s is not run: give the facts of its hardware with --facts FILE\n", step.Step)
		return
	}
	c.runStep(ctx, run)
}

// listNeeds lists what a Step must say for a step.
func listNeeds(run wire.Run, inSystem bool) (text string) {
	for _, need := range []struct {
		is   bool
		says string
	}{{run.Writes && !inSystem, "writes: [NAME]"}, {run.Writes && inSystem, "mounts: system"}, {run.Reboots, "reboots: true"}, {run.Once, "repeatable: false"}} {
		if need.is {
			text += "; its Step must say " + need.says
		}
	}
	return text
}

// runStep runs a step as the agent does.
func (c *check) runStep(ctx context.Context, run wire.Run) {
	next := c.run
	next.Plugin = c.run.Plugin.ForStep(run.Step)
	next.Script.Run = &run
	if c.System != "" {
		next.System = []steps.SystemDir{{Dir: c.System}}
	}
	disk := &fileDisk{}
	do := func(given []steps.GivenDisk) (string, error) {
		next.Given = given
		return steps.RunScript(ctx, next)
	}
	began := time.Now()
	var err error
	if run.Writes && c.System == "" {
		disk.dir = c.run.Apart.Dir
		tools := steps.DiskTools{Disks: disk, Leave: disk, NoteDisks: func(left []wire.Disk) { disk.written = !left[0].Content.Blank }}
		_, err = steps.WithDisks(ctx, []wire.NamedDisk{{Name: "data", DiskRef: disk.ref()}}, tools, do)
	} else {
		_, err = do(nil)
	}
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case err == nil:
		c.passed("run %s: done after %s%s", run.Step, took, disk.describe())
	case steps.IsNotForHardware(err) && !disk.written:
		c.passed("run %s: not for this hardware", run.Step)
	case steps.IsNotForHardware(err):
		c.failed("run %s: it says that nothing was done (exit code 3), and wrote to the disk", run.Step)
	default:
		c.failed("run %s: %s", run.Step, strings.TrimSpace(err.Error()))
	}
}
