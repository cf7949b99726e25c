package injection

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// openIn opens a path below a directory, which stands for / in every link, and never leaves the file system.
func openIn(root int, name string, flags int) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV})
}

const openDir = unix.O_RDONLY | unix.O_DIRECTORY

// openParent opens the directory of a file below root. Directories that are missing are made with a mode, owned by root;
// with mode 0 none is made. The caller closes the descriptor.
func openParent(root int, inside string, mode uint32) (int, error) {
	parent, err := openIn(root, ".", openDir)
	if err != nil {
		return -1, err
	}
	done := ""
	for part := range strings.SplitSeq(path.Dir(inside), "/") {
		done = path.Join(done, part)
		next, err := openIn(root, done, openDir)
		if errors.Is(err, unix.ENOENT) && mode != 0 {
			next, err = makeDir(root, parent, done, mode)
		}
		_ = unix.Close(parent)
		if err != nil {
			return -1, fmt.Errorf("directory /%s: %w", done, err)
		}
		parent = next
	}
	return parent, nil
}

// makeDir makes a directory in its open parent, with its mode whatever the umask is.
func makeDir(root, parent int, name string, mode uint32) (int, error) {
	base := path.Base(name)
	if err := unix.Mkdirat(parent, base, 0o700); errors.Is(err, unix.EEXIST) {
		return -1, errors.New("it is a link to nothing")
	} else if err != nil {
		return -1, err
	}
	made, err := openIn(root, name, openDir)
	if err != nil {
		return -1, err
	}
	return made, errors.Join(unix.Fchown(made, 0, 0), unix.Fchmod(made, mode))
}

// withParent calls do with the open directory of a file in the file system that is mounted at dir, and the file's name.
func (p placed) withParent(dir string, mode uint32, do func(parent int, name string) error) error {
	root, err := unix.Open(dir, openDir|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(root) }()
	parent, err := openParent(root, p.inside, mode)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(parent) }()
	return do(parent, path.Base(p.inside))
}

// check says what keeps a file from being written.
func (p placed) check(dir string) error {
	err := p.withParent(dir, 0, func(parent int, name string) error {
		var found unix.Stat_t
		err := unix.Fstatat(parent, name, &found, unix.AT_SYMLINK_NOFOLLOW)
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return err
		case found.Mode&unix.S_IFMT == unix.S_IFDIR:
			return errors.New("a directory is in its place")
		case p.Overwrite == wire.OverwriteRefuse && !p.Delete:
			return errors.New("there is such a file already, and overwrite is Refuse")
		}
		return nil
	})
	if errors.Is(err, unix.ENOENT) {
		return nil // the directories are made
	}
	return err
}

// write puts a file in its place, or removes the file, and says what was done.
func (p placed) write(ctx context.Context, dir string, job wire.Inject, with Tools) (said string, err error) {
	mode := p.DirMode
	if p.Delete {
		mode = 0
	}
	err = p.withParent(dir, mode, func(parent int, name string) error {
		var found unix.Stat_t
		there := unix.Fstatat(parent, name, &found, unix.AT_SYMLINK_NOFOLLOW) == nil
		switch {
		case p.Delete && !there:
			said = "was not there"
			return nil
		case p.Delete:
			said = "removed"
			return errors.Join(unix.Unlinkat(parent, name, 0), unix.Fsync(parent))
		case there && p.Overwrite == wire.OverwriteKeep:
			said = "kept, as it was there"
			return nil
		}
		said = fmt.Sprintf("written, mode %04o, owner %d:%d", p.Mode, p.Owner, p.Group)
		if !p.keepsModes() {
			said = "written; FAT keeps neither mode nor owner"
		}
		return p.replace(ctx, parent, name, job, with)
	})
	if p.Delete && errors.Is(err, unix.ENOENT) {
		return "was not there", nil
	}
	return said, err
}

// replace writes the file beside its place, moves it there, and reads it back.
func (p placed) replace(ctx context.Context, parent int, name string, job wire.Inject, with Tools) error {
	beside := ".ingot-" + rand.Text()
	fd, err := unix.Openat(parent, beside, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), beside)
	defer file.Close()
	hash := sha256.New()
	err = p.copyTo(ctx, io.MultiWriter(file, hash), job, with)
	if err == nil {
		err = file.Sync()
	}
	if err == nil && p.keepsModes() {
		err = errors.Join(file.Chown(p.Owner, p.Group), unix.Fchmod(fd, p.Mode), file.Sync())
	}
	if err == nil {
		err = unix.Renameat(parent, beside, parent, name)
	}
	if err != nil {
		return errors.Join(err, unix.Unlinkat(parent, beside, 0))
	}
	if err := unix.Fsync(parent); err != nil {
		return err
	}
	return p.readBack(parent, name, hash.Sum(nil))
}

func (p placed) copyTo(ctx context.Context, to io.Writer, job wire.Inject, with Tools) error {
	if p.SHA256 != "" {
		return p.fetch(ctx, to, with)
	}
	content := p.Content
	if p.Template {
		content = fillMachine(content, job, with.Facts)
	}
	_, err := to.Write(content)
	return err
}

// fetch writes the bytes of a file that the daemon serves. A nil error means that their digest was right.
func (p placed) fetch(ctx context.Context, to io.Writer, with Tools) error {
	hash := sha256.New()
	download := steps.Download{Image: wire.Image{SHA256: p.SHA256, Size: p.Size}, Images: with.Files, Report: with.Report, Patience: steps.Patience}
	err := download.Copy(ctx, func(chunk []byte) error {
		hash.Write(chunk)
		_, err := to.Write(chunk)
		return err
	})
	if err != nil {
		return err
	}
	if have := hex.EncodeToString(hash.Sum(nil)); have != p.SHA256 {
		return fmt.Errorf("its sha256 is %s, the job says %s", have, p.SHA256)
	}
	return nil
}

// keepsModes reports whether the file system keeps modes and owners: FAT keeps none.
func (p placed) keepsModes() bool { return p.volume.FSType != "vfat" }

// readBack compares a file with what was written.
func (p placed) readBack(parent int, name string, want []byte) error {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	hash, found := sha256.New(), unix.Stat_t{}
	if _, err = io.Copy(hash, file); err == nil {
		err = unix.Fstat(fd, &found)
	}
	switch {
	case err != nil:
		return fmt.Errorf("read it back: %w", err)
	case !bytes.Equal(hash.Sum(nil), want):
		return fmt.Errorf("it reads back as sha256 %s, written was %s", hex.EncodeToString(hash.Sum(nil)), hex.EncodeToString(want))
	case p.keepsModes() && (found.Mode&0o7777 != p.Mode || int(found.Uid) != p.Owner || int(found.Gid) != p.Group):
		return fmt.Errorf("it has mode %04o and owner %d:%d: the file system does not keep mode %04o and owner %d:%d", found.Mode&0o7777,
			found.Uid, found.Gid, p.Mode, p.Owner, p.Group)
	}
	return nil
}
