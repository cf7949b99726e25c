package load

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/butane"
	"github.com/gitmetal/ingot/schemas"
)

// localFile is a file that a Butane config names.
type localFile struct {
	inventory.File
	name   string // relative to the directory of the Butane file
	shown  string // for findings: relative to the fleet's directory
	shared bool   // the file is outside of the fleet
}

// listFiles lists the file name, or the files below the directory name, both relative to dir; sorted. The name stays in
// dir, or leads to a directory that the Fleet shares.
func (t *tree) listFiles(dir, name string) (files []localFile, err error) {
	clean := path.Clean(name)
	leaves := clean == ".." || strings.HasPrefix(clean, "../")
	switch {
	case name == "" || path.IsAbs(clean) || strings.ContainsAny(name, "\\\x00"):
		return nil, fmt.Errorf("%q leaves the directory %s", name, dir)
	case leaves && !t.isShared(path.Join(t.Path, dir, clean)):
		return nil, fmt.Errorf("%q leaves the directory %s", name, dir)
	}
	from, at, shared := t.Files, path.Join(dir, clean), false
	if strings.HasPrefix(at+"/", "../") { // Path is not empty, else at would leave the repository
		from, at, shared = t.Shared, path.Join(t.Path, dir, clean), true
	}
	add := func(file, name string) {
		shown := file
		if shared {
			shown = path.Join(dir, name)
		}
		files = append(files, localFile{File: from[file], name: name, shown: shown, shared: shared})
	}
	if _, is := from[at]; is {
		add(at, clean)
		return files, nil
	}
	for file := range from {
		if rest, inside := butane.PathInside(at, file); inside {
			add(file, path.Join(clean, rest))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no file %s in this commit", at)
	}
	slices.SortFunc(files, func(a, b localFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// isShared reports whether a path of the repository is in a directory that the Fleet shares.
func (t *tree) isShared(file string) bool {
	for _, d := range t.kinds[schemas.KindFleet] {
		for _, dir := range d.Fleet.Spec.Shared {
			if dir == file || strings.HasPrefix(file, dir+"/") {
				return true
			}
		}
	}
	return false
}

// hintLocal says which names a Butane config may have for files.
func hintLocal(name string) string {
	if strings.HasPrefix(path.Clean(name), "../") {
		return "name its directory in spec.shared of " + schemas.FleetFile + ", from the top of the repository"
	}
	return "paths are relative to the directory of the Butane file, and stay in it"
}
