package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// An etcd that is killed in the first moments of its first start leaves a log without its own membership, and never
// gets ready again. Until the first start got ready, a file in the directory says so: nothing was stored there, and the
// next start begins anew. A directory without this file is never emptied.

const (
	foundingMark = "founding" // the file
	memberDir    = "member"   // of etcd, for all of its data
)

// beginFounding prepares the directory of an embedded etcd. The caller holds the directory's lock, and calls
// endFounding once etcd is ready, before anything is stored.
func beginFounding(dir string) error {
	mark, member := filepath.Join(dir, foundingMark), filepath.Join(dir, memberDir)
	_, unfinished := os.Stat(mark)
	if unfinished == nil {
		return os.RemoveAll(member)
	}
	if _, err := os.Stat(member); !errors.Is(err, fs.ErrNotExist) || !errors.Is(unfinished, fs.ErrNotExist) {
		return nil // it was founded, or cannot be known: etcd says what is wrong
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return err
	}
	return syncDir(dir)
}

// endFounding takes the mark away, for good: no power cut brings the mark back beside stored records.
func endFounding(dir string) error {
	err := os.Remove(filepath.Join(dir, foundingMark))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
