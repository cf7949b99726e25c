// Package steps holds the resolved steps of a host and their arguments: schemas are compiled and checked, references are
// replaced, lists of Workload and host become one order. Call Compile for each Step's args, Schema.Resolve for each use,
// and InsertSteps for what a host adds. Do not open secrets here: references to secrets stay in the arguments until the
// daemon hands a step out. The package is pure.
package steps

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Step is one entry of a host's resolved list.
type Step struct {
	Name string // of the Step, or install
	ID   string // "" where the name is the id
	// Script is nil for install, and for plug-ins.
	Script []byte
	// Plugins are the candidates of a step of plug-ins, in the order of the Step.
	Plugins []Plugin
	Seconds int // timeout of one attempt
	// Attempts of the step; 0 counts as 1.
	Attempts int
	// Once is set where an attempt that began, and did not end by itself, is not repeated.
	Once bool
	Arguments
	Needs schemas.Needs
	// Reboots is set for a step that is followed by one boot into the ramdisk.
	Reboots bool
	// Writes are the names of the disks that the script may write to.
	Writes []string
	// Mounts is set for a step that is shown the file systems of the written system.
	Mounts bool
	// Looks is set for a step that is no part of a workload's inputs: the step writes nothing.
	Looks bool
	// Image is what write-image writes. Where it is fetched from is no part of a workload's inputs.
	Image schemas.Image
	// Files are those that inject-files has from elsewhere. Where they are fetched from is no part of a workload's inputs.
	Files []schemas.Image
	// When are the conditions of the Step and of the entry: all must hold.
	When []Condition
	// From is the place of the entry in the file of the Workload or of the host. The zero From is the install of a
	// Workload without a list.
	From schemas.Position
	// Host is set for a step that the host adds.
	Host bool
}

// Condition is a condition in CEL, with the place where it is written.
type Condition struct {
	Text string
	From schemas.Position
}

// Key is the id of the step in the host's list.
func (s Step) Key() string { return cmp.Or(s.ID, s.Name) }

// WithoutPlace is the step without the places of its entry and of its conditions.
func (s Step) WithoutPlace() Step {
	s.From, s.Host = schemas.Position{}, false
	s.When = slices.Clone(s.When)
	for i := range s.When {
		s.When[i].From = schemas.Position{}
	}
	return s
}

// ListKeys lists the ids of steps.
func ListKeys(list []Step) (ids []string) {
	for _, s := range list {
		ids = append(ids, s.Key())
	}
	return ids
}

// FindStep gives the step of an id.
func FindStep(list []Step, id string) (Step, bool) {
	i := slices.IndexFunc(list, func(s Step) bool { return s.Key() == id })
	if i < 0 {
		return Step{}, false
	}
	return list[i], true
}

// Place is where a host adds a step: right after or right before the step with an id. One of both is "".
type Place struct{ After, Before string }

// Addition is a step that a host adds.
type Addition struct {
	Step  Step
	Place Place
}

// InsertSteps adds the steps of a host to the list of its Workload. Several steps at one place keep their order. An
// addition without its place in the list is left out, and its index is given back.
func InsertSteps(list []Step, additions []Addition) (all []Step, lost []int) {
	all = slices.Clone(list)
	after := map[string]string{} // ids of added steps, with the id that each stands behind
	for i, a := range additions {
		anchor := cmp.Or(a.Place.After, a.Place.Before)
		at := slices.IndexFunc(all, func(s Step) bool { return s.Key() == anchor })
		if at < 0 {
			lost = append(lost, i)
			continue
		}
		if a.Place.After != "" {
			after[a.Step.Key()] = anchor
			for at++; at < len(all) && after[all[at].Key()] == anchor; at++ {
			}
		}
		all = slices.Insert(all, at, a.Step)
	}
	return all, lost
}

// shownBytes is the most bytes of an argument that people are shown.
const shownBytes = 1000

// ListArgs gives the arguments by name for people, each as JSON on one line. A long one is cut.
func (s Step) ListArgs() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		text := encodeJSON(s.Args[name])
		if cut := strings.ToValidUTF8(text[:min(len(text), shownBytes)], ""); len(cut) < len(text) {
			text = fmt.Sprintf("%s… (%d bytes)", cut, len(text))
		}
		args = append(args, name+"="+text)
	}
	return args
}
