package load

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// digestParts gives the digests of what an installed host can differ by. The names of the parts and how the digests are
// made never change: a change would reinstall every fleet. URLs, labels, comments outside Butane, timeouts and
// ciphertext are in no part.
func digestParts(w *inventory.Workload, blobs []string, spec schemas.HostSpec) map[string]string {
	p := map[string]string{
		"image":           w.Image.SHA256,
		"kernelArguments": inventory.Digest(w.KernelArguments...),
		"rootDisk":        inventory.Digest(mustJSON(normalizeHints(spec.RootDisk))),
		"steps":           inventory.Digest(steps.ListParts(w.Steps)...),
	}
	if !w.Installer.IsZero() {
		p["installer"] = inventory.Digest(mustJSON(w.Installer))
	}
	if written := listWritten(w.Steps, spec.Disks); len(written) > 0 {
		p["disks"] = inventory.Digest(written...)
	}
	if w.Butane != nil {
		p["butane"] = inventory.Digest(blobs...)
		p["vars"] = inventory.Digest(mustJSON(w.Butane.Vars))
	}
	return p
}

// normalizeHints writes hints in the spelling that PickDisk compares, so that the same disk in other words is no
// change.
func normalizeHints(hints *schemas.DiskHints) *schemas.DiskHints {
	if hints == nil {
		return nil
	}
	h := *hints
	h.Serial, h.Model, h.Vendor = strings.TrimSpace(h.Serial), strings.TrimSpace(h.Model), strings.TrimSpace(h.Vendor)
	h.WWN = diskid.NormalWWN(h.WWN)
	if h.Path != "" {
		h.Path = path.Base(h.Path)
	}
	for _, size := range []*string{&h.Size, &h.MinSize, &h.MaxSize} {
		if bytes, err := schemas.ParseSize(*size); err == nil {
			*size = strconv.FormatUint(bytes, 10)
		}
	}
	return &h
}

// listWritten lists what counts of the disks that steps may write to: each name, with its items in the spelling that
// package pick compares.
func listWritten(list []inventory.Step, disks map[string][]schemas.NamedDisk) []string {
	names := map[string]bool{}
	for _, step := range list {
		for _, name := range step.Writes {
			names[name] = true
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		parts = append(parts, name)
		for _, item := range disks[name] {
			parts = append(parts, mustJSON(normalizeHints(item.Hints()))+strconv.FormatBool(item.All))
		}
		parts = append(parts, "end of the name") // no item is written so
	}
	return parts
}

// digestInputs digests all parts into one.
func digestInputs(parts map[string]string) string {
	texts := []string{"ingot inputs v1"}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		texts = append(texts, name, parts[name])
	}
	return inventory.Digest(texts...)
}

// mustJSON encodes values that cannot fail: maps of strings, and our own structs. Maps come out sorted by key.
func mustJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(body)
}
