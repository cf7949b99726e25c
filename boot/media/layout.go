package media

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// area is a part of the image by bytes, from start to before end.
type area struct {
	name       string
	start, end int64
}

// bootFiles are the parts of the image that are files in /boot, by name; iso.sh writes them.
var bootFiles = map[string]string{"vmlinuz": inventory.MediumKernel, "initrd": inventory.MediumInitrd}

// loaders are the parts of the image that are files of the EFI system partition, by name.
var loaders = map[string]string{"BOOTX64 EFI": inventory.MediumShim, "GRUBX64 EFI": inventory.MediumGRUB}

// maxDirectory is the most that is read of a directory, in bytes.
const maxDirectory = 64 << 10

// findAreas gives the parts of an image in the order of a start; only the overlay where the image is not laid out as
// iso.sh lays it out. The directory is everything before the first file.
func findAreas(image io.ReaderAt, overlay int64) []area {
	return findParts(image, area{inventory.MediumOverlay, overlay, overlay + wire.OverlaySize})
}

// findParts is findAreas for an image with a boot's own files elsewhere.
func findParts(image io.ReaderAt, overlay area) []area {
	areas := []area{overlay}
	root, known := readRoot(image)
	if !known {
		return areas
	}
	boot := listDirectory(image, listDirectory(image, root)["boot"])
	for name, part := range bootFiles {
		if at, there := boot[name]; there {
			areas = append(areas, area{part, at.start, at.end})
		}
	}
	if esp, there := boot["esp.img"]; there {
		areas = append(areas, findLoaders(image, esp)...)
	}
	first := slices.MinFunc(areas, func(a, b area) int { return cmp.Compare(a.start, b.start) }).start
	areas = append(areas, area{inventory.MediumDirectory, 0, first})
	slices.SortFunc(areas, func(a, b area) int { return cmp.Compare(orderOf(a.name), orderOf(b.name)) })
	return areas
}

// listParts gives the parts of the image, of which nothing was read yet.
func (i image) listParts() (parts []inventory.MediumPart) {
	for _, a := range i.areas {
		parts = append(parts, inventory.MediumPart{Name: a.name, Size: a.end - a.start})
	}
	return parts
}

// startOrder is the order in which a machine reads the parts.
var startOrder = []string{inventory.MediumDirectory, inventory.MediumShim, inventory.MediumGRUB, inventory.MediumKernel,
	inventory.MediumInitrd, inventory.MediumOverlay}

func orderOf(name string) int { return slices.Index(startOrder, name) }

// readRoot finds the root directory of an ISO 9660 image (ECMA-119, 8.4).
func readRoot(image io.ReaderAt) (root area, known bool) {
	var volume [sector]byte
	if _, err := image.ReadAt(volume[:], 16*sector); err != nil || volume[0] != 1 || string(volume[1:6]) != "CD001" {
		return area{}, false
	}
	return readExtent(volume[156:190]), true
}

// readExtent gives the bytes of a directory record (ECMA-119, 9.1).
func readExtent(record []byte) area {
	start := int64(binary.LittleEndian.Uint32(record[2:6])) * sector
	return area{start: start, end: start + int64(binary.LittleEndian.Uint32(record[10:14]))}
}

// listDirectory gives the extents of a directory's entries by name, in lower case and without version.
func listDirectory(image io.ReaderAt, at area) map[string]area {
	found := map[string]area{}
	body := make([]byte, min(max(at.end-at.start, 0), maxDirectory))
	if _, err := image.ReadAt(body, at.start); err != nil {
		return found
	}
	for i := 0; i+34 <= len(body); {
		length := int(body[i])
		if length == 0 { // a record does not cross a sector's end
			i += sector - i%sector
			continue
		}
		if record := body[i:min(i+length, len(body))]; length >= 34 && 33+int(record[32]) <= len(record) {
			name, _, _ := strings.Cut(strings.ToLower(string(record[33:33+int(record[32])])), ";")
			found[strings.TrimSuffix(name, ".")] = readExtent(record)
		}
		i += length
	}
	return found
}

// findLoaders finds the boot loaders in a FAT12 or FAT16 image (Microsoft, FAT: general overview). mcopy wrote the
// files into an empty file system, so each file is in one piece.
func findLoaders(image io.ReaderAt, esp area) (found []area) {
	var bpb [64]byte
	if _, err := image.ReadAt(bpb[:], esp.start); err != nil {
		return nil
	}
	short := func(at int) int64 { return int64(binary.LittleEndian.Uint16(bpb[at : at+2])) }
	bytesPerSector, cluster := short(11), short(11)*int64(bpb[13])
	root := esp.start + (short(14)+int64(bpb[16])*short(22))*bytesPerSector
	data := root + short(17)*fatEntry
	if cluster == 0 {
		return nil
	}
	directory := func(at, size int64, name string) (area, bool) {
		entry, there := findFAT(image, area{start: at, end: at + size}, name)
		entry.start = data + (entry.start-2)*cluster
		entry.end += entry.start
		return entry, there
	}
	efi, there := directory(root, short(17)*fatEntry, "EFI        ")
	boot, inside := directory(efi.start, cluster, "BOOT       ")
	if !there || !inside {
		return nil
	}
	for name, part := range loaders {
		if file, there := directory(boot.start, cluster, name); there && file.end <= esp.end {
			found = append(found, area{part, file.start, file.end})
		}
	}
	return found
}

// fatEntry is the size of a directory entry.
const fatEntry = 32

// findFAT finds an entry of a FAT directory by its name of 11 characters: start is the first cluster, end the size.
func findFAT(image io.ReaderAt, directory area, name string) (entry area, there bool) {
	body := make([]byte, min(max(directory.end-directory.start, 0), maxDirectory))
	if _, err := image.ReadAt(body, directory.start); err != nil {
		return area{}, false
	}
	for i := 0; i+fatEntry <= len(body); i += fatEntry {
		if bytes.EqualFold(body[i:i+11], []byte(name)) {
			return area{start: int64(binary.LittleEndian.Uint16(body[i+26 : i+28])),
				end: int64(binary.LittleEndian.Uint32(body[i+28 : i+32]))}, true
		}
	}
	return area{}, false
}
