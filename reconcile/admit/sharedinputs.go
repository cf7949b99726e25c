package admit

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// SharedInputs names what all hosts of a workload install alike: the inputs without a host's vars and root disk.
// Failures of one workload are counted by this name.
func SharedInputs(workload string, parts map[string]string) string {
	var room [16]string // every look asks
	names, size := room[:0], len(workload)
	for name, value := range parts {
		if name != "vars" && name != "rootDisk" {
			names, size = append(names, name), size+len(name)+len(value)+2
		}
	}
	slices.Sort(names)
	var shared strings.Builder
	shared.Grow(size)
	shared.WriteString(workload)
	for _, name := range names {
		shared.WriteString(" ")
		shared.WriteString(name)
		shared.WriteString("=")
		shared.WriteString(parts[name])
	}
	return shared.String()
}

// ListInputs gives the shared inputs of a workload's hosts, each once; false for a workload that no host runs. Hosts of
// different rings may run different versions of a workload.
func ListInputs(hosts map[inventory.MachineID]inventory.Desired, workload string) (inputs []string, known bool) {
	for _, d := range hosts {
		if d.Workload != nil && d.Workload.Name == workload {
			inputs = append(inputs, SharedInputs(workload, d.Workload.Parts))
		}
	}
	slices.Sort(inputs)
	return slices.Compact(inputs), len(inputs) > 0
}
