package injection

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/volumes"
	"github.com/gitmetal/ingot/agent/wire"
)

// finder finds the partitions of files that name none.
type finder struct {
	system *volumes.System
	// roots are the partitions that may hold the root file system, mounted for reading, with what did not mount.
	roots   []*volumes.Volume
	scanned []string
	ostree  *volumes.Volume // the root of an ostree system, such as CoreOS; nil for another system
	states  []string        // of ostree: the directories below ostree/deploy
}

// lookAround mounts the partitions of a system for reading. A partition that cannot be mounted is left out, and named where a
// file has no place.
func lookAround(system *volumes.System) finder {
	f := finder{system: system}
	for _, v := range system.Volumes {
		if !v.CanMount() || v.Type == volumes.TypeESP {
			f.scanned = append(f.scanned, v.String()+": not looked at")
			continue
		}
		dir, err := system.Mount(v, false)
		if err != nil {
			f.scanned = append(f.scanned, err.Error())
			continue
		}
		f.roots = append(f.roots, v)
		f.scanned = append(f.scanned, v.String())
		entries, err := os.ReadDir(filepath.Join(dir, "ostree", "deploy"))
		if err == nil && f.ostree == nil {
			f.ostree = v
			for _, entry := range entries {
				f.states = append(f.states, entry.Name())
			}
		}
	}
	return f
}

// place finds the partition of a file: the named one; else the first one that has the directory which begins the path. Of an
// ostree system only /boot and /var take files: the rest belongs to a deployment, which Ignition sets up.
func (f finder) place(file wire.InjectFile) (placed, error) {
	inside := strings.TrimPrefix(filepath.Clean(file.Path), "/")
	first, rest, below := strings.Cut(inside, "/")
	if file.Partition != "" {
		v, err := f.system.Find(file.Partition)
		if err == nil && v == f.ostree {
			err = errOSTree
		}
		return placed{file, v, inside}, err
	}
	switch {
	case !below:
		return placed{}, fmt.Errorf("a file directly in / needs its partition")
	case f.ostree != nil && first == "boot":
		v, err := f.system.Find("label:boot")
		return placed{file, v, rest}, err
	case f.ostree != nil && first == "var" && len(f.states) == 1:
		return placed{file, f.ostree, filepath.Join("ostree", "deploy", f.states[0], "var", rest)}, nil
	case f.ostree != nil:
		return placed{}, errOSTree
	}
	at := slices.IndexFunc(f.roots, func(v *volumes.Volume) bool {
		dir, err := f.system.Mount(v, false)
		if err != nil {
			return false
		}
		info, err := os.Lstat(filepath.Join(dir, first))
		return err == nil && (info.IsDir() || info.Mode()&os.ModeSymlink != 0)
	})
	if at < 0 {
		return placed{}, fmt.Errorf("no partition has the directory /%s: looked at %s", first, strings.Join(f.scanned, "; "))
	}
	return placed{file, f.roots[at], inside}, nil
}

// errOSTree says what to do on CoreOS.
var errOSTree = errors.New("this is an ostree system such as CoreOS, which takes files below /boot and /var only: write the file " +
	"in the Butane config, as storage.files: [{path: …, contents: {inline: …}, mode: 0644}]")
