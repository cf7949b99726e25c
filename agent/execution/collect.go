package execution

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/glob"
)

// maxSeen is the most entries of a results directory that are looked at.
const maxSeen = 100_000

// upload uploads what a run left, and gives the files that the daemon has. An error says what is not kept, and why.
func (t Tools) upload(ctx context.Context, limits wire.ResultLimits, dir string) (stored []wire.ResultFile, err error) {
	root, err := os.OpenRoot(dir) // no name leads out of it, whatever links the script made
	if err != nil {
		return nil, fmt.Errorf("open the results directory: %w", err)
	}
	defer root.Close()
	files, failed := t.collect(ctx, root, limits)
	for i, file := range files {
		if err := t.uploadFile(ctx, root, &file); err != nil {
			return stored, fmt.Errorf("upload %s: %w", file.Name, err)
		}
		stored = append(stored, file)
		t.Session.Report(wire.Progress{Done: uint64(i + 1), Total: uint64(len(files))})
	}
	return stored, failed
}

// uploadFile uploads one file, with its digest.
func (t Tools) uploadFile(ctx context.Context, root *os.Root, file *wire.ResultFile) error {
	opened, err := root.Open(file.Name)
	if err != nil {
		return err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, errors.New("it is no regular file"))
	}
	sum := sha256.New()
	if file.Size, err = io.Copy(sum, opened); err != nil {
		return err
	}
	file.SHA256 = hexSum(sum)
	return t.Session.Upload(ctx, *file, opened)
}

// collect lists the files that the limits keep, sorted by name, as many as the limits allow. An error says which limit
// or pattern the run did not meet.
func (t Tools) collect(ctx context.Context, root *os.Root, limits wire.ResultLimits) (files []wire.ResultFile, failed error) {
	seen := 0
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if seen++; err == nil && seen > maxSeen {
			err = fmt.Errorf("the results directory has more than %d entries", maxSeen)
		}
		if err == nil {
			err = ctx.Err() // a tree may be so deep that each step takes long
		}
		if err != nil || entry.IsDir() || !matchesAny(limits.Files, name) {
			return err
		}
		if !entry.Type().IsRegular() { // a link could name a file of the ramdisk
			t.Session.Report(wire.Progress{Lines: []string{fmt.Sprintf("result %.80q is no regular file: not kept", name)}})
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if err := glob.CheckName(name); err != nil {
			failed = errors.Join(failed, fmt.Errorf("a result cannot be kept: %w", err))
			return nil
		}
		files = append(files, wire.ResultFile{Name: name, Size: info.Size()})
		return nil
	})
	if err != nil {
		failed = errors.Join(failed, fmt.Errorf("collect the results: %w", err))
	}
	slices.SortFunc(files, func(a, b wire.ResultFile) int { return strings.Compare(a.Name, b.Name) })
	kept, over := cutToLimits(files, limits)
	return kept, errors.Join(failed, over, missing(files, limits))
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return glob.Match(pattern, name) })
}

// cutToLimits gives the first files that the limits allow together.
func cutToLimits(files []wire.ResultFile, limits wire.ResultLimits) ([]wire.ResultFile, error) {
	total := int64(0)
	for i, file := range files {
		total += file.Size
		switch {
		case i >= limits.MaxFiles:
			return files[:i], fmt.Errorf("the run left %d files, results.maxFiles is %d", len(files), limits.MaxFiles)
		case total > limits.MaxSize:
			return files[:i], fmt.Errorf("the run left more than results.maxSize, %d bytes: not kept from %s on", limits.MaxSize, file.Name)
		}
	}
	return files, nil
}

// missing says which patterns must match a file and match none.
func missing(files []wire.ResultFile, limits wire.ResultLimits) error {
	for _, pattern := range limits.Files {
		has := slices.ContainsFunc(files, func(f wire.ResultFile) bool { return glob.Match(pattern, f.Name) })
		if limits.Required && !has {
			return fmt.Errorf("the run left no file that matches %s, and results.required is set", pattern)
		}
	}
	return nil
}
