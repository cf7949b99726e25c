package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gitmetal/ingot/agent/wire"
)

// Exit codes of a script.
const (
	exitDone   = 0
	exitAgain  = 1 // failed, may be tried again
	exitFinal  = 2 // failed for good
	exitNotFor = 3 // not for this hardware, nothing was done
	exitReboot = 4 // done, and a reboot is wanted
)

// ScriptRun is a script of the fleet, and how the script is run.
type ScriptRun struct {
	Script  wire.Script
	Timeout time.Duration // of one attempt
	Facts   wire.Facts    // of the machine, for the script
	// Apart keeps the script away from the machine; the zero Isolation, for tests and simulated machines, does not.
	Apart  Isolation
	Report func(wire.Progress)
	// Given are the disks that the script may write to; none for a script without disks.
	Given []GivenDisk
	// System is the written system, whose root comes first; none for a script that is not shown the system.
	System []SystemDir
	// Plugin is run in place of the script; nil for a script.
	Plugin *KeptPlugin
	// Execution is the run that the script makes, and Places are its directories; nil and zero for a step.
	Execution *wire.RunExecution
	Places    Places
}

// RunScript runs a script of the fleet in the ramdisk until an attempt succeeds, the attempts are used up, or the
// script has failed for good, and returns the end of the last attempt's output. An error is a Failure.
//
//	exit                              meaning                       next
//	0                                 done                          -
//	1                                 failed                        the next attempt
//	2                                 failed for good               a person
//	3                                 not for this hardware         a person
//	4                                 done, wants a reboot          -; a person where Reboots is not set
//	another, a signal, the deadline   unknown                       the next attempt; a person where Once is set
//
// The script is neither left on a disk nor visible in a process argument, and its arguments are only on its standard
// input, but for those that are no secrets: INGOT_ARG_<NAME> has such a one that is no list or object.
func RunScript(ctx context.Context, r ScriptRun) (string, error) {
	run := wire.Run{}
	if r.Script.Run != nil {
		run = *r.Script.Run
	}
	for attempt := 1; ; attempt++ {
		output, err := r.runAttempt(ctx, run, attempt)
		if err == nil || run.Reboots && exitCode(err) == exitReboot {
			return output, nil
		}
		final := isFinal(err, run.Once)
		if final || attempt >= run.Attempts || ctx.Err() != nil {
			return output, Failure{Err: explainExit(err), Output: output, Final: final}
		}
		r.Report(wire.Progress{Lines: []string{cutLine(fmt.Sprintf("attempt %d of %d failed: %v: trying again", attempt,
			run.Attempts, explainExit(err)))}})
	}
}

func cutLine(line string) string { return strings.ToValidUTF8(line[:min(len(line), maxLine)], "") }

// runAttempt runs a script once.
func (r ScriptRun) runAttempt(ctx context.Context, run wire.Run, attempt int) (string, error) {
	limited := ctx
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, r.Apart.patience(r.Timeout))
		defer cancel()
	}
	if err := os.MkdirAll(r.Apart.scriptsDir(), 0o755); err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	dir, err := os.MkdirTemp(r.Apart.scriptsDir(), "ingot-step-") // in RAM: the ramdisk has no disk
	if err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	defer os.RemoveAll(dir)
	s := service{file: filepath.Join(dir, "script"), timeout: r.Timeout, needs: run.Needs, environment: listVariables(run), places: r.Places,
		system: r.System}
	s.environment = append(s.environment, r.Apart.describeExecution(r.Execution, r.Places)...)
	if at := r.seenSystem(); at != "" {
		s.environment = append(s.environment, "INGOT_SYSTEM="+at)
	}
	s.work = r.Apart.workDir(dir)
	if err := r.placeProgram(s.file); err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	document, err := r.writeDocument(run, attempt, s.work)
	if err != nil {
		return "", err
	}
	if err := r.Apart.makeSystemUser(limited, s); err != nil {
		return "", err
	}
	nodes, remove, err := r.Apart.makeNodes(s.unit(), r.Given)
	defer remove()
	if err != nil {
		return "", err
	}
	s.nodes = nodes
	for _, g := range r.Given {
		s.nodeNames = append(s.nodeNames, g.node)
	}
	defer r.Apart.endService(s)
	argv := append(r.Apart.arguments(s), r.listWords(run)...)
	program := program{argv: argv, dir: dir, input: document, report: r.Report, take: takeLine}
	if r.Apart.Run == "" {
		program.environment = s.environment
	}
	output, err := runProgram(limited, program)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return output, serviceEnd{code: -1, why: fmt.Sprintf("it did not end within %s", r.Timeout), err: err}
	}
	return output, r.Apart.readEnd(limited, s, err)
}

// writeDocument writes what a script gets on standard input.
func (r ScriptRun) writeDocument(run wire.Run, attempt int, work string) ([]byte, error) {
	run.Machine.Facts = &r.Facts
	if len(run.Args) == 0 {
		run.Args = json.RawMessage("{}")
	}
	for _, words := range []*map[string]string{&run.Machine.Labels, &run.Machine.Vars} {
		if *words == nil {
			*words = map[string]string{}
		}
	}
	step := run.Step
	if r.Plugin != nil {
		step = r.Plugin.step
	}
	document, err := json.Marshal(wire.RunDocument{Protocol: wire.RunProtocol, Operation: run.Operation, Step: step,
		ID: run.ID, Attempt: attempt, Machine: run.Machine, Args: run.Args, Disks: r.describeDisks(), Work: work, System: r.seenSystem(),
		Execution: r.Execution, Inputs: r.Apart.seen(r.Places.Inputs, inputsFor), Results: r.Apart.seen(r.Places.Results, resultsFor)})
	if err != nil {
		return nil, errors.New("the arguments of the step are no JSON") // the error of json could hold a value
	}
	if len(document) > wire.MaxRunDocument {
		return nil, fmt.Errorf("the arguments and facts have %d bytes, a script gets at most %d", len(document),
			wire.MaxRunDocument)
	}
	return append(document, '\n'), nil
}

// maxVariable is the most bytes of a variable: execve(2) takes at most 128 KiB.
const maxVariable = 64 << 10

// listVariables gives the variables INGOT_ARG_<NAME> of the arguments that are texts, numbers or truth values and no
// secrets. A value that no environment can hold is left out.
func listVariables(run wire.Run) []string {
	var args map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(run.Args)))
	decoder.UseNumber()
	if decoder.Decode(&args) != nil {
		return nil
	}
	var variables []string
	for _, name := range slices.Sorted(maps.Keys(args)) {
		var text string
		switch value := args[name].(type) {
		case string:
			text = value
		case json.Number:
			text = value.String()
		case bool:
			text = fmt.Sprint(value)
		default:
			continue
		}
		if !slices.Contains(run.Secrets, name) && len(text) <= maxVariable && utf8.ValidString(text) &&
			!strings.ContainsFunc(text, isUnfitForVariable) {
			variables = append(variables, wire.ArgumentVariable(name)+"="+text)
		}
	}
	return variables
}

// isUnfitForVariable reports the characters that systemd refuses in a variable.
func isUnfitForVariable(r rune) bool { return (r < ' ' && r != '\t' && r != '\n') || r == 0x7f }

// takeLine takes a line of a script's standard output: progress or a message as JSON, any other line is a message.
func takeLine(o *output, line string) {
	var said struct {
		Progress *struct {
			Done  uint64 `json:"done"`
			Total uint64 `json:"total"`
		} `json:"progress"`
		Message *string `json:"message"`
	}
	switch err := json.Unmarshal([]byte(line), &said); {
	case err == nil && said.Progress != nil:
		o.report(wire.Progress{Done: min(said.Progress.Done, said.Progress.Total), Total: said.Progress.Total})
	case err == nil && said.Message != nil:
		o.addLine(cutLine(*said.Message))
	default:
		o.addLine(line)
	}
}

// ExitCode is the exit code of a script that RunScript ran: 0 without an error, -1 where the script did not end by
// itself.
func ExitCode(err error) int {
	if err == nil {
		return exitDone
	}
	return exitCode(err)
}

// exitCode is the documented end of a script; -1 where the script did not end by itself.
func exitCode(err error) int {
	var ended serviceEnd
	var exit *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return ended.code
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		return -1
	}
}

// isFinal reports whether the end of an attempt leaves no further attempt.
func isFinal(err error, once bool) bool {
	switch exitCode(err) {
	case exitAgain:
		return false
	case exitFinal, exitNotFor, exitReboot:
		return true
	default:
		return once
	}
}

// explainExit words the end of an attempt for a person.
func explainExit(err error) error {
	switch exitCode(err) {
	case exitFinal:
		return fmt.Errorf("it failed for good: %w", err)
	case exitNotFor:
		return fmt.Errorf("it is not for this hardware, and did nothing: %w", err)
	case exitReboot:
		return fmt.Errorf("it wants a reboot, and its Step does not say reboots: true: %w", err)
	default:
		return err
	}
}
