// Package joblogs keeps what the steps of operations said, and what was collected when a step failed, as files below the
// daemon's state directory.
//
// New makes a Store. Store.Run records the output of jobs as it comes, and sweeps; Store.ServeLog takes the texts that
// agents send; Store.AddRoutes answers the command line, which reads with a Client. Every text is masked before it is
// written. Do not keep decisions here: a lost directory loses no knowledge of a machine.
//
//	<machine>/<operation>/<step>-<attempt>.log      the output of a step, each line with the time at which it came
//	<machine>/<operation>/<step>-<attempt>.<name>   a text that the agent sent when the step failed, or in the step collect-logs
//	<machine>/<operation>/console.log               the serial console, when the operation was given up
package joblogs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/cause"
)

// Config of a Store. Dir and Secrets are required.
type Config struct {
	Dir     string
	Secrets *console.Secrets // masked in what agents send
	// StepName gives the name of a step of a machine's operation, by its number from 1; "" where it is not known.
	StepName func(machine inventory.MachineID, operation string, number int) string
	// Console gives what is kept of a machine's serial console, masked. Default: nothing.
	Console func(machine inventory.MachineID) (string, error)
	Keep    Keep
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default: nothing
}

// Store is a directory with logs. The methods are safe for concurrent use.
type Store struct {
	config Config
	taking chan struct{} // a place for each text that is taken at a time

	mu sync.Mutex // of changes of files
}

// New makes a Store over a directory, which need not be there.
func New(c Config) *Store {
	if c.StepName == nil {
		c.StepName = func(inventory.MachineID, string, int) string { return "" }
	}
	if c.Console == nil {
		c.Console = func(inventory.MachineID) (string, error) { return "", nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{config: c, taking: make(chan struct{}, takenAtOnce)}
}

// maxStepOutput is the most bytes of the output of one step that are kept.
const maxStepOutput = 1 << 20

// consoleFile is the name of the serial console among the files of an operation.
const consoleFile = "console.log"

// Grammars of the parts of a path, and of the names that agents choose.
var (
	idGrammar   = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]{0,252}$`)
	stepGrammar = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	nameGrammar = regexp.MustCompile(`^[a-z]{1,16}\.(log|txt|json)$`)
	fileGrammar = regexp.MustCompile(`^([a-z0-9][-a-z0-9]{0,62})-([0-9]{1,9})\.([a-z]{1,16}\.)?(log|txt|json)$`)
)

// attempt is one attempt of a step of an operation on a machine.
type attempt struct {
	machine   inventory.MachineID
	operation string
	step      string
	number    int
}

// findAttempt gives the attempt behind a job, whose id is <operation>.<step from 1>.<attempt>; false for other jobs, as
// those of ephemeral runs, which have results.
func (s *Store) findAttempt(machine inventory.MachineID, job string) (a attempt, found bool) {
	parts := strings.Split(job, ".")
	if len(parts) != 3 || !idGrammar.MatchString(string(machine)) || !idGrammar.MatchString(parts[0]) {
		return a, false
	}
	step, err := strconv.ParseUint(parts[1], 10, 16)
	number, bad := strconv.ParseUint(parts[2], 10, 16)
	if err != nil || bad != nil {
		return a, false
	}
	name := s.config.StepName(machine, parts[0], int(step))
	if !stepGrammar.MatchString(name) {
		name = fmt.Sprintf("step-%d", step)
	}
	return attempt{machine: machine, operation: parts[0], step: name, number: int(number)}, true
}

func (a attempt) prefix() string { return fmt.Sprintf("%s-%d", a.step, a.number) }

// dirOf is the directory of an operation.
func (s *Store) dirOf(machine inventory.MachineID, operation string) string {
	return filepath.Join(s.config.Dir, string(machine), operation)
}

// appendLines adds masked lines to the output of a step, up to maxStepOutput.
func (s *Store) appendLines(a attempt, lines []string) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := s.dirOf(a.machine, a.operation)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, a.prefix()+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil || info.Size() >= maxStepOutput {
		return err
	}
	at := s.config.Now().UTC().Format(time.RFC3339)
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "%s %s\n", at, line)
		if info.Size()+int64(text.Len()) >= maxStepOutput {
			text.WriteString("more output is not kept\n")
			break
		}
	}
	_, err = file.WriteString(text.String())
	return err
}

// Operation is an operation of which something is kept.
type Operation struct {
	ID    string `json:"id"`
	Files []File `json:"files"` // the oldest first
}

// File is a kept file.
type File struct {
	Name string `json:"name"`
	// Step and Attempt are "" and 0 for the serial console.
	Step    string    `json:"step,omitempty"`
	Attempt int       `json:"attempt,omitempty"`
	Output  bool      `json:"output,omitempty"` // the output of the step as it came; else a collected text
	Size    int64     `json:"size"`             // bytes
	At      time.Time `json:"at"`               // of the last write
}

// Collected lists the collected texts of an operation: those that an agent sent, and the serial console.
func (o Operation) Collected() (files []File) {
	for _, f := range o.Files {
		if !f.Output {
			files = append(files, f)
		}
	}
	return files
}

// newest is the time of the last write.
func (o Operation) newest() (at time.Time) {
	for _, f := range o.Files {
		if f.At.After(at) {
			at = f.At
		}
	}
	return at
}

// ListOperations lists what is kept of a machine, the newest operation first.
func (s *Store) ListOperations(machine inventory.MachineID) (list []Operation, err error) {
	if !idGrammar.MatchString(string(machine)) {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.config.Dir, string(machine)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the logs of %s: %w", machine, err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || !idGrammar.MatchString(entry.Name()) {
			continue
		}
		files, err := listFiles(s.dirOf(machine, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("list the logs of %s: %w", machine, err)
		}
		if len(files) > 0 {
			list = append(list, Operation{ID: entry.Name(), Files: files})
		}
	}
	slices.SortFunc(list, func(a, b Operation) int { return b.newest().Compare(a.newest()) })
	return list, nil
}

// listFiles lists the files of an operation's directory. Other files, such as one that is being written, are no logs.
func listFiles(dir string) (files []File, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		parts := fileGrammar.FindStringSubmatch(entry.Name())
		info, err := entry.Info()
		if err != nil || parts == nil && entry.Name() != consoleFile {
			continue // swept meanwhile, or no log
		}
		file := File{Name: entry.Name(), Size: info.Size(), At: info.ModTime().UTC()}
		if parts != nil {
			file.Step, file.Output = parts[1], parts[3] == ""
			file.Attempt, _ = strconv.Atoi(parts[2]) // digits
		}
		files = append(files, file)
	}
	slices.SortStableFunc(files, func(a, b File) int { return a.At.Compare(b.At) })
	return files, nil
}

// Evidence says which texts were collected of the operation of a host that is under way, or else of the last one.
func (s *Store) Evidence(h reconcile.HostView) (list []cause.Evidence) {
	op := cmp.Or(h.Observed.Record.Operation, h.Observed.Record.Last)
	if op == nil {
		return nil
	}
	all, err := s.ListOperations(h.ID)
	if err != nil {
		return []cause.Evidence{{Of: cause.OfLogs, Text: err.Error()}}
	}
	for _, kept := range all {
		for _, bundle := range kept.bundles() {
			if kept.ID != op.ID {
				continue
			}
			last := bundle[len(bundle)-1]
			list = append(list, cause.Evidence{Of: cause.OfLogs, At: last.At, Text: fmt.Sprintf(
				"%d texts of step %s, attempt %d, are kept: `ingot logs %s --list`", len(bundle), last.Step, last.Attempt,
				cmp.Or(h.Name, "id:"+string(h.ID)))})
		}
	}
	return list
}
