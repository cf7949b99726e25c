package media

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// File is one file of a boot's overlay.
type File struct {
	Path string // absolute, in the ramdisk
	Mode uint32 // permission bits
	Data []byte
}

// BootFiles are the files of one boot: what tells the agent who it works for, and the ramdisk's network (systemd-networkd's files by name).
func BootFiles(config wire.BootConfig, network map[string][]byte) ([]File, error) {
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode boot config: %w", err)
	}
	files := []File{{Path: wire.BootConfigPath, Mode: 0o600, Data: body}}
	for name, data := range network {
		files = append(files, File{Path: "/etc/systemd/network/" + name, Mode: 0o644, Data: data})
	}
	return files, nil
}

// overlay packs files as a newc cpio archive, padded with zeros to wire.OverlaySize, which the kernel unpacks over the ramdisk's own
// (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). The same files give the same bytes.
func overlay(files []File) ([]byte, error) {
	files = append([]File(nil), files...)
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	var b bytes.Buffer
	made := map[string]bool{"": true}
	inode := 1
	for _, file := range files {
		name := strings.TrimPrefix(path.Clean(file.Path), "/")
		for _, dir := range parents(name) {
			if !made[dir] {
				made[dir] = true
				entry(&b, inode, dir, 0o040755, nil)
				inode++
			}
		}
		entry(&b, inode, name, 0o100000|file.Mode, file.Data)
		inode++
	}
	entry(&b, 0, "TRAILER!!!", 0, nil)
	if b.Len() > wire.OverlaySize {
		return nil, fmt.Errorf("this boot's files take %d bytes, the medium has room for %d: make spec.network smaller", b.Len(), wire.OverlaySize)
	}
	b.Write(make([]byte, wire.OverlaySize-b.Len()))
	return b.Bytes(), nil
}

func parents(name string) []string {
	var dirs []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}

// entry writes one member: a header of 13 numbers of 8 hex digits, the name with a NUL, the data, each padded to 4 bytes.
func entry(b *bytes.Buffer, inode int, name string, mode uint32, data []byte) {
	links := 1
	fmt.Fprintf(b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	b.WriteString(name)
	b.WriteByte(0)
	pad(b)
	b.Write(data)
	pad(b)
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
