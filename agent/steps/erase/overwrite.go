package erase

import (
	"context"
	"errors"
	"fmt"
)

const (
	edgeBytes = 16 << 20 // at both ends of a disk and of its partitions
	copyBytes = 64 << 10 // around a copy of a superblock
	zeroBytes = 4 << 20  // of one write
	syncBytes = 256 << 20
)

// btrfsCopies are where btrfs keeps copies of its superblock, in a disk or a partition.
var btrfsCopies = []int64{64 << 20, 256 << 30}

// wipeSignatures writes zeros over both ends of the disk and of its partitions, with both partition tables, and over
// the copies of superblocks that lie elsewhere.
func wipeSignatures(ctx context.Context, s Subject) error {
	whole := Part{0, s.Size}
	for _, part := range append([]Part{whole}, s.Parts...) {
		last := min(part.First+part.Size, s.Size)
		zones := []Part{{part.First, edgeBytes}, {max(part.First, last-edgeBytes), edgeBytes}}
		for _, at := range btrfsCopies {
			zones = append(zones, Part{part.First + at, copyBytes})
		}
		for _, zone := range zones {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := writeZeros(s, zone.First, min(zone.First+zone.Size, last)); err != nil {
				return err
			}
		}
	}
	return s.Flush()
}

// writeZeros writes zeros from first to before end.
func writeZeros(s Subject, first, end int64) error {
	zeros := make([]byte, zeroBytes)
	for at := max(0, first); at < end; at += zeroBytes {
		piece := zeros[:min(zeroBytes, end-at)]
		switch n, err := s.WriteAt(piece, at); {
		case err != nil:
			return fmt.Errorf("write zeros at byte %d: %w", at, err)
		case n != len(piece):
			return fmt.Errorf("write zeros at byte %d: %d of %d bytes were written", at, n, len(piece))
		}
	}
	return nil
}

// overwrite writes zeros over the whole disk. What was written is flushed on the way, so that the writes of a slow disk
// do not fill the memory.
func (e Eraser) overwrite(ctx context.Context, s Subject) error {
	for at := int64(0); at < s.Size; at += syncBytes {
		for piece := at; piece < min(at+syncBytes, s.Size); piece += zeroBytes {
			if err := ctx.Err(); err != nil {
				return errors.Join(fmt.Errorf("%d of %d bytes were written", piece, s.Size), err)
			}
			if err := writeZeros(s, piece, min(piece+zeroBytes, s.Size)); err != nil {
				return err
			}
			e.Report(uint64(piece), uint64(s.Size))
		}
		if err := s.Flush(); err != nil {
			return err
		}
	}
	return nil
}
