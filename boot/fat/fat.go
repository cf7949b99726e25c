// Package fat writes files into a new FAT16 file system with long names, such as a config drive on a USB or floppy slot
// of a BMC. New gives the whole image in memory: it is for small files. The same files give the same bytes.
//
// Source: Microsoft Extensible Firmware Initiative FAT32 File System Specification, version 1.03.
package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Layout, in bytes and sectors.
const (
	sector      = 512
	entrySize   = 32
	rootEntries = 512
	fats        = 2
	// MinSize and MaxSize bound an image: with fewer clusters than 4,085 it would be FAT12, with more than 65,524 FAT32.
	MinSize = 4 << 20
	MaxSize = 256 << 20
	maxName = 100 // bytes of one part of a path
)

// Attributes of an entry.
const (
	attributeLabel     = 0x08
	attributeDirectory = 0x10
	attributeFile      = 0x20
	attributeLong      = 0x0f
)

// date is the first of January 2000.
const date = 20<<9 | 1<<5 | 1

// writer is an image that is being written.
type writer struct {
	image   []byte
	cluster int // bytes
	table   int // sectors of one FAT
	data    int // first byte of cluster 2
	next    int // free cluster
	last    int // cluster
}

// directory is a directory of the image.
type directory struct {
	parts  map[string]*directory
	files  map[string][]byte
	names  []string // in the order of writing
	number int      // cluster; 0 for the root
}

// New writes files into an image of a size in bytes. Paths have slashes; the label has at most 11 bytes, kept as
// written.
func New(files map[string][]byte, label string, size int) ([]byte, error) {
	if size < MinSize || size > MaxSize || size%sector != 0 {
		return nil, fmt.Errorf("a FAT16 image of %d bytes: want whole sectors, from %d to %d", size, MinSize, MaxSize)
	}
	if len(label) > 11 {
		return nil, fmt.Errorf("the label %q has more than 11 bytes", label)
	}
	root := newDirectory()
	for path, body := range files {
		if err := root.add(path, body); err != nil {
			return nil, fmt.Errorf("write %s into a FAT image: %w", path, err)
		}
	}
	w := format(size, label)
	entries, err := w.writeChildren(root)
	if err != nil {
		return nil, err
	}
	entries = append(shortEntry(fmt.Sprintf("%-11s", label), attributeLabel, 0, 0), entries...)
	if len(entries) > rootEntries*entrySize {
		return nil, fmt.Errorf("the root directory needs %d entries, it has %d", len(entries)/entrySize, rootEntries)
	}
	copy(w.image[w.data-rootEntries*entrySize:], entries)
	copy(w.image[(1+w.table)*sector:], w.image[sector:(1+w.table)*sector])
	return w.image, nil
}

func newDirectory() *directory {
	return &directory{parts: map[string]*directory{}, files: map[string][]byte{}}
}

// add puts a file into the tree.
func (d *directory) add(path string, body []byte) error {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part == "" || part == "." || part == ".." || len(part) > maxName || strings.ContainsAny(part, "\\:*?\"<>|") {
			return fmt.Errorf("the part %q: want a name of 1 to %d bytes that FAT can hold", part, maxName)
		}
		for _, r := range part {
			if r < ' ' || r > '~' {
				return fmt.Errorf("the part %q: want printable ASCII", part)
			}
		}
		clash := slices.ContainsFunc(d.names, func(n string) bool { return n != part && strings.EqualFold(n, part) })
		_, isFile := d.files[part]
		_, isDirectory := d.parts[part]
		switch last := i == len(parts)-1; {
		case clash, isFile, last && isDirectory:
			return errors.New("two files have the path, or differ by case alone, or one is a directory of the other")
		case last:
			d.files[part] = body
		case !isDirectory:
			d.parts[part] = newDirectory()
		}
		if !slices.Contains(d.names, part) {
			d.names = append(d.names, part)
		}
		if next := d.parts[part]; next != nil {
			d = next
		}
	}
	return nil
}

// format writes the boot sector and empty tables.
func format(size int, label string) *writer {
	w := &writer{image: make([]byte, size), next: 2}
	per := 1
	for size/(per*sector) > 65_524 {
		per *= 2
	}
	w.cluster = per * sector
	w.table = (size/w.cluster*2 + sector - 1) / sector
	w.data = (1+fats*w.table)*sector + rootEntries*entrySize
	w.last = (size-w.data)/w.cluster + 1
	b := w.image
	copy(b, "\xeb\x3c\x90MSWIN4.1")
	put16 := binary.LittleEndian.PutUint16
	put16(b[11:], sector)
	b[13] = byte(per)
	put16(b[14:], 1)
	b[16] = fats
	put16(b[17:], rootEntries)
	b[21] = 0xf8
	put16(b[22:], uint16(w.table))
	put16(b[24:], 32)
	put16(b[26:], 64)
	if size/sector < 0x10000 {
		put16(b[19:], uint16(size/sector))
	} else {
		binary.LittleEndian.PutUint32(b[32:], uint32(size/sector))
	}
	b[36], b[38] = 0x80, 0x29
	copy(b[39:], "TGNI") // volume id
	copy(b[43:54], fmt.Sprintf("%-11s", label))
	copy(b[54:], "FAT16   ")
	b[510], b[511] = 0x55, 0xaa
	put16(b[sector:], 0xfff8)
	put16(b[sector+2:], 0xffff)
	return w
}

// take puts bytes into new clusters, chained, and gives the first; 0 for no bytes.
func (w *writer) take(body []byte) (first int, err error) {
	count := (len(body) + w.cluster - 1) / w.cluster
	if w.next+count-1 > w.last {
		return 0, fmt.Errorf("the files do not fit into a FAT image of %d bytes", len(w.image))
	}
	if count == 0 {
		return 0, nil
	}
	first = w.next
	copy(w.image[w.data+(first-2)*w.cluster:], body)
	for i := range count {
		value := uint16(first + i + 1)
		if i == count-1 {
			value = 0xffff
		}
		binary.LittleEndian.PutUint16(w.image[sector+2*(first+i):], value)
	}
	w.next += count
	return first, nil
}

// writeChildren writes what is in a directory, and gives the entries of the directory.
func (w *writer) writeChildren(d *directory) (entries []byte, err error) {
	slices.Sort(d.names)
	for i, name := range d.names {
		attribute, size, first := byte(attributeFile), len(d.files[name]), 0
		if child := d.parts[name]; child != nil {
			attribute, size = attributeDirectory, 0
			first, err = w.writeDirectory(child, d)
		} else {
			first, err = w.take(d.files[name])
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, nameEntries(name, i)...)
		entries = append(entries, shortEntry(shortName(i), attribute, first, size)...)
	}
	return entries, nil
}

// writeDirectory writes a directory below another. Its clusters are taken before those of its children, so that the
// children can name it.
func (w *writer) writeDirectory(d, parent *directory) (first int, err error) {
	length := 2 * entrySize
	for i, name := range d.names {
		length += len(nameEntries(name, i)) + entrySize
	}
	if d.number, err = w.take(make([]byte, length)); err != nil {
		return 0, err
	}
	entries, err := w.writeChildren(d)
	if err != nil {
		return 0, err
	}
	dots := append(shortEntry(".          ", attributeDirectory, d.number, 0), shortEntry("..         ", attributeDirectory, parent.number, 0)...)
	copy(w.image[w.data+(d.number-2)*w.cluster:], append(dots, entries...))
	return d.number, nil
}

// shortName is the name of 11 characters of the entry with a number in its directory: people see the long name.
func shortName(number int) string { return fmt.Sprintf("FILE%04dDAT", number) }

func shortEntry(name string, attribute byte, first, size int) []byte {
	e := make([]byte, entrySize)
	copy(e, name)
	e[11] = attribute
	for _, at := range []int{16, 18, 24} {
		binary.LittleEndian.PutUint16(e[at:], date)
	}
	binary.LittleEndian.PutUint16(e[26:], uint16(first))
	binary.LittleEndian.PutUint32(e[28:], uint32(size))
	return e
}

// nameEntries are the entries with the long name, the last part of the name first (section 7).
func nameEntries(name string, number int) (entries []byte) {
	var sum byte
	for _, c := range []byte(shortName(number)) {
		sum = sum<<7 | sum>>1
		sum += c
	}
	count := (len(name) + 12) / 13
	for part := count; part >= 1; part-- {
		e := make([]byte, entrySize)
		if e[0] = byte(part); part == count {
			e[0] |= 0x40
		}
		e[11], e[13] = attributeLong, sum
		for i, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
			unit := uint16(0xffff)
			switch pos := (part-1)*13 + i; {
			case pos < len(name):
				unit = uint16(name[pos])
			case pos == len(name):
				unit = 0
			}
			binary.LittleEndian.PutUint16(e[at:], unit)
		}
		entries = append(entries, e...)
	}
	return entries
}
