package steps

import (
	"path/filepath"
	"strconv"

	"github.com/gitmetal/ingot/agent/wire"
)

// Places are the directories of a run, in RAM.
type Places struct {
	Inputs  string // files for the script, which it cannot change
	Results string // for what the script leaves, empty, and writable for everybody
	// Size is the most bytes of Results. They come on top of the memory that the script may use: the kernel counts the
	// pages of a file in RAM for the process that writes the file.
	Size uint64
}

// SystemDir is a mounted file system of the written system, and where below its root the file system belongs: "" for the
// root.
type SystemDir struct{ Dir, Below string }

// Where a service sees the directories of its run, and the written system.
const (
	inputsFor  = "/run/ingot/inputs"
	resultsFor = "/run/ingot/results"
	systemFor  = "/run/ingot/system"
)

// systemBinds are the properties that show a service the written system.
func (s service) systemBinds() (properties []string) {
	for _, dir := range s.system {
		properties = append(properties, "BindPaths="+dir.Dir+":"+filepath.Join(systemFor, dir.Below))
	}
	return properties
}

// seenSystem is the path under which a script sees the written system; "" for a script that is not shown the system.
func (r ScriptRun) seenSystem() string {
	if len(r.System) == 0 {
		return ""
	}
	return r.Apart.seen(r.System[0].Dir, systemFor)
}

// binds are the properties that show a service the directories of its run.
func (p Places) binds() (properties []string) {
	if p.Inputs != "" {
		properties = append(properties, "BindReadOnlyPaths="+p.Inputs+":"+inputsFor)
	}
	if p.Results != "" {
		properties = append(properties, "BindPaths="+p.Results+":"+resultsFor)
	}
	return properties
}

// seen is the path under which a script sees a directory: the service's, or without isolation the directory itself.
func (i Isolation) seen(dir, inService string) string {
	if dir == "" || i.Run == "" {
		return dir
	}
	return inService
}

// describeExecution gives the variables by which a script knows its run.
func (i Isolation) describeExecution(run *wire.RunExecution, p Places) []string {
	if run == nil {
		return nil
	}
	return []string{
		"INGOT_RUN=" + run.Run, "INGOT_WORKLOAD=" + run.Workload, "INGOT_BATCH=" + run.Batch,
		"INGOT_ITEM=" + strconv.Itoa(run.Item), "INGOT_ATTEMPT=" + strconv.Itoa(run.Attempt),
		"INGOT_INPUTS=" + i.seen(p.Inputs, inputsFor), "INGOT_RESULTS=" + i.seen(p.Results, resultsFor),
	}
}
