package admit

import (
	"slices"
	"strings"
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
