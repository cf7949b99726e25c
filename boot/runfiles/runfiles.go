// Package runfiles makes what a kernel of one's own is told of its run: arguments of the kernel, and the files of an initrd.
// Fill a Run, and call Arguments and Files. The same values give the same bytes.
//
//	/ingot.env    the values of the run, for `. /ingot.env` in a shell; it holds the token
//	/ingot.json   the same as one document, with all arguments and the machine, without the token
//	…             the files of the Workload
package runfiles

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/configdrive"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Run is a run on a machine.
type Run struct {
	Run     runs.Run
	Work    runs.Work         // with a Kernel
	Machine inventory.Desired // name, labels, vars
	URL     string            // below which the run uploads
	Token   secret.Value      // of the run
	Pin     string            // of the key behind the URL, as curl takes it
}

// Paths of what every kernel is told.
const (
	envPath  = "/ingot.env"
	jsonPath = "/ingot.json"
)

// document is /ingot.json.
type document struct {
	Run      string         `json:"run"`
	Workload string         `json:"workload"`
	Batch    string         `json:"batch"`
	Item     int            `json:"item"`
	Attempt  int            `json:"attempt"`
	Machine  machine        `json:"machine"`
	Args     map[string]any `json:"args,omitempty"`
}

type machine struct {
	ID     inventory.MachineID `json:"id"`
	Name   string              `json:"name"`
	Labels map[string]string   `json:"labels,omitempty"`
	Vars   map[string]string   `json:"vars,omitempty"`
}

// Arguments are the arguments of the kernel. Linux gives its first process the last three as variables.
func (r Run) Arguments() []string {
	all := append([]string{}, r.Work.Kernel.Arguments...)
	if r.Work.Kernel.HidesToken {
		return all
	}
	return append(all, "INGOT_URL="+r.URL, "INGOT_TOKEN="+r.Token.Reveal(), "INGOT_PIN="+r.Pin)
}

// Files are the files of the run's initrd. The error says what is missing on the machine, in words a person can act on.
func (r Run) Files() ([]media.File, error) {
	args := r.Work.Arguments(r.Run.Item)
	body, err := json.MarshalIndent(document{Run: r.Run.ID, Workload: r.Run.Workload, Batch: r.Run.Batch, Item: r.Run.Item,
		Attempt: r.Run.Attempt, Args: args, Machine: machine{r.Machine.ID, r.Machine.Name, r.Machine.Labels, r.Machine.Vars}}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("the arguments of item %d of workload %s: %w", r.Run.Item, r.Run.Workload, err)
	}
	env, err := configdrive.WriteEnv(r.variables(args))
	if err != nil {
		return nil, fmt.Errorf("the variables of workload %s: %w", r.Run.Workload, err)
	}
	files := []media.File{{Path: envPath, Mode: 0o600, Data: env}, {Path: jsonPath, Mode: 0o644, Data: append(body, '\n')}}
	for _, file := range r.Work.Kernel.Files {
		text, err := refs.ReplaceInText(file.Content, func(ref refs.Ref) (string, error) {
			value, has := r.Machine.Vars[ref.Var]
			if !has {
				return "", fmt.Errorf("the machine has no spec.vars.%s, and the file %s of workload %s uses it", ref.Var, file.Path, r.Run.Workload)
			}
			return value, nil
		})
		if err != nil {
			return nil, err
		}
		files = append(files, media.File{Path: file.Path, Mode: file.Mode, Data: []byte(text)})
	}
	return files, nil
}

// variables are those of /ingot.env. An argument that is a list or a map, or that no line of a shell can hold, is in
// /ingot.json alone.
func (r Run) variables(args map[string]any) map[string]string {
	all := map[string]string{"INGOT_URL": r.URL, "INGOT_TOKEN": r.Token.Reveal(), "INGOT_PIN": r.Pin, "INGOT_RUN": r.Run.ID,
		"INGOT_WORKLOAD": r.Run.Workload, "INGOT_BATCH": r.Run.Batch, "INGOT_ITEM": strconv.Itoa(r.Run.Item),
		"INGOT_ATTEMPT": strconv.Itoa(r.Run.Attempt), "INGOT_MACHINE": r.Machine.Name}
	for name, value := range args {
		text := ""
		switch value := value.(type) {
		case string:
			text = value
		case bool, int, int64, uint64, float64, json.Number:
			body, _ := json.Marshal(value) // plain values
			text = string(body)
		default:
			continue
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			all[wire.ArgumentVariable(name)] = text
		}
	}
	return all
}
