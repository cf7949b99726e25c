package load

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// digestParts gives the digests of what an installed host can differ by. The names of the parts and how the digests are
// made never change: a change would reinstall every fleet. URLs, labels, comments outside Butane, timeouts and
// ciphertext are in no part.
func digestParts(w *inventory.Workload, blobs []string, disk *schemas.DiskHints) map[string]string {
	p := map[string]string{
		"image":           w.Image.SHA256,
		"kernelArguments": inventory.Digest(w.KernelArguments...),
		"rootDisk":        inventory.Digest(mustJSON(normalizeHints(disk))),
		"steps":           inventory.Digest(listStepParts(w.Steps)...),
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
	h.WWN = inventory.NormalWWN(h.WWN)
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

func listStepParts(steps []inventory.Step) []string {
	var parts []string
	for _, s := range steps {
		parts = append(parts, s.Name, string(s.Script))
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
