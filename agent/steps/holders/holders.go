// Package holders stops what holds disks that are to be erased: mounts and swap, arrays of md, and devices of the device
// mapper (LVM, multipath, encryption). Call Find first: Find changes nothing, and refuses a holder with a member that is
// not among the disks. Call Claim only with leave to erase the disks. Stopping an array, or a file system, may write to the
// members.
package holders

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kind is what kind of thing holds a disk.
type Kind string

// Kinds of holders that can be stopped.
const (
	Mount  Kind = "mount"
	Swap   Kind = "swap"
	Array  Kind = "md"
	Mapped Kind = "dm" // LVM, multipath, encryption
)

// Holder is something that holds a disk.
type Holder struct {
	Kind Kind
	// Name is the kernel's name of a device, the place of a mount, or the path of a swap area.
	Name string
	// Title is the name for people, such as "dm-0 (vg-home)".
	Title string
	// Device is the number of a device, "253:0".
	Device string
}

// String is the title.
func (h Holder) String() string { return h.Title }

// System is a machine's file system, seen at a root; "/" is the machine itself.
type System string

// kernel names of devices that can be stopped.
var (
	arrayName  = regexp.MustCompile(`^md[0-9_]`)
	mappedName = regexp.MustCompile(`^dm-[0-9]+$`)
)

// Find lists what holds disks, by the paths of their devices in /dev, in the order in which to stop. An error names a holder that is of an
// unknown kind, or that has another member than these disks; the holder then must not be stopped.
func (s System) Find(paths []string) ([]Holder, error) {
	var disks []string
	for _, path := range paths {
		disks = append(disks, filepath.Base(path))
	}
	f := finder{system: s, disks: disks, mounts: s.readMounts(), swaps: s.readSwaps(), seen: map[string]bool{}}
	for _, disk := range disks {
		if err := f.visit(disk, 0); err != nil {
			return nil, err
		}
	}
	return f.mountsFirst(), nil
}

// mountsFirst puts the mounts in front of the devices, in the reverse order of the mounts: a mount inside another one is
// unmounted first.
func (f *finder) mountsFirst() []Holder {
	place := func(h Holder) int {
		return slices.IndexFunc(f.mounts, func(m mount) bool { return h.Kind == Mount && m.place == h.Name })
	}
	slices.SortStableFunc(f.found, func(a, b Holder) int { return place(b) - place(a) })
	return f.found
}

// finder collects holders from the top of the stack of devices to its bottom.
type finder struct {
	system System
	disks  []string
	mounts []mount
	swaps  []string
	seen   map[string]bool
	found  []Holder
}

// maxDepth is how many devices may lie above each other.
const maxDepth = 16

// visit adds what holds a device and its partitions.
func (f *finder) visit(device string, depth int) error {
	if f.seen[device] {
		return nil
	}
	if f.seen[device] = true; depth > maxDepth {
		return fmt.Errorf("%s lies above more than %d devices", device, maxDepth)
	}
	for _, part := range append(f.system.listParts(device), device) {
		for _, above := range f.system.list("sys/class/block", part, "holders") {
			if err := f.addDevice(part, above, depth); err != nil {
				return err
			}
		}
		if err := f.addUses(part); err != nil {
			return err
		}
	}
	return nil
}

// addDevice adds a device that is made of another one, behind what holds the device itself.
func (f *finder) addDevice(below, name string, depth int) error {
	holder := Holder{Name: name, Title: name, Device: f.system.read("sys/class/block", name, "dev")}
	switch {
	case arrayName.MatchString(name):
		holder.Kind = Array
	case mappedName.MatchString(name):
		holder.Kind = Mapped
		holder.Title = fmt.Sprintf("%s (%s)", name, f.system.read("sys/class/block", name, "dm/name"))
	default:
		return fmt.Errorf("%s is held by %s, which cannot be stopped here", below, name)
	}
	if f.seen[name] {
		return nil
	}
	if err := f.checkMembers(holder, f.system.list("sys/class/block", name, "slaves")); err != nil {
		return err
	}
	if err := f.visit(name, depth+1); err != nil {
		return err
	}
	f.found = append(f.found, holder)
	return nil
}

// checkMembers refuses a holder with a member that is not among the disks.
func (f *finder) checkMembers(h Holder, members []string) error {
	if len(members) == 0 {
		return fmt.Errorf("%s holds a disk, and its members are not known", h)
	}
	for _, member := range members {
		for _, disk := range f.system.findDisks(member, 0) {
			if !slices.Contains(f.disks, disk) {
				return fmt.Errorf("%s has the member %s on a disk that is not erased: %s", h, member, disk)
			}
		}
	}
	return nil
}

// addUses adds the swap area and the mounts of a device.
func (f *finder) addUses(device string) error {
	paths := []string{"/dev/" + device}
	if name := f.system.read("sys/class/block", device, "dm/name"); name != "" {
		paths = append(paths, "/dev/mapper/"+name)
	}
	for _, path := range f.swaps {
		if slices.Contains(paths, path) && !f.seen[path] {
			f.seen[path] = true
			f.found = append(f.found, Holder{Kind: Swap, Name: path, Title: "swap on " + device})
		}
	}
	number := f.system.read("sys/class/block", device, "dev")
	for _, m := range f.mounts {
		if m.number != number && !slices.Contains(paths, m.source) || f.seen[m.place] {
			continue
		}
		if err := f.checkMount(m, device); err != nil {
			return err
		}
		f.found = append(f.found, Holder{Kind: Mount, Name: m.place, Title: "the mount " + m.place})
		f.seen[m.place] = true
	}
	return nil
}

// checkMount refuses a mount that the running system needs, or that has another device than these disks.
func (f *finder) checkMount(m mount, device string) error {
	h := Holder{Title: "the mount " + m.place}
	switch {
	case m.place == "/" || m.place == "/usr":
		return fmt.Errorf("%s is held by the running system: it is mounted at %s", device, m.place)
	case strings.Contains(m.options, "logdev=") || strings.Contains(m.options, "rtdev="):
		return fmt.Errorf("%s has a device of its own for its log: unmount it in a step before", h)
	case m.kind == "btrfs":
		return f.checkMembers(h, f.system.listBtrfs(device))
	default:
		return nil
	}
}

// findDisks gives the disks below a device.
func (s System) findDisks(device string, depth int) (disks []string) {
	below := s.list("sys/class/block", device, "slaves")
	if len(below) > 0 && depth < maxDepth {
		for _, member := range below {
			disks = append(disks, s.findDisks(member, depth+1)...)
		}
		return disks
	}
	whole := s.findWhole(device)
	if whole != device && len(s.list("sys/class/block", whole, "slaves")) > 0 { // a partition of an array
		return s.findDisks(whole, depth+1)
	}
	return []string{whole}
}

// findWhole gives the device of a partition, or the device itself.
func (s System) findWhole(device string) string {
	for _, whole := range s.list("sys/block") {
		if whole != device && s.read("sys/block", whole, device, "dev") != "" {
			return whole
		}
	}
	return device
}

// listParts lists the partitions of a device.
func (s System) listParts(device string) (parts []string) {
	for _, name := range s.list("sys/block", device) {
		if strings.HasPrefix(name, device) && s.read("sys/block", device, name, "dev") != "" {
			parts = append(parts, name)
		}
	}
	return parts
}

// listBtrfs lists the devices of the btrfs file system on a device (/sys/fs/btrfs/<uuid>/devices).
func (s System) listBtrfs(device string) []string {
	for _, uuid := range s.list("sys/fs/btrfs") {
		if devices := s.list("sys/fs/btrfs", uuid, "devices"); slices.Contains(devices, device) {
			return devices
		}
	}
	return nil
}

// mount is a line of proc(5), mountinfo.
type mount struct{ number, place, kind, source, options string }

// readMounts reads the mounts: "36 35 98:0 /root /mount options - type source options".
func (s System) readMounts() (mounts []mount) {
	for line := range strings.Lines(s.read("proc/self/mountinfo")) {
		head, tail, _ := strings.Cut(line, " - ")
		before, behind := strings.Fields(head), strings.Fields(tail)
		if len(before) > 4 && len(behind) > 1 {
			mounts = append(mounts, mount{before[2], unescape(before[4]), behind[0], unescape(behind[1]), strings.Join(behind[2:], ",")})
		}
	}
	return mounts
}

// readSwaps lists the paths of swap areas (proc(5), swaps).
func (s System) readSwaps() (paths []string) {
	for line := range strings.Lines(s.read("proc/swaps")) {
		if path, _, _ := strings.Cut(line, " "); strings.HasPrefix(path, "/") {
			paths = append(paths, unescape(strings.TrimSpace(path)))
		}
	}
	return paths
}

// unescape undoes what proc(5) does to spaces, tabs, newlines and backslashes.
func unescape(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}

// maxRead is how much of a file of the kernel is read.
const maxRead = 4 << 20

// read gives the text of a file of the kernel; "" where there is none.
func (s System) read(path ...string) string {
	text, err := os.ReadFile(s.path(path...))
	if err != nil || len(text) > maxRead {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// list gives the names in a directory; none where there is none.
func (s System) list(path ...string) (names []string) {
	entries, err := os.ReadDir(s.path(path...))
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func (s System) path(path ...string) string {
	return filepath.Join(append([]string{string(s)}, path...)...)
}
