package facts

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forgetPages has the next reads of a disk come from the disk: what the kernel keeps of it may be older, where another
// machine writes to the same disk. Reads ahead are switched off, because samples lie far apart.
func forgetPages(file *os.File) {
	fd := int(file.Fd())
	_ = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) // advice only: a kernel that cannot reads all the same
	_ = unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM)
}

// readReservation names the holder of a persistent reservation; none where there is none, or where the disk has no such
// thing. Linux 6.1 has no ioctl that reads a reservation (linux/pr.h registers, reserves and clears only), so that the
// command of the transport is sent.
func readReservation(name string, fd uintptr) []string {
	switch {
	case strings.HasPrefix(name, "sd"):
		return readSCSIReservation(fd)
	case strings.HasPrefix(name, "nvme"):
		return readNVMeReservation(fd)
	default:
		return nil
	}
}

// PERSISTENT RESERVE IN (SPC-5, 6.16), sent by SG_IO (Linux, include/scsi/sg.h).
const (
	sgIO           = 0x2285
	sgFromDevice   = -3 // SG_DXFER_FROM_DEV
	prInCommand    = 0x5e
	prReadReserved = 1 // service action READ RESERVATION
	prTimeout      = 5_000
	statusConflict = 0x18 // SCSI status RESERVATION CONFLICT
)

// sgHeader is sg_io_hdr.
type sgHeader struct {
	interfaceID    int32
	direction      int32
	commandLen     uint8
	maxSenseLen    uint8
	iovecCount     uint16
	transferLen    uint32
	transfer       unsafe.Pointer
	command        unsafe.Pointer
	sense          unsafe.Pointer
	timeout        uint32 // milliseconds
	flags          uint32
	packID         int32
	userPointer    unsafe.Pointer
	status         uint8
	maskedStatus   uint8
	messageStatus  uint8
	senseLen       uint8
	hostStatus     uint16
	driverStatus   uint16
	residual       int32
	duration, info uint32
}

func readSCSIReservation(fd uintptr) []string {
	var answer [24]byte
	var sense [32]byte
	command := [10]byte{prInCommand, prReadReserved, 8: byte(len(answer))}
	header := sgHeader{interfaceID: 'S', direction: sgFromDevice, commandLen: uint8(len(command)),
		maxSenseLen: uint8(len(sense)), transferLen: uint32(len(answer)), transfer: unsafe.Pointer(&answer),
		command: unsafe.Pointer(&command), sense: unsafe.Pointer(&sense), timeout: prTimeout}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, sgIO, uintptr(unsafe.Pointer(&header)))
	runtime.KeepAlive(&header)
	switch {
	case errno != 0:
		return nil
	case header.status == statusConflict:
		return []string{"another machine's reservation"}
	case header.status != 0:
		return nil // the disk has no reservations
	}
	return parseSCSIReservation(answer[:])
}

// parseSCSIReservation reads the parameter data of READ RESERVATION: generation, length of what follows (0 without a
// reservation), key.
func parseSCSIReservation(answer []byte) []string {
	if len(answer) < 16 || binary.BigEndian.Uint32(answer[4:]) < 16 {
		return nil
	}
	return []string{fmt.Sprintf("a reservation with key %#x", binary.BigEndian.Uint64(answer[8:]))}
}

// Reservation Report (NVM Express, NVM command set, 7.7), sent by NVME_IOCTL_IO_CMD (Linux, include/uapi/linux/nvme_ioctl.h).
const (
	nvmeIOCommand = 0xc0484e43 // _IOWR('N', 0x43, struct nvme_passthru_cmd)
	nvmeReport    = 0x0e
	nvmeGetID     = 0x4e40 // NVME_IOCTL_ID
	reportBytes   = 4096
)

// nvmeCommand is nvme_passthru_cmd.
type nvmeCommand struct {
	opcode, flags                  uint8
	reserved                       uint16
	namespace                      uint32
	cdw2, cdw3                     uint32
	metadata                       uint64
	address                        uint64
	metadataLen, dataLen           uint32
	cdw10, cdw11, cdw12, cdw13     uint32
	cdw14, cdw15, timeout, outcome uint32
}

func readNVMeReservation(fd uintptr) []string {
	namespace, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, nvmeGetID, 0)
	if errno != 0 {
		return nil
	}
	answer := make([]byte, reportBytes)
	var pinner runtime.Pinner // the kernel is given the address as a number
	pinner.Pin(&answer[0])
	defer pinner.Unpin()
	command := nvmeCommand{opcode: nvmeReport, namespace: uint32(namespace),
		address: uint64(uintptr(unsafe.Pointer(&answer[0]))), dataLen: reportBytes, cdw10: reportBytes/4 - 1,
		timeout: prTimeout}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, nvmeIOCommand, uintptr(unsafe.Pointer(&command)))
	if errno != 0 || status != 0 {
		return nil // the namespace has no reservations
	}
	return parseNVMeReservation(answer)
}

// parseNVMeReservation reads a reservation status: the type at byte 4 is 0 without a reservation.
func parseNVMeReservation(answer []byte) []string {
	if len(answer) < 24 || answer[4] == 0 {
		return nil
	}
	return []string{fmt.Sprintf("a reservation of type %d", answer[4])}
}
