package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
)

// digest is the hex of a SHA-256.
var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s *Store) blobFile(sha256 string) string {
	return filepath.Join(s.dir, "blobs", sha256[:2], sha256)
}

// keepBlob moves a whole part to its place. The caller holds the lock, so that a sweep does not take a blob that is
// about to be named.
func (s *Store) keepBlob(part string, file runs.File) error {
	name := s.blobFile(file.SHA256)
	if info, err := os.Stat(name); err == nil && info.Size() == file.Size {
		now := s.options.Now()
		s.used.Add(-file.Size)
		return errors.Join(os.Chtimes(name, now, now), os.Remove(part))
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		return err
	}
	now := s.options.Now()
	return errors.Join(os.Chtimes(name, now, now), syncDir(filepath.Dir(name)))
}

// OpenBlob opens a stored file by its digest. An error that is ErrUnknown says that the store does not have it.
func (s *Store) OpenBlob(sha256 string) (file io.ReadSeekCloser, size int64, err error) {
	if !digest.MatchString(sha256) {
		return nil, 0, fmt.Errorf("%.64q is no SHA-256: %w", sha256, ErrUnknown)
	}
	opened, err := os.Open(s.blobFile(sha256))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("the file with the SHA-256 %s: %w", sha256, ErrUnknown)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open a result: %w", err)
	}
	info, err := opened.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open a result: %w", err), opened.Close())
	}
	return opened, info.Size(), nil
}

// Lost lists the files of a manifest that the store has no more.
func (s *Store) Lost(m runs.Manifest) (lost []runs.File) {
	for _, file := range m.Files {
		if !digest.MatchString(file.SHA256) {
			lost = append(lost, file)
			continue
		}
		if info, err := os.Stat(s.blobFile(file.SHA256)); err != nil || info.Size() != file.Size {
			lost = append(lost, file)
		}
	}
	return lost
}

// unnamedFor is how long a blob stays that no run names.
const unnamedFor = time.Hour

// removeBlobs removes the blobs that nothing names, and that were last named long enough ago.
func (s *Store) removeBlobs(named names) error {
	before := s.options.Now().Add(-unnamedFor)
	return filepath.WalkDir(filepath.Join(s.dir, "blobs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || named[entry.Name()] != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.ModTime().After(before) {
			return err
		}
		s.used.Add(-info.Size())
		return os.Remove(path)
	})
}
