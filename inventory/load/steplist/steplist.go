// Package steplist reads the Steps of a tree, and resolves the list of steps that each host runs: the Workload's list,
// the steps that the host adds, arguments with the host's vars, plug-ins, disks by name. The package is pure.
//
// Call Reader.ReadTree once for a tree, Reader.ListEntries once for each Workload, and then Reader.ResolveSteps for each
// host. Mistakes are reported, never returned: use what is returned only when no finding is an Error.
package steplist

import (
	"encoding/json"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/schemas"
)

// Reader reads the lists of steps of a fleet.
type Reader struct {
	// Report takes the findings. The same finding may come more than once.
	Report  func(...schemas.Finding)
	Secrets map[string]inventory.Sealed // of the fleet, by name
	// IsOutOfScope reports whether a host may not use a Secret.
	IsOutOfScope func(inventory.Sealed, schemas.Document) bool
	// SealedLength gives the bytes of a secret that is there, as the fleet holds the secret.
	SealedLength func(refs.Secret) int
	conditions   *rules.Compiler // nil before the first condition
}

// Source is what a tree has for its steps.
type Source struct {
	Steps map[string]schemas.Document // by name
	// UseFile gives a file that a Step names, and reports a file that no machine should get.
	UseFile func(file string) (data []byte, has, usable bool)
	// ReadFile is UseFile for a file in which references are replaced.
	ReadFile func(file string) (data []byte, has, usable bool)
}

// Tree is a tree whose Steps were read.
type Tree struct {
	prepared map[string]preparedStep // Steps by name
	readFile func(file string) (data []byte, has, usable bool)
}

// mustJSON encodes arguments, which cannot fail.
func mustJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(body)
}
