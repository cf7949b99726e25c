package holders

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Claim stops holders in the order that Find gave, and opens the devices so that nothing holds them anew before release is
// called. What is busy is not stopped by force: a file system with open files, and a device that somebody has open, are
// errors. After an error the holders before it are stopped. release is never nil.
func (s System) Claim(paths []string, stops []Holder) (release func(), err error) {
	var claimed []*os.File
	release = func() {
		for _, file := range claimed {
			_ = file.Close() // nothing was written
		}
	}
	for _, h := range stops {
		if err := s.stop(h); err != nil {
			return release, fmt.Errorf("stop %s: %w; nothing was erased", h, err)
		}
	}
	for _, path := range paths {
		file, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
		if err != nil {
			return release, fmt.Errorf("keep others from %s: %w; nothing was erased", path, err)
		}
		claimed = append(claimed, file)
	}
	return release, nil
}

// Besides gives the names of those that hold a disk, as package facts lists them, without what is stopped.
func Besides(names []string, stops []Holder) (rest []string) {
	for _, name := range names {
		if !slices.ContainsFunc(stops, func(h Holder) bool { return h.Name == name || h.Kind == Swap && name == "swap" }) {
			rest = append(rest, name)
		}
	}
	return rest
}

func (s System) stop(h Holder) error {
	switch h.Kind {
	case Mount:
		return unix.Unmount(s.path(h.Name), unix.UMOUNT_NOFOLLOW)
	case Swap:
		return swapOff(s.path(h.Name))
	case Array:
		return s.stopArray(h.Name)
	case Mapped:
		return removeMapped(s.path("dev/mapper/control"), h.Device)
	default:
		return fmt.Errorf("unknown kind %q", h.Kind)
	}
}

// swapOff is swapoff(2).
func swapOff(path string) error {
	text, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	_, _, number := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(text)), 0, 0)
	runtime.KeepAlive(text)
	if number != 0 {
		return number
	}
	return nil
}

// stopArray stops an array of md: the word "clear" in its array_state (Linux, Documentation/admin-guide/md.rst). The
// kernel refuses while somebody has the array open.
func (s System) stopArray(name string) error {
	state, err := os.OpenFile(s.path("sys/block", name, "md/array_state"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = state.WriteString("clear")
	return errors.Join(err, state.Close())
}

// mappedRequest is struct dm_ioctl (linux/dm-ioctl.h, version 4).
type mappedRequest struct {
	Version             [3]uint32
	DataSize, DataStart uint32
	TargetCount         uint32
	OpenCount           int32
	Flags, EventNr      uint32
	Padding             uint32
	Device              uint64
	Name                [128]byte
	UUID                [129]byte
	Data                [7]byte
}

// removeCommand is DM_DEV_REMOVE: _IOWR(0xfd, 4, struct dm_ioctl), of 312 bytes.
const removeCommand = 3<<30 | 312<<16 | 0xfd<<8 | 4

// removeMapped removes a device of the device mapper by its number. The kernel refuses while somebody has it open.
func removeMapped(control, number string) error {
	major, minor, _ := strings.Cut(number, ":")
	first, err := strconv.ParseUint(major, 10, 12)
	second, bad := strconv.ParseUint(minor, 10, 20)
	if err != nil || bad != nil {
		return fmt.Errorf("device number %q", number)
	}
	request := mappedRequest{Version: [3]uint32{4, 0, 0}, DataSize: 312, DataStart: 312,
		Device: unix.Mkdev(uint32(first), uint32(second))}
	var room bytes.Buffer
	if err := binary.Write(&room, binary.NativeEndian, request); err != nil {
		return err
	}
	file, err := os.OpenFile(control, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close() // nothing was written
	data := room.Bytes()
	_, _, failed := unix.Syscall(unix.SYS_IOCTL, file.Fd(), removeCommand, uintptr(unsafe.Pointer(&data[0])))
	runtime.KeepAlive(data)
	if failed != 0 {
		return failed
	}
	return nil
}
