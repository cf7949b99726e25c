package steps

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// Plugin is a candidate of a step: an executable, by its digest.
type Plugin struct {
	Path   string // of a file in the commit; "" for a plug-in with a URL
	URL    string // "" for a file in the commit
	SHA256 string // hex
	Step   string // of the plug-in
	Body   []byte // of a file in the commit
}

// Place is the path, or the URL without its query, which may be secret.
func (p Plugin) Place() string {
	address, _, _ := strings.Cut(p.URL, "?")
	return cmp.Or(p.Path, address)
}

// Describe names a plug-in for people: its place, its digest, and its step.
func (p Plugin) Describe() string {
	return fmt.Sprintf("%s (sha256 %.12s) step %s", p.Place(), p.SHA256, p.Step)
}

// describeSeconds is how long the plug-ins of one step may take to describe themselves.
const describeSeconds = 5 * 60

// AddDescribe puts the step that asks the plug-ins of a list what they are in front of the list. A list without plug-ins
// stays as it is.
func AddDescribe(list []Step) []Step {
	count := 0
	for _, s := range list {
		if len(s.Plugins) > 0 {
			count++
		}
	}
	if count == 0 {
		return list
	}
	return append([]Step{{Name: schemas.StepDescribe, Looks: true, Seconds: count * describeSeconds}}, list...)
}

// Described is what a plug-in said of itself on the machine.
type Described struct {
	SHA256  string `json:"sha256"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Step    string `json:"step"`
	Support string `json:"support"` // vendor, mainline, generic or none
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Fetched is a file that the mirror must hold before a machine boots for a workload.
type Fetched struct {
	schemas.Image
	Step string // the Step that has the file as a plug-in; "" for the image
	// Written is set for the image of write-image, and Injected for a file of inject-files.
	Written, Injected bool
}

// ListFetched lists the files that the mirror must hold for a workload: the image, and of its steps the plug-ins and the
// files of inject-files that have a URL.
func ListFetched(image schemas.Image, list []Step) []Fetched {
	_, written := FindWritten(list)
	var all []Fetched
	if image.SHA256 != "" || image.URL != "" {
		all = append(all, Fetched{Image: image, Written: written})
	}
	for _, step := range list {
		for _, p := range step.Plugins {
			if p.URL != "" {
				all = append(all, Fetched{Image: schemas.Image{URL: p.URL, SHA256: p.SHA256}, Step: step.Name})
			}
		}
		for _, file := range step.Files {
			all = append(all, Fetched{Image: file, Injected: true})
		}
	}
	return all
}

// Fetches reports whether the mirror must hold a file with this digest for a workload.
func Fetches(image schemas.Image, list []Step, sha256 string) bool {
	return slices.ContainsFunc(ListFetched(image, list), func(f Fetched) bool { return f.SHA256 == sha256 })
}
