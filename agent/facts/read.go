package facts

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// What of every disk must be zero for the disk to be blank. docs/safety.md, section 4, says where the constants come
// from, and how long reading takes.
const (
	edgeBytes   = 16 << 20 // head and tail
	gridBytes   = 2 << 30  // the part with a sample at every step
	gridStep    = 1 << 20
	sampleCount = 2048 // evenly over the rest
	sampleBytes = 4 << 10
	wholeBytes  = 288 << 20 // a disk of at most this size is read whole
)

// chunkBytes is the most that is read at once.
const chunkBytes = 1 << 20

// inFlight is how many reads one disk has to do at a time: a disk with moving heads serves what lies next.
const inFlight = 16

// region is [from, to) in bytes.
type region struct{ from, to int64 }

// blankRegions are the bytes that are zero on a blank disk: the edges, samples of 4 KiB at every MiB of the first 2 GiB
// and 2,048 evenly over the rest, and the places of backup superblocks that the samples miss.
func blankRegions(size int64) []region {
	if size <= wholeBytes {
		return []region{{0, size}}
	}
	list := []region{{0, edgeBytes}, {size - edgeBytes, size}}
	for at := int64(0); at < min(gridBytes, size); at += gridStep {
		list = append(list, region{at, at + sampleBytes})
	}
	if rest := size - edgeBytes - gridBytes; rest > 0 {
		for i := range int64(sampleCount) {
			// i times the rest may pass 63 bits: the step first
			at := (gridBytes + i*(rest/sampleCount)) &^ (sampleBytes - 1)
			list = append(list, region{at, at + sampleBytes})
		}
	}
	for _, at := range backupPlaces(size) {
		list = append(list, region{at, at + sampleBytes})
	}
	return list
}

// Where a partition of the whole disk begins and how far it may end before the disk: not at all, behind the backup of a
// GPT, or at a multiple of a MiB.
var (
	usualStarts = []int64{0, 1 << 20}
	usualEnds   = []int64{0, 33 * 512, 34 * 512, 5 * 4096, 6 * 4096, 1 << 20}
)

// backupPlaces are where superblocks are repeated that are neither at an edge nor at a whole MiB of the first 2 GiB,
// for a file system on the whole disk, or in one partition of it:
//
//   - btrfs: 256 GiB behind its beginning (Linux, btrfs_sb_offset; the copy at 64 MiB is in the grid)
//   - xfs: at the beginning of each allocation group, of which mkfs.xfs makes four up to 4 TiB, and one for each TiB above
//     (xfsprogs, calc_default_ag_geometry)
//
// The copies of ext4 are at 128 MiB times 1, 3, 5, 7, 9 and so on (sparse_super, blocks of 4 KiB): in the grid.
func backupPlaces(size int64) []int64 {
	const btrfsCopy, tib, block = 256 << 30, 1 << 40, 4096
	var places []int64
	for _, start := range usualStarts {
		places = append(places, start+btrfsCopy)
		for at := start + tib; at < size; at += tib {
			places = append(places, at)
		}
		for _, end := range usualEnds {
			blocks := (size - start - end) / block
			group := (blocks + 3) / 4 * block
			places = append(places, start+group, start+2*group, start+3*group)
		}
	}
	slices.Sort(places)
	return slices.DeleteFunc(slices.Compact(places), func(at int64) bool { return at > size-sampleBytes })
}

// joinRegions gives the same bytes in ascending order and once, as far as the disk has them.
func joinRegions(list []region, size int64) (joined []region) {
	slices.SortFunc(list, func(a, b region) int { return cmp.Compare(a.from, b.from) })
	for _, r := range list {
		r = region{max(r.from, 0), min(r.to, size)}
		switch last := len(joined) - 1; {
		case r.from >= r.to:
		case last >= 0 && r.from <= joined[last].to:
			joined[last].to = max(joined[last].to, r.to)
		default:
			joined = append(joined, r)
		}
	}
	return joined
}

// chunk is a piece of at most a MiB, at the place that the grid of MiBs gives, that is not all zero.
type chunk struct {
	at, size int64
	digest   [sha256.Size]byte
}

// cutRegions cuts regions at each MiB.
func cutRegions(list []region) (pieces []region) {
	for _, r := range list {
		for at := r.from; at < r.to; {
			to := min(r.to, (at/chunkBytes+1)*chunkBytes)
			pieces = append(pieces, region{at, to})
			at = to
		}
	}
	return pieces
}

// readChunks reads regions and gives the pieces that are not all zero, in ascending order. Several reads are under way
// at a time, handed out in ascending order. The first unreadable byte is the error.
func readChunks(disk io.ReaderAt, list []region) ([]chunk, error) {
	pieces := cutRegions(list)
	chunks, errs := make([]chunk, len(pieces)), make([]error, len(pieces))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(inFlight, len(pieces)) {
		workers.Go(func() {
			buffer := make([]byte, chunkBytes)
			for i := range next {
				chunks[i], errs[i] = readChunk(disk, pieces[i], buffer)
			}
		})
	}
	for i := range pieces {
		next <- i
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(chunks, func(c chunk) bool { return c.size == 0 }), nil
}

// readChunk reads a piece; without a size for zeros.
func readChunk(disk io.ReaderAt, piece region, buffer []byte) (chunk, error) {
	part := buffer[:piece.to-piece.from]
	if n, err := disk.ReadAt(part, piece.from); n < len(part) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return chunk{}, fmt.Errorf("byte %d: %w", piece.from, err)
	}
	if bytes.Equal(part, zeros[:len(part)]) {
		return chunk{}, nil
	}
	return chunk{piece.from, int64(len(part)), sha256.Sum256(part)}, nil
}

var zeros [chunkBytes]byte
