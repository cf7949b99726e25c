// Package work resolves a Workload with spec.run: its script, its items and its batch, from the files of one commit. Call
// Resolve. The package is pure; package load calls it, and checks the condition of the selector.
package work

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/schemas"
)

// maxArguments is the most bytes of the arguments of one run, as of a step.
const maxArguments = 256 << 10

// Resolved is a Workload with spec.run.
type Resolved struct {
	Work     runs.Work
	Findings []schemas.Finding
	Files    []string // that the Workload names
}

// resolver gathers what one Workload needs.
type resolver struct {
	files    map[string]inventory.File
	findings []schemas.Finding
	named    []string
}

func (l *resolver) addFindings(findings ...schemas.Finding) {
	l.findings = append(l.findings, findings...)
}

// Resolve resolves a Workload with spec.run from the files of a commit; false for any other Workload, and for one without
// a selector, which is reported already.
func Resolve(d schemas.Document, files map[string]inventory.File) (Resolved, bool) {
	spec := d.Workload.Spec
	if spec.Run == nil || spec.Hosts == nil {
		return Resolved{}, false
	}
	l := &resolver{files: files}
	w := l.resolve(d)
	return Resolved{Work: w, Findings: l.findings, Files: l.named}, true
}

func (l *resolver) resolve(d schemas.Document) runs.Work {
	spec := d.Workload.Spec
	r := *spec.Run
	w := runs.Work{Workload: d.Name, Replicas: spec.Replicas, MatchLabels: spec.Hosts.MatchLabels,
		When: spec.Hosts.When, Priority: spec.Priority, Paused: spec.Paused, Text: r.Batch, Path: r.Script, Args: r.Args,
		Completions: r.Completions, Retries: schemas.DefaultRetries, Keeps: r.WhenDone == schemas.WhenDonePowerOff,
		Results: readLimits(r.Results), Keep: readKeep(r.Results)}
	l.checkSelector(d, w.When)
	switch {
	case r.Boot != nil:
		w.Kernel = l.readKernel(d, *r.Boot)
	case r.ISO != nil:
		w.ISO = new(runs.Fetched(*r.ISO))
	default:
		w.Script = l.readRunScript(d, r.Script)
	}
	w.EndsWithOff = r.EndsWith == schemas.EndsWithPowerOff
	w.Items = l.readItems(d, r.Items)
	if w.Completions == 0 {
		w.Completions = cmp.Or(len(w.Items), w.Replicas)
	}
	if len(w.Items) > 0 && w.Completions > len(w.Items) {
		l.addFindings(d.ErrorAt("spec.run.completions", "leave it out", "%d items cannot succeed %d times: each succeeds once",
			len(w.Items), w.Completions))
	}
	w.Deadline, _ = time.ParseDuration(cmp.Or(r.Deadline, schemas.DefaultDeadline)) // package decode checked the text
	if r.Retries != nil {
		w.Retries = *r.Retries
	}
	if f := r.OnFailure; f != nil {
		if w.StopAfter = f.StopAfter; f.Continue != nil && !*f.Continue {
			w.StopAfter = 1
		}
	}
	l.checkRunArguments(d, w)
	parts := []string{"ingot batch v1", string(w.Script), mustJSON(w.Args), mustJSON(w.Items), mustJSON(w.Count()), w.Text}
	if w.Kernel != nil {
		parts = append(parts, w.Kernel.Digests()...)
	}
	if w.ISO != nil {
		parts = append(parts, "iso", w.ISO.SHA256)
	}
	w.Batch = "b" + inventory.Digest(parts...)
	return w
}

// checkSelector compiles the condition of the selector.
func (l *resolver) checkSelector(d schemas.Document, when string) {
	const field = "spec.hosts.when"
	if strings.TrimSpace(when) == "" || len(when) > schemas.MaxCondition {
		return // reported already where a condition was meant
	}
	if _, mistake := rules.NewCompiler().Compile(when); mistake != nil {
		l.addFindings(d.ErrorAt(field, "a condition sees facts, labels, vars, name and id",
			"line %d, column %d of the condition: %s", mistake.Line, mistake.Column, mistake.Message))
	}
}

// readLimits are the limits of spec.run.results, with the defaults.
func readLimits(r *schemas.RunResults) runs.Limits {
	limits := runs.Limits{MaxSize: runs.DefaultMaxSize, MaxFiles: runs.DefaultMaxFiles, Required: true}
	if r == nil {
		return limits
	}
	limits.Files, limits.MaxFiles = r.Files, cmp.Or(r.MaxFiles, limits.MaxFiles)
	if size, err := schemas.ParseSize(r.MaxSize); r.MaxSize != "" && err == nil {
		limits.MaxSize = int64(min(size, 1<<62))
	}
	if r.Required != nil {
		limits.Required = *r.Required
	}
	return limits
}

// readKeep reads how long spec.run.results.keep keeps results.
func readKeep(r *schemas.RunResults) (keep runs.Keep) {
	if r == nil || r.Keep == nil {
		return keep
	}
	keep.Age = time.Duration(r.Keep.Days) * 24 * time.Hour
	if size, err := schemas.ParseSize(r.Keep.Size); r.Keep.Size != "" && err == nil {
		keep.Size = int64(min(size, 1<<62))
	}
	return keep
}

// readRunScript reads the script of a Workload with run.
func (l *resolver) readRunScript(d schemas.Document, path string) []byte {
	const field = "spec.run.script"
	file, known := l.files[path]
	switch {
	case path == "":
	case !known:
		l.addFindings(d.ErrorAt(field, "", "there is no file %s in the commit", path))
	case len(file.Data) > schemas.MaxRunScript:
		l.addFindings(d.ErrorAt(field, "", "%s has %d bytes, at most %d are delivered", path, len(file.Data), schemas.MaxRunScript))
	default:
		if why, mend := schemas.WhyNotScript(path, file.Data); why != "" {
			l.addFindings(d.ErrorAt(field, mend, "%s", why))
		}
	}
	l.named = append(l.named, path)
	return file.Data
}

// readItems gives the arguments of the single runs.
func (l *resolver) readItems(d schemas.Document, items *schemas.RunItems) []map[string]any {
	switch {
	case items == nil:
		return nil
	case items.Range != nil:
		var list []map[string]any
		for n := items.Range.From; n <= items.Range.To && len(list) < schemas.MaxRunItems; n++ {
			list = append(list, map[string]any{"item": n})
		}
		return list
	case items.File != "":
		list, err := readLines(l.files, items.File)
		if err != nil {
			l.addFindings(d.ErrorAt("spec.run.items.file", "a JSON object in each line", "%v", err))
		}
		l.named = append(l.named, items.File)
		return list
	default:
		return items.List
	}
}

// readLines reads a file with a JSON object in each line.
func readLines(files map[string]inventory.File, path string) (list []map[string]any, err error) {
	file, known := files[path]
	if !known {
		return nil, fmt.Errorf("there is no file %s in the commit", path)
	}
	if len(file.Data) > schemas.MaxItemsFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", path, len(file.Data), schemas.MaxItemsFile)
	}
	number := 0
	for line := range strings.Lines(string(file.Data)) {
		if number++; strings.TrimSpace(line) == "" {
			continue
		}
		var item map[string]any
		if err := json.Unmarshal([]byte(line), &item); err != nil || item == nil {
			return nil, fmt.Errorf("%s:%d is no JSON object", path, number)
		}
		if list = append(list, item); len(list) > schemas.MaxRunItems {
			return nil, fmt.Errorf("%s has more than %d items", path, schemas.MaxRunItems)
		}
	}
	if len(list) == 0 {
		return nil, errors.New(path + " has no items")
	}
	return list, nil
}

// checkRunArguments reports arguments that are too large, or hold references: those are not supported yet.
func (l *resolver) checkRunArguments(d schemas.Document, w runs.Work) {
	if len(refs.FindReferences(mustJSON(w.Args)+mustJSON(w.Items))) > 0 {
		l.addFindings(d.ErrorAt("spec.run.args", "write the value", "not supported yet: ${…} in the arguments of a run"))
	}
	largest := 0
	for item := range max(1, len(w.Items)) {
		largest = max(largest, len(mustJSON(w.Arguments(item))))
	}
	if largest > maxArguments {
		l.addFindings(d.ErrorAt("spec.run.args", "", "the arguments of a run have %d bytes, at most %d are delivered", largest,
			maxArguments))
	}
}

func mustJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		panic("work: " + err.Error()) // values of YAML and JSON
	}
	return string(body)
}
