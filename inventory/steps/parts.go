package steps

import (
	"encoding/json"
	"strings"
)

// ListParts lists what counts of the steps. A list without arguments and conditions is written as by ingot 4176809.
// No name of a step begins like the part for arguments, disks, the system or a condition.
func ListParts(list []Step) []string {
	var parts []string
	for _, s := range list {
		if s.Looks {
			continue
		}
		parts = append(append(parts, s.Name, string(s.Script)), listPluginParts(s)...)
		if len(s.Args) > 0 {
			parts = append(parts, "args "+mustJSON(s.Args)+mustJSON(s.Secrets))
		}
		if len(s.Writes) > 0 {
			parts = append(parts, "writes "+mustJSON(s.Writes))
		}
		if s.Mounts {
			parts = append(parts, "mounts system")
		}
		for _, condition := range s.When {
			parts = append(parts, "when "+strings.TrimSpace(condition.Text))
		}
	}
	return parts
}

// listPluginParts lists what counts of the plug-ins of a step that is part of the inputs: the digests and the steps, in
// their order. Where a plug-in comes from does not count.
func listPluginParts(s Step) (parts []string) {
	for _, p := range s.Plugins {
		parts = append(parts, "plug-in "+p.SHA256+" "+p.Step)
	}
	return parts
}

// mustJSON encodes values that cannot fail: arguments, and lists of texts. Maps come out sorted by key.
func mustJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		panic("steps: " + err.Error()) // arguments were read from JSON
	}
	return string(body)
}
