package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// copyOnce copies a file unless the target exists. An interrupted copy is never taken for the whole.
func copyOnce(from, to string) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	half := to + ".new"
	if err := os.WriteFile(half, data, 0o600); err != nil {
		return err
	}
	return os.Rename(half, to)
}

// makeDisk makes a sparse file of a size, unless there is a file of that size already.
func makeDisk(at string, bytes int64) error {
	info, err := os.Stat(at)
	switch {
	case err == nil && info.Size() != bytes:
		return fmt.Errorf("%s has %d bytes, want %d: remove it or change the size", at, info.Size(), bytes)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	file, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(bytes), file.Close())
}
