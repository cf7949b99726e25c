package media

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// File is a file of a boot's overlay.
type File struct {
	Path string // absolute and clean, in the ramdisk
	Mode uint32 // permission bits
	Data []byte
}

const (
	networkDir = "/etc/systemd/network/"
	// defaultNetwork is the ramdisk's own file: DHCP on every wired interface. An empty file of that name in /etc masks
	// the default (systemd.network(5)).
	defaultNetwork = "99-dhcp.network"
)

// BootFiles gives the files of one boot: the agent's configuration, and the ramdisk's network as systemd-networkd's
// files by name. With an empty network the ramdisk keeps its own network files.
func BootFiles(config wire.BootConfig, network map[string][]byte) ([]File, error) {
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode boot config: %w", err)
	}
	files := []File{{Path: wire.BootConfigPath, Mode: 0o600, Data: body}}
	if len(network) == 0 {
		return files, nil
	}
	network = maps.Clone(network)
	if _, has := network[defaultNetwork]; !has {
		network[defaultNetwork] = nil
	}
	for _, name := range slices.Sorted(maps.Keys(network)) {
		files = append(files, File{Path: networkDir + name, Mode: 0o644, Data: network[name]})
	}
	return files, nil
}

// packOverlay is PackFiles, padded with zeros to wire.OverlaySize. The kernel unpacks the archive over the ramdisk's own
// (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
func packOverlay(files []File) ([]byte, error) {
	packed, err := PackFiles(files)
	if err != nil {
		return nil, err
	}
	if size := len(packed); size > wire.OverlaySize {
		return nil, fmt.Errorf("this boot's files take %d bytes, the medium has room for %d: make spec.network smaller",
			size, wire.OverlaySize)
	}
	return append(packed, make([]byte, wire.OverlaySize-len(packed))...), nil
}

// PackFiles packs files as a newc cpio archive. The same files give the same bytes.
func PackFiles(files []File) ([]byte, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	archive := newc{made: map[string]bool{}}
	for _, file := range files {
		name, absolute := strings.CutPrefix(file.Path, "/")
		if !absolute || name == "" || path.Clean(file.Path) != file.Path || strings.Contains(name, "\x00") {
			return nil, fmt.Errorf("overlay file %q: want a clean absolute path", file.Path)
		}
		if archive.made[name] {
			return nil, fmt.Errorf("overlay file %s is given twice", file.Path)
		}
		archive.addParents(name)
		archive.addEntry(name, regular|file.Mode&0o777, file.Data)
	}
	archive.addEntry(trailer, 0, nil)
	return archive.bytes.Bytes(), nil
}

// File types of a cpio entry's mode, and the name that ends an archive.
const (
	directory = 0o040000
	regular   = 0o100000
	trailer   = "TRAILER!!!"
)

// newc writes a cpio archive. Every entry has the time 0 and the owner root.
type newc struct {
	bytes bytes.Buffer
	made  map[string]bool // names of the entries so far
}

// addParents writes the directories above a name. The kernel gives an existing directory the mode of the entry, so
// directories are 0755 as in the ramdisk; only the directory of the boot config is 0700.
func (c *newc) addParents(name string) {
	dir := path.Dir(name)
	if dir == "." || c.made[dir] {
		return
	}
	c.addParents(dir)
	mode := uint32(0o755)
	if "/"+dir == path.Dir(wire.BootConfigPath) {
		mode = 0o700
	}
	c.addEntry(dir, directory|mode, nil)
}

// addEntry writes one entry: a header of 13 numbers of 8 hex digits, the name with a NUL, and the data, both padded to
// 4 bytes.
func (c *newc) addEntry(name string, mode uint32, data []byte) {
	c.made[name] = true
	inode, links := len(c.made), 1
	fmt.Fprintf(&c.bytes, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	c.bytes.WriteString(name + "\x00")
	c.padToFour()
	c.bytes.Write(data)
	c.padToFour()
}

func (c *newc) padToFour() {
	for c.bytes.Len()%4 != 0 {
		c.bytes.WriteByte(0)
	}
}
