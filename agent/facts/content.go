package facts

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitmetal/ingot/agent/facts/partitions"
	"github.com/gitmetal/ingot/agent/facts/superblocks"
	"github.com/gitmetal/ingot/agent/wire"
)

// signatureVersion names what a signature is computed over. Signatures of another version never compare equal.
const signatureVersion = "v2"

// openContent opens a disk for reading and says what the disk holds.
func (r Root) openContent(disk wire.Disk) wire.Disk {
	file, err := os.Open(r.devicePath(disk.Name))
	if err != nil {
		disk.Content = wire.Content{Unreadable: err.Error()}
		return disk
	}
	defer file.Close()
	forgetPages(file)
	return r.Inspect(disk, file)
}

func (r Root) devicePath(name string) string { return filepath.Join(string(r), "dev", name) }

// Inspect fills in what a disk holds, read through an open descriptor: content, partition table and superblocks. The
// descriptor is read from several goroutines. A disk in use, or reserved, is never blank.
func (r Root) Inspect(disk wire.Disk, open io.ReaderAt) wire.Disk {
	disk = InspectBytes(disk, open)
	if file, ok := open.(interface{ Fd() uintptr }); ok {
		disk.Holders = append(disk.Holders, readReservation(disk.Name, file.Fd())...)
	}
	if disk.Content.Blank && len(disk.Holders) > 0 {
		disk.Content = wire.Content{Unreadable: "in use by " + strings.Join(disk.Holders, ", ")}
	}
	return disk
}

// InspectBytes fills in what the bytes of a disk say. The disk's Size counts, and its SectorSize where it is known. The
// disk is Blank when the bytes that blankRegions names are zero. Otherwise it has a Signature over these bytes, over
// the first MiB and the last 64 KiB of every partition and of what the partitions hold, and over the superblocks found
// with their write counters (digestDisk). Unreadable bytes make a disk Unreadable, never Blank. What is read depends on
// the disk's bytes alone, so that two looks at the same bytes give the same.
func InspectBytes(disk wire.Disk, open io.ReaderAt) wire.Disk {
	size := int64(disk.Size)
	found, err := survey(open, size, disk.SectorSize)
	if err != nil {
		disk.Content = wire.Content{Unreadable: err.Error()}
		return disk
	}
	disk.Table, disk.Superblocks = &found.table, found.whole
	chunks, err := readChunks(open, joinRegions(append(blankRegions(size), found.regions...), size))
	if err != nil {
		disk.Content = wire.Content{Unreadable: err.Error()}
		return disk
	}
	if len(chunks) == 0 && len(found.superblocks) == 0 {
		disk.Content = wire.Content{Blank: true, Summary: "blank"}
		return disk
	}
	disk.Content = wire.Content{Signature: signatureVersion + ":" + digestDisk(chunks, found.superblocks),
		Summary: summarize(*disk.Table, disk.Superblocks)}
	return disk
}

// digestDisk is 16 hex digits: the first of SHA-256 over the version, every read piece of at most a MiB that is not all
// zero (offset and length as 8 bytes each, big endian, and the SHA-256 of the piece) in ascending order, and a line for
// each superblock.
func digestDisk(chunks []chunk, found []superblocks.Superblock) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "ingot content %s\n", signatureVersion)
	for _, c := range chunks {
		_ = binary.Write(hash, binary.BigEndian, [2]int64{c.at, c.size}) // a hash takes all
		hash.Write(c.digest[:])
	}
	for _, s := range found {
		fmt.Fprintln(hash, s)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// found is what the bytes of a disk say about its parts.
type found struct {
	table       wire.Table
	whole       []wire.Superblock        // of the whole disk
	superblocks []superblocks.Superblock // all, at their place on the disk
	regions     []region                 // to be read for the signature
}

// Bounds of a survey: of one disk that somebody prepared.
const (
	maxPartitions = 128 // whose beginnings and ends are read
	maxDepth      = 3   // an array in a partition, a volume on it, its file system
	maxSections   = 512 // parts of a disk that are searched for superblocks
)

// How much of every partition, array and volume is read.
const (
	partHead = 1 << 20
	partTail = 64 << 10
)

// survey reads the partition table and the superblocks of a disk.
func survey(disk io.ReaderAt, size int64, sector int) (found, error) {
	table, err := partitions.ReadTable(disk, size, sector)
	if err != nil {
		return found{}, err
	}
	f := found{table: table}
	whole, err := f.search(disk, region{0, size}, 0)
	if err != nil {
		return found{}, err
	}
	for _, s := range whole {
		f.whole = append(f.whole, wire.Superblock{Type: s.Type, UUID: s.UUID})
	}
	for i := range f.table.Partitions[:min(len(f.table.Partitions), maxPartitions)] {
		part := &f.table.Partitions[i]
		at, ok := partitionRegion(*part, int64(table.Sector), size)
		if !ok {
			continue
		}
		f.cover(at)
		inside, err := f.search(disk, at, 1)
		if err != nil {
			return found{}, err
		}
		if len(inside) > 0 {
			part.FSType, part.FSUUID = inside[0].Type, inside[0].UUID
		}
	}
	return f, nil
}

// cover has the beginning and the end of a part of the disk read.
func (f *found) cover(at region) {
	f.regions = append(f.regions, region{at.from, min(at.to, at.from+partHead)},
		region{max(at.from, at.to-partTail), at.to})
}

// search finds the superblocks in a part of the disk, and in what that part holds.
func (f *found) search(disk io.ReaderAt, at region, depth int) ([]superblocks.Superblock, error) {
	if depth > maxDepth || len(f.superblocks) > maxSections {
		return nil, nil
	}
	all, err := superblocks.FindAll(disk, at.from, at.to-at.from)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		placed := s
		placed.At += at.from
		f.superblocks = append(f.superblocks, placed)
		f.regions = append(f.regions, region{placed.At, placed.At + superblockBytes})
		for _, e := range s.Covers {
			f.regions = append(f.regions, region{at.from + e.From, at.from + e.From + e.Size})
		}
		for _, e := range s.Inside {
			inner := region{at.from + e.From, at.from + e.From + e.Size}
			f.cover(inner)
			if _, err := f.search(disk, inner, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// superblockBytes are read where a superblock begins.
const superblockBytes = 4 << 10

// partitionRegion gives a partition's bytes as far as the disk has them.
func partitionRegion(p wire.Partition, sector, size int64) (region, bool) {
	last := uint64(size/max(sector, 1)) - 1
	if p.First > last || p.Last < p.First {
		return region{}, false
	}
	return region{int64(p.First) * sector, int64(min(p.Last, last)+1) * sector}, true
}
