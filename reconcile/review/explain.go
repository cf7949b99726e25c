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

// explain says in words what the planner, which has digests only, says of the parts of a workload: where the machine runs what the base asks for,
// the two commits show what differs. Where nothing was installed yet they show what is installed instead of what the base asks for.
func explain(why []string, before, after inventory.Desired, record inventory.Record) []string {
	was, is := before.Workload, after.Workload
	if was == nil || is == nil {
		return why
	}
	if record.Installed == nil {
		return append(slices.Clone(why), differences(before, after)...)
	}
	var all []string
	for _, line := range why {
		part, _, _ := strings.Cut(line, " ")
		words := []string{line}
		if have, ok := record.Installed.Parts[part]; ok && have == was.Parts[part] {
			words = inWords(part, before, after)
		}
		if len(words) == 0 {
			words = []string{line}
		}
		all = append(all, words...)
	}
	return all
}

// differences says how the parts of two workloads differ.
func differences(before, after inventory.Desired) []string {
	was, is := before.Workload.Parts, after.Workload.Parts
	var all []string
	for _, part := range slices.Sorted(maps.Keys(joined(was, is))) {
		if was[part] == is[part] {
			continue
		}
		words := inWords(part, before, after)
		if len(words) == 0 {
			words = []string{part + " changed"}
		}
		all = append(all, words...)
	}
	return all
}

// inWords says how one part differs; none when it cannot tell.
func inWords(part string, before, after inventory.Desired) []string {
	was, is := before.Workload, after.Workload
	switch part {
	case "image":
		return []string{fmt.Sprintf("image %s → %s", image(was), image(is))}
	case "kernelArguments":
		return lists("kernel argument", was.KernelArguments, is.KernelArguments)
	case "vars":
		if was.Butane == nil || is.Butane == nil {
			return nil
		}
		return values("vars.", was.Butane.Vars, is.Butane.Vars)
	case "butane":
		if was.Butane == nil || is.Butane == nil {
			return nil
		}
		return files(was.Butane, is.Butane)
	case "rootDisk":
		return []string{fmt.Sprintf("rootDisk %s → %s", asJSON(before.RootDisk), asJSON(after.RootDisk))}
	default:
		return nil
	}
}

// image is its digest and the name of its file.
func image(w *inventory.Workload) string {
	if w.Image.URL == "" {
		return fmt.Sprintf("%.12s", w.Parts["image"])
	}
	return fmt.Sprintf("%.12s (%s)", w.Parts["image"], path.Base(w.Image.URL))
}

// lists tells what was taken out of a list and what was added; when neither, its order changed.
func lists(what string, was, is []string) []string {
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

func values(prefix string, was, is map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(joined(was, is))) {
		if was[name] != is[name] {
			all = append(all, fmt.Sprintf("%s%s %q → %q", prefix, name, was[name], is[name]))
		}
	}
	return all
}

// files tells which files of a Butane config differ, itself among them.
func files(was, is *inventory.Butane) []string {
	var all []string
	if was.Path != is.Path || !bytes.Equal(was.Source, is.Source) {
		all = append(all, is.Path+" changed")
	}
	for _, name := range slices.Sorted(maps.Keys(joined(was.Files, is.Files))) {
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

// joined has the keys of both.
func joined[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return all
}

func asJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(body)
}
