package records

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/gitmetal/ingot/inventory/discovery"
)

// newID is 48 random bits in hex.
func newID() discovery.ID {
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	return discovery.ID(hex.EncodeToString(id[:]))
}

// durability is whether a file is on the disk when it was written, or may be lost with the power.
type durability int

const (
	unsynced durability = iota // what a machine says again
	synced
)

// replaceFile writes a file whole or not at all.
func replaceFile(path string, data []byte, how durability) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil && how == synced {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if how == unsynced {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// readSmall reads a file of at most so many bytes; nil without a file.
func readSmall(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

// packer compresses inventories with zstd.
type packer struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// maxInventory is the largest inventory, in bytes: wire.MaxInventory of the agents.
const maxInventory = 4 << 20

func newPacker() (*packer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("discovery records: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInventory))
	if err != nil {
		return nil, fmt.Errorf("discovery records: %w", err)
	}
	return &packer{encoder, decoder}, nil
}

func (s *Store) inventoryFile(digest string) string {
	return filepath.Join(s.config.Inventories, digest+".zst")
}

func (s *Store) writeInventory(digest string, report []byte) error {
	path := s.inventoryFile(digest)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := replaceFile(path, s.packer.encoder.EncodeAll(report, nil), unsynced); err != nil {
		return fmt.Errorf("inventory %s: %w", digest, err)
	}
	return nil
}

// ReadInventory gives the whole report of a record's machine, nil without a report.
func (s *Store) ReadInventory(id discovery.ID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, known := s.heads[id]
	switch {
	case !known:
		return nil, ErrUnknown
	case h.Inventory == "":
		return nil, nil
	}
	packed, err := readSmall(s.inventoryFile(h.Inventory), maxInventory+1<<10)
	if err != nil || packed == nil {
		return nil, err
	}
	report, err := s.packer.decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("inventory %s: %w", h.Inventory, err)
	}
	return report, nil
}

// dropInventory drops an inventory that no record names.
func (s *Store) dropInventory(digest string) error {
	if digest == "" {
		return nil
	}
	for _, h := range s.heads {
		if h.Inventory == digest {
			return nil
		}
	}
	if err := os.Remove(s.inventoryFile(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("inventory %s: %w", digest, err)
	}
	return nil
}
