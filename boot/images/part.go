package images

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// part is the beginning of an image on disk, with the hash of its bytes. A part outlives a broken transfer and a
// restart of the daemon: at the end the digest decides whether the pieces fit.
type part struct {
	file *os.File
	sum  hash.Hash
	size int64
}

// openPart opens the beginning of an image; a new part is empty.
func openPart(path string) (*part, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write into the image mirror: %w", err)
	}
	p := &part{file: file, sum: sha256.New()}
	if p.size, err = io.Copy(p.sum, file); err != nil {
		return nil, errors.Join(fmt.Errorf("read the image mirror: %w", err), file.Close())
	}
	return p, nil
}

// Write implements io.Writer.
func (p *part) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.sum.Write(data[:n])
	p.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write into the image mirror: %w", err)
	}
	return n, nil
}

// truncate empties the part.
func (p *part) truncate() error {
	p.sum.Reset()
	p.size = 0
	_, err := p.file.Seek(0, io.SeekStart)
	if err = errors.Join(err, p.file.Truncate(0)); err != nil {
		return fmt.Errorf("write into the image mirror: %w", err)
	}
	return nil
}

func (p *part) hexDigest() string { return hex.EncodeToString(p.sum.Sum(nil)) }

// moveInto renames a whole, verified image to its place and syncs the directory.
func (p *part) moveInto(path string) error {
	if err := p.file.Sync(); err != nil {
		return fmt.Errorf("write into the image mirror: %w", err)
	}
	if err := os.Rename(p.file.Name(), path); err != nil {
		return fmt.Errorf("write into the image mirror: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write into the image mirror: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// removeFile deletes the part's file.
func (p *part) removeFile() error { return os.Remove(p.file.Name()) }

// freeBytes is the free room on the file system of a directory (statfs(2)).
func freeBytes(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("ask for the room in %s: %w", dir, err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}
