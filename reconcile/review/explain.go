package review

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// explainParts words the planner's reasons, which have digests only. Where the machine runs what the base asks for,
// the difference of the two commits explains a changed part. Before an install, the difference shows what is installed
// instead of the base's workload. Where nothing explains a part, its digests tell a person nothing.
func explainParts(why []string, before, after inventory.Desired, record inventory.Record) []string {
	was, is := before.Workload, after.Workload
	if was == nil || is == nil {
		return why
	}
	if record.Installed == nil {
		return append(slices.Clone(why), listDifferences(before, after)...)
	}
	var all []string
	for _, line := range why {
		part, _, _ := strings.Cut(line, " ")
		words := []string{line}
		if have, ok := record.Installed.Parts[part]; ok && have == was.Parts[part] {
			words = describePart(part, before, after)
		}
		if len(words) == 0 {
			words = []string{line}
		}
		if digests := strings.Contains(line, " → ") && part != "image" && part != "workload"; digests && words[0] == line {
			words = []string{part + " differs from the installed system's"}
		}
		all = append(all, words...)
	}
	return all
}

// listDifferences says how the parts of two workloads differ.
func listDifferences(before, after inventory.Desired) []string {
	was, is := before.Workload.Parts, after.Workload.Parts
	var all []string
	for _, part := range slices.Sorted(maps.Keys(joinKeys(was, is))) {
		if was[part] == is[part] || part == "butane" && before.Workload.Made().IsSpelling(after.Workload.Made()) {
			continue
		}
		words := describePart(part, before, after)
		if len(words) == 0 {
			words = []string{part + " changed"}
		}
		all = append(all, words...)
	}
	return all
}

// describePart says how one part differs; none when the commits do not tell.
func describePart(part string, before, after inventory.Desired) []string {
	was, is := before.Workload, after.Workload
	switch part {
	case "image":
		return []string{fmt.Sprintf("image %s → %s", describeImage(was), describeImage(is))}
	case "kernelArguments":
		return compareLists("kernel argument", was.KernelArguments, is.KernelArguments)
	case "vars":
		if was.Butane == nil || is.Butane == nil {
			return nil
		}
		return compareValues("vars.", was.Butane.Vars, is.Butane.Vars)
	case "butane":
		if was.Butane == nil || is.Butane == nil {
			return nil
		}
		return compareFiles(was.Butane, is.Butane)
	case "steps":
		return compareSteps(was.Steps, is.Steps)
	case "disks":
		return []string{"the disks that steps write to are named otherwise"}
	case "rootDisk":
		return []string{fmt.Sprintf("rootDisk %s → %s", encodeJSON(before.RootDisk), encodeJSON(after.RootDisk))}
	default:
		return nil
	}
}

// describeImage gives the image's digest and file name.
func describeImage(w *inventory.Workload) string {
	if w.Image.URL == "" {
		return fmt.Sprintf("%.12s", w.Parts["image"])
	}
	return fmt.Sprintf("%.12s (%s)", w.Parts["image"], path.Base(w.Image.URL))
}

// compareLists says which items were removed and added; else that the order changed.
func compareLists(what string, was, is []string) []string {
	var all []string
	for _, item := range was {
		if !slices.Contains(is, item) {
			all = append(all, fmt.Sprintf("%s %s is taken out", what, item))
		}
	}
	for _, item := range is {
		if !slices.Contains(was, item) {
			all = append(all, fmt.Sprintf("%s %s is added", what, item))
		}
	}
	if len(all) == 0 {
		all = append(all, what+"s are in another order: "+strings.Join(is, " "))
	}
	return all
}

func compareValues(prefix string, was, is map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(joinKeys(was, is))) {
		if was[name] != is[name] {
			all = append(all, fmt.Sprintf("%s%s %q → %q", prefix, name, was[name], is[name]))
		}
	}
	return all
}

// compareFiles says which files of a Butane config differ, the config itself included. The name of the config alone is no
// difference.
func compareFiles(was, is *inventory.Butane) []string {
	var all []string
	switch renamed := was.Path != is.Path; {
	case !bytes.Equal(was.Source, is.Source) && renamed:
		all = append(all, fmt.Sprintf("%s changed, which was %s", is.Path, was.Path))
	case !bytes.Equal(was.Source, is.Source):
		all = append(all, is.Path+" changed")
	}
	for _, name := range slices.Sorted(maps.Keys(joinKeys(was.Files, is.Files))) {
		before, had := was.Files[name]
		after, has := is.Files[name]
		file := path.Join(path.Dir(is.Path), name)
		switch {
		case !had:
			all = append(all, file+" is added")
		case !has:
			all = append(all, file+" is taken out")
		case !bytes.Equal(before, after) || was.Executable[name] != is.Executable[name]:
			all = append(all, file+" changed")
		}
	}
	return all
}

// joinKeys gives a map with the keys of both maps.
func joinKeys[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return all
}

func encodeJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(body)
}
