package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// WithSystem runs a step with the written system, and unmounts it behind the step: done, failed or killed, what was written is
// on the disk when WithSystem returns without an error of its own. What the step made and gave to nobody belongs to root.
func WithSystem(ctx context.Context, m Machine, written wire.WrittenSystem, run func([]steps.SystemDir) error) (err error) {
	system, err := Open(ctx, m, written.Disk, written.Mark)
	defer func() {
		if closed := system.Close(); closed != nil {
			err = errors.Join(err, fmt.Errorf("the disk may not hold what the step wrote: %w", closed))
		}
	}()
	if err != nil {
		return err
	}
	tree, err := system.MountTree()
	if err != nil {
		return fmt.Errorf("mount the written system: %w; nothing was written", err)
	}
	err = run(tree)
	if failed := system.GiveToRoot(steps.SystemUser); failed != nil {
		err = errors.Join(err, fmt.Errorf("give to root what the step made: %w", failed))
	}
	return err
}

// MountTree mounts the root file system of the written system for writing, with its boot partition and its EFI system
// partition, and says where in the root each belongs; the root comes first. The root is the first partition that has a
// directory etc, as for inject-files. What goes below the root is named in its /etc/fstab, or known by its label or type.
func (s *System) MountTree() ([]steps.SystemDir, error) {
	root, err := s.findRoot()
	if err != nil {
		return nil, err
	}
	dir, err := s.Mount(root, true)
	if err != nil {
		return nil, err
	}
	tree := []steps.SystemDir{{Dir: dir}}
	below := s.listBelow(dir)
	for _, at := range []string{"boot", "boot/efi", "efi"} { // a directory before what is in it
		v := below[at]
		if v == nil || v == root || !hasPlace(tree, at) {
			continue
		}
		if dir, err = s.Mount(v, true); err != nil {
			return nil, err
		}
		tree = append(tree, steps.SystemDir{Dir: dir, Below: at})
	}
	return tree, nil
}

// errOSTree says what to do on CoreOS.
var errOSTree = errors.New("this is an ostree system such as CoreOS, whose root belongs to a deployment: write files in the Butane " +
	"config, as storage.files: [{path: …, contents: {inline: …}, mode: 0644}]")

// findRoot finds the partition with the root file system, and leaves every partition unmounted that is none.
func (s *System) findRoot() (*Volume, error) {
	var looked []string
	for _, v := range s.Volumes {
		if !v.CanMount() || v.Type == TypeESP {
			looked = append(looked, v.String()+": not looked at")
			continue
		}
		dir, err := s.Mount(v, false)
		switch {
		case err != nil:
			looked = append(looked, err.Error())
		case isDirectory(filepath.Join(dir, "ostree", "deploy")):
			return nil, errOSTree
		case isDirectory(filepath.Join(dir, "etc")):
			return v, nil
		default:
			looked = append(looked, v.String())
		}
	}
	return nil, fmt.Errorf("no partition has the directory /etc: looked at %s; LUKS, LVM and arrays are not opened", strings.Join(looked, "; "))
}

// listBelow gives the partitions for /boot, /boot/efi and /efi of the system with this root.
func (s *System) listBelow(root string) map[string]*Volume {
	below := map[string]*Volume{}
	if v, err := s.Find("label:boot"); err == nil {
		below["boot"] = v
	}
	if i := slices.IndexFunc(s.Volumes, func(v *Volume) bool { return v.Type == TypeESP }); i >= 0 {
		below["boot/efi"], below["efi"] = s.Volumes[i], s.Volumes[i]
	}
	text, err := readInside(root, "etc/fstab")
	if err != nil {
		return below // as a system without the file
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		name, value, named := strings.Cut(fields[0], "=")
		v, err := s.Find(strings.ToLower(name) + ":" + strings.Trim(value, `"`))
		if at := strings.Trim(filepath.Clean(fields[1]), "/"); named && err == nil {
			below[at] = v
		}
	}
	return below
}

// hasPlace reports whether the deepest file system of a tree that holds a path has a directory there, and no link.
func hasPlace(tree []steps.SystemDir, at string) bool {
	in, rest := tree[0].Dir, at
	for _, other := range tree[1:] {
		if inside, is := strings.CutPrefix(at, other.Below+"/"); is {
			in, rest = other.Dir, inside
		}
	}
	for dir := rest; dir != "."; dir = filepath.Dir(dir) {
		if !isDirectory(filepath.Join(in, dir)) {
			return false
		}
	}
	return true
}

// isDirectory reports whether a path is a directory, and no link to one.
func isDirectory(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// maxTable is the most bytes of a file that is read inside of a system.
const maxTable = 64 << 10

// readInside reads a small file below a directory, whose links lead nowhere else.
func readInside(root, name string) (string, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	info, err := dir.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxTable {
		return "", fmt.Errorf("%s is no small file", name)
	}
	data, err := dir.ReadFile(name)
	return string(data), err
}

// GiveToRoot gives what belongs to a user and the group of the same number to root, in every file system that is mounted for
// writing: what a script made there, and gave to nobody.
func (s *System) GiveToRoot(id int) error {
	var failed []error
	for _, v := range s.Volumes {
		if v.dir != "" && v.writing {
			failed = append(failed, giveToRoot(v.dir, uint32(id)))
		}
	}
	return errors.Join(failed...)
}

func giveToRoot(dir string, id uint32) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var status unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &status)
		}
		if err != nil || status.Uid != id && status.Gid != id {
			return err
		}
		uid, gid := int(status.Uid), int(status.Gid)
		if status.Uid == id {
			uid = 0
		}
		if status.Gid == id {
			gid = 0
		}
		return os.Lchown(path, uid, gid)
	})
}
