package steps

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// KeptPlugin is a plug-in in RAM: one file for describe and for every run, which only the agent can write.
type KeptPlugin struct {
	dir  string
	step string            // of the plug-in
	sum  [sha256.Size]byte // of the bytes that were described
}

// KeepPlugin keeps a plug-in in RAM until Remove.
func KeepPlugin(apart Isolation, p wire.Plugin) (*KeptPlugin, error) {
	if err := os.MkdirAll(apart.scriptsDir(), 0o755); err != nil {
		return nil, fmt.Errorf("keep plug-in %s: %w", p.Name, err)
	}
	dir, err := os.MkdirTemp(apart.scriptsDir(), "ingot-plugin-")
	if err != nil {
		return nil, fmt.Errorf("keep plug-in %s: %w", p.Name, err)
	}
	k := &KeptPlugin{dir: dir, step: p.Step, sum: sha256.Sum256(p.Body)}
	if err := writeProgram(k.file(), p.Body); err != nil {
		return nil, errors.Join(fmt.Errorf("keep plug-in %s: %w", p.Name, err), k.Remove())
	}
	return k, nil
}

// ForStep is the same plug-in for another of its steps.
func (k *KeptPlugin) ForStep(step string) *KeptPlugin {
	next := *k
	next.step = step
	return &next
}

func (k *KeptPlugin) file() string { return filepath.Join(k.dir, "plugin") }

// Remove frees the RAM.
func (k *KeptPlugin) Remove() error { return os.RemoveAll(k.dir) }

// verify refuses a file that does not hold the bytes that were kept.
func (k *KeptPlugin) verify() error {
	file, err := os.Open(k.file())
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), k.sum[:]) {
		return errors.New("the plug-in in RAM is not the one that was described")
	}
	return nil
}

// placeProgram puts the script or the plug-in where its service finds it. The file of a plug-in is linked, so that what
// was described is what runs.
func (r ScriptRun) placeProgram(file string) error {
	if r.Plugin == nil {
		return writeProgram(file, r.Script.Body)
	}
	if err := r.Plugin.verify(); err != nil {
		return err
	}
	return os.Link(r.Plugin.file(), file)
}

// listWords are the words behind the name of the program: the Step of a script, or run and the step of a plug-in.
func (r ScriptRun) listWords(run wire.Run) []string {
	switch {
	case r.Plugin != nil:
		return []string{"run", r.Plugin.step}
	case run.Step != "":
		return []string{run.Step}
	default:
		return nil
	}
}

// Limits of describe.
const (
	describeTimeout = 30 * time.Second
	maxDescription  = 64 << 10 // bytes
)

// DescribePlugin asks the plug-in of a run what it is: no disks, no network, no secrets. It gives the plug-in's answer,
// unread. Standard error is reported as lines.
func DescribePlugin(ctx context.Context, r ScriptRun) ([]byte, error) {
	document, err := r.describeDocument()
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, r.Apart.patience(describeTimeout))
	defer cancel()
	dir, err := os.MkdirTemp(r.Apart.scriptsDir(), "ingot-step-")
	if err != nil {
		return nil, fmt.Errorf("keep the plug-in: %w", err)
	}
	defer os.RemoveAll(dir)
	s := service{file: filepath.Join(dir, "script"), timeout: describeTimeout, work: r.Apart.workDir(dir)}
	if err := r.placeProgram(s.file); err != nil {
		return nil, fmt.Errorf("keep the plug-in: %w", err)
	}
	defer r.Apart.endService(s)
	said := answer{}
	_, err = runProgram(limited, program{argv: append(r.Apart.arguments(s), "describe"), dir: dir, input: document,
		report: r.Report, whole: said.read})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && limited.Err() != nil:
		return nil, fmt.Errorf("it did not end within %s", describeTimeout)
	case err != nil:
		return nil, r.Apart.readEnd(limited, s, err)
	case said.tooLong:
		return nil, fmt.Errorf("its answer has more than %d bytes", maxDescription)
	}
	return said.body, nil
}

// describeDocument is what a plug-in gets on standard input.
func (r ScriptRun) describeDocument() ([]byte, error) {
	machine := wire.DescribeMachine{Labels: map[string]string{}, Facts: r.Facts}
	if run := r.Script.Run; run != nil {
		machine.ID, machine.Name = run.Machine.ID, run.Machine.Name
		if run.Machine.Labels != nil {
			machine.Labels = run.Machine.Labels
		}
	}
	document, err := json.Marshal(wire.DescribeDocument{Protocol: wire.RunProtocol, Machine: machine})
	if err != nil {
		return nil, fmt.Errorf("describe the machine: %w", err)
	}
	return append(document, '\n'), nil
}

// answer is the standard output of describe. The rest of an answer that is too long is read, and dropped.
type answer struct {
	body    []byte
	tooLong bool
}

func (a *answer) read(r io.Reader) {
	a.body, _ = io.ReadAll(io.LimitReader(r, maxDescription+1)) // what was read before an error is judged
	if a.tooLong = len(a.body) > maxDescription; a.tooLong {
		_, _ = io.Copy(io.Discard, r)
	}
}

// IsNotForHardware reports whether a program ended with the word that it is not for this hardware, and did nothing.
func IsNotForHardware(err error) bool { return exitCode(err) == exitNotFor }
