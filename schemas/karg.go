package schemas

import (
	"slices"
	"strings"
)

// configArguments are the kernel arguments that make Ignition fetch another config than the installed one. Sources:
// Ignition, "internal/providers/cmdline"; Flatcar, whose initial RAM disk translates the older names.
var configArguments = []string{"ignition.config.url", "flatcar.config.url", "coreos.config.url"}

// ReplacesConfig reports whether kernel arguments make Ignition ignore the config that ingot delivers, and names the
// first such argument.
func ReplacesConfig(arguments string) (name string, replaces bool) {
	for _, argument := range strings.Fields(arguments) {
		if name, _, _ := strings.Cut(argument, "="); slices.Contains(configArguments, name) {
			return name, true
		}
	}
	return "", false
}
