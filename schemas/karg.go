package schemas

import (
	"slices"
	"strings"
)

// configArguments are the kernel arguments by which Ignition takes a config from elsewhere instead of the one that was installed with the system. Sources:
// Ignition, "internal/providers/cmdline"; Flatcar, whose initial RAM disk translates the older names.
var configArguments = []string{"ignition.config.url", "flatcar.config.url", "coreos.config.url"}

// ReplacesConfig reports whether kernel arguments would have Ignition ignore the config that ingot delivers, and gives the name of the first that would.
func ReplacesConfig(arguments string) (name string, is bool) {
	for _, argument := range strings.Fields(arguments) {
		if name, _, _ := strings.Cut(argument, "="); slices.Contains(configArguments, name) {
			return name, true
		}
	}
	return "", false
}
