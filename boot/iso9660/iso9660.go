// Package iso9660 lays files out as an ISO 9660 image with Rock Ridge names, and with an El Torito entry for UEFI where
// wanted. New makes the directories in memory; the files stay where they are, and Image.ReadAt reads through to them:
// an image of gigabytes costs no copy. The same files give the same bytes.
//
// Sources: ECMA-119 (directories, descriptors), IEEE P1281 and P1282 (SUSP and Rock Ridge), El Torito 1.0.
package iso9660

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// sector is the size of a logical block, in bytes.
const sector = 2048

// Bounds of what New lays out.
const (
	maxName  = 100 // bytes of one part of a path: a directory record has at most 255 bytes
	maxFiles = 10_000
	maxDepth = 8
	maxLabel = 32
)

// File is one file of an image.
type File struct {
	Path    string // with slashes, such as openstack/latest/meta_data.json; no part is . or ..
	Size    int64  // bytes, less than 4 GiB
	Content io.ReaderAt
}

// Options of an image.
type Options struct {
	Label string // of the volume, at most 32 bytes, kept as written
	// Boot is the path of the file that UEFI firmware starts as an EFI system partition; "" for none.
	Boot string
}

// Image is a laid out image.
type Image struct {
	size     int64
	segments []segment // in their order, without the zeros between them
}

// segment is a piece of an image.
type segment struct {
	at, size int64
	content  io.ReaderAt
}

// node is a directory or a file.
type node struct {
	name     string
	id       string // ISO 9660 name
	file     *File  // nil for a directory
	parent   *node
	children []*node
	at       uint32 // first sector
	size     uint32 // bytes
	number   uint16 // of a directory in the path table
}

// New lays out an image.
func New(files []File, o Options) (*Image, error) {
	if len(o.Label) > maxLabel || len(files) > maxFiles {
		return nil, fmt.Errorf("an image with a label of %d bytes and %d files: at most %d and %d", len(o.Label), len(files),
			maxLabel, maxFiles)
	}
	root := &node{}
	root.parent = root
	var boot *node
	for i := range files {
		n, err := root.add(&files[i])
		if err != nil {
			return nil, fmt.Errorf("lay out %s in an image: %w", files[i].Path, err)
		}
		if files[i].Path == o.Boot {
			boot = n
		}
	}
	if o.Boot != "" && boot == nil {
		return nil, fmt.Errorf("the image has no file %s to start", o.Boot)
	}
	return layOut(root, boot, o.Label)
}

// add puts a file into the tree.
func (n *node) add(file *File) (*node, error) {
	if file.Size < 0 || file.Size > math.MaxUint32-sector {
		return nil, fmt.Errorf("%d bytes: a file of an image has less than 4 GiB", file.Size)
	}
	parts := strings.Split(file.Path, "/")
	if len(parts) > maxDepth {
		return nil, fmt.Errorf("more than %d directories deep", maxDepth)
	}
	for i, part := range parts {
		if part == "" || part == "." || part == ".." || len(part) > maxName {
			return nil, fmt.Errorf("the part %q: want 1 to %d bytes", part, maxName)
		}
		last := i == len(parts)-1
		at := slices.IndexFunc(n.children, func(c *node) bool { return c.name == part })
		switch {
		case at < 0:
			child := &node{name: part, parent: n}
			n.children = append(n.children, child)
			n = child
		case last || n.children[at].file != nil:
			return nil, errors.New("two files have the path, or one is a directory of the other")
		default:
			n = n.children[at]
		}
	}
	n.file, n.size = file, uint32(file.Size)
	return n, nil
}

// layOut gives sectors to directories, then to files, and writes everything that is no file.
func layOut(root, boot *node, label string) (*Image, error) {
	directories, files := root.list()
	next := uint32(18) // the volume descriptor and its terminator
	if boot != nil {
		next++
	}
	tables := next
	tableSize := pathTableSize(directories)
	next += 2 * sectors(tableSize)
	catalog := next
	if boot != nil {
		next++
	}
	for i, d := range directories {
		d.number, d.at, d.size = uint16(i+1), next, d.directorySize()
		next += sectors(d.size)
	}
	head := int64(next) * sector
	image := &Image{}
	for _, f := range files {
		f.at = next
		if f.size > 0 {
			image.segments = append(image.segments, segment{int64(next) * sector, int64(f.size), f.file.Content})
		}
		if int64(next)+int64(sectors(f.size)) > math.MaxUint32 {
			return nil, errors.New("the image would have more than 8 TiB")
		}
		next += sectors(f.size)
	}
	image.size = int64(next) * sector
	body := make([]byte, head)
	writeVolume(body[16*sector:17*sector], volume{label: label, sectors: next, table: tables, tableSize: tableSize, root: root})
	end := 17
	if boot != nil {
		writeBootRecord(body[17*sector:18*sector], catalog)
		writeCatalog(body[int(catalog)*sector:], boot)
		end++
	}
	copy(body[end*sector:], "\xffCD001\x01")
	writePathTable(body[int(tables)*sector:], directories, binary.LittleEndian)
	writePathTable(body[(int(tables)+int(sectors(tableSize)))*sector:], directories, binary.BigEndian)
	for _, d := range directories {
		d.writeDirectory(body[int(d.at)*sector:int(d.at+sectors(d.size))*sector], d == root)
	}
	image.segments = slices.Insert(image.segments, 0, segment{0, head, bytesAt(body)})
	return image, nil
}

// list gives the directories in the order of the path table, and the files; every directory is sorted by ISO name.
func (n *node) list() (directories, files []*node) {
	directories = []*node{n}
	for i := 0; i < len(directories); i++ {
		d := directories[i]
		d.nameChildren()
		for _, c := range d.children {
			if c.file == nil {
				directories = append(directories, c)
			} else {
				files = append(files, c)
			}
		}
	}
	return directories, files
}

// nameChildren gives the ISO 9660 names, 8.3 and unique, for readers without Rock Ridge.
func (n *node) nameChildren() {
	slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	taken := map[string]bool{}
	for i, c := range n.children {
		stem, extension, _ := strings.Cut(strings.ToUpper(c.name), ".")
		stem, extension = plainName(stem, 8), plainName(extension, 3)
		if id := stem + "." + extension; taken[id] {
			stem = fmt.Sprintf("%.3s%05d", stem, i)
		}
		taken[stem+"."+extension] = true
		if c.id = stem + "." + extension + ";1"; c.file == nil {
			c.id = strings.TrimSuffix(stem+"_"+extension, "_")
		}
	}
	slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.id, b.id) })
}

func plainName(name string, most int) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), most)]
}

func sectors(size uint32) uint32 { return uint32((int64(size) + sector - 1) / sector) }

// Size is the size of the image in bytes.
func (i *Image) Size() int64 { return i.size }

// ReadAt implements io.ReaderAt. Bytes between the files are zeros.
func (i *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("a read before the image")
	}
	if off >= i.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > i.size-off
	p = p[:min(int64(len(p)), i.size-off)]
	clear(p)
	first, _ := slices.BinarySearchFunc(i.segments, off, func(s segment, at int64) int { return cmp.Compare(s.at+s.size-1, at) })
	for _, s := range i.segments[first:] {
		begin, end := max(off, s.at), min(off+int64(len(p)), s.at+s.size)
		if begin >= end {
			break
		}
		if n, err := s.content.ReadAt(p[begin-off:end-off], begin-s.at); int64(n) < end-begin {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the file is shorter than it was
			}
			return int(begin - off), fmt.Errorf("read a file of the image: %w", err)
		}
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// Bytes reads a small image whole.
func (i *Image) Bytes() ([]byte, error) {
	body := make([]byte, i.size)
	_, err := i.ReadAt(body, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return body, nil
}

// bytesAt reads from memory.
type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, b[min(off, int64(len(b))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
