package erase

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Samples of a disk.
const (
	samples     = 4096
	sampleBytes = 4096
)

var zeroSample = make([]byte, sampleBytes)

// sample is a block of the disk before the erase that was not zero.
type sample struct {
	at     int64
	digest [sha256.Size]byte
}

// takeSamples reads random blocks before a method that does not leave zeros, and keeps those that are not zero.
func (e Eraser) takeSamples(ctx context.Context, s Subject, method Method) (before []sample, err error) {
	if method == Metadata || method.isFoundAsZeros() {
		return nil, nil
	}
	if err := s.Flush(); err != nil {
		return nil, err
	}
	err = e.readSamples(ctx, s, func(at int64, block []byte) error {
		if !bytes.Equal(block, zeroSample) {
			before = append(before, sample{at, sha256.Sum256(block)})
		}
		return nil
	})
	return before, err
}

// readSamples reads random blocks.
func (e Eraser) readSamples(ctx context.Context, s Subject, take func(at int64, block []byte) error) error {
	blocks := s.Size / sampleBytes
	if blocks == 0 {
		return errors.New("the disk is smaller than a sample")
	}
	for range samples {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := e.Random.Int64N(blocks) * sampleBytes
		block, err := readBlock(s, at, sampleBytes)
		if err != nil {
			return err
		}
		if err := take(at, block); err != nil {
			return err
		}
	}
	return nil
}

func readBlock(s Subject, at, size int64) ([]byte, error) {
	block := make([]byte, size)
	n, err := s.ReadAt(block, at)
	if err != nil && !errors.Is(err, io.EOF) || int64(n) != size {
		return nil, fmt.Errorf("read back at byte %d: %d of %d bytes: %w", at, n, size, orShort(err))
	}
	return block, nil
}

// verify reads the disk back, and gives the number of samples:
//
//	method                        erased means
//	metadata                      no table, no signature is found, and both ends are zeros
//	leaves zeros                  4,096 random blocks and both ends are zeros
//	leaves anything else          no one of the samples of before is found again, and no table or signature
func (e Eraser) verify(ctx context.Context, s Subject, method Method, before []sample) (count int, err error) {
	zeros := func(at int64, block []byte) error {
		count++
		if !bytes.Equal(block, zeroSample) {
			return fmt.Errorf("the block at byte %d reads back as data, not as zeros", at)
		}
		return nil
	}
	switch {
	case method == Metadata:
		err = verifyEnds(ctx, s)
	case method.isFoundAsZeros():
		if err = verifyEnds(ctx, s); err == nil {
			err = e.readSamples(ctx, s, zeros)
		}
	default:
		count = len(before)
		err = findNone(ctx, s, before)
	}
	if err != nil {
		return 0, err
	}
	switch residue, err := s.Residue(); {
	case err != nil:
		return 0, fmt.Errorf("look at the disk afterwards: %w", err)
	case residue != "":
		return 0, errors.New(residue)
	}
	return count, nil
}

// verifyEnds reads both ends, which must be zeros.
func verifyEnds(ctx context.Context, s Subject) error {
	for _, first := range []int64{0, max(0, s.Size-edgeBytes)} {
		for at := first; at < min(first+edgeBytes, s.Size); at += zeroBytes {
			if err := ctx.Err(); err != nil {
				return err
			}
			block, err := readBlock(s, at, min(zeroBytes, s.Size-at))
			if err != nil {
				return err
			}
			if len(bytes.Trim(block, "\x00")) > 0 {
				return fmt.Errorf("the end of the disk reads back as data near byte %d, not as zeros", at)
			}
		}
	}
	return nil
}

// findNone reads the samples of before again: no one may be found.
func findNone(ctx context.Context, s Subject, before []sample) error {
	for _, known := range before {
		if err := ctx.Err(); err != nil {
			return err
		}
		block, err := readBlock(s, known.at, sampleBytes)
		if err != nil {
			return err
		}
		if sha256.Sum256(block) == known.digest {
			return fmt.Errorf("the block at byte %d still reads as before", known.at)
		}
	}
	return nil
}

// orShort gives a read that ended too early its error.
func orShort(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
