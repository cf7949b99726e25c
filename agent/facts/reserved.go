package facts

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/passthrough"
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

// prTimeout is how long a disk may take to say who reserved it.
const prTimeout = 5 * time.Second

// PERSISTENT RESERVE IN (SPC-5, 6.16).
const (
	prInCommand    = 0x5e
	prReadReserved = 1    // service action READ RESERVATION
	statusConflict = 0x18 // SCSI status RESERVATION CONFLICT
)

func readSCSIReservation(fd uintptr) []string {
	var room [24]byte
	answer, err := passthrough.SendSCSI(fd, passthrough.SCSI{
		CDB: []byte{prInCommand, prReadReserved, 8: byte(len(room)), 9: 0}, Answer: room[:], Timeout: prTimeout})
	switch {
	case err != nil:
		return nil
	case answer.Status == statusConflict:
		return []string{"another machine's reservation"}
	case answer.Status != 0:
		return nil // the disk has no reservations
	}
	return parseSCSIReservation(room[:])
}

// parseSCSIReservation reads the parameter data of READ RESERVATION: generation, length of what follows (0 without a
// reservation), key.
func parseSCSIReservation(answer []byte) []string {
	if len(answer) < 16 || binary.BigEndian.Uint32(answer[4:]) < 16 {
		return nil
	}
	return []string{fmt.Sprintf("a reservation with key %#x", binary.BigEndian.Uint64(answer[8:]))}
}

// Reservation Report (NVM Express, NVM command set, 7.7).
const (
	nvmeReport  = 0x0e
	reportBytes = 4096
)

func readNVMeReservation(fd uintptr) []string {
	namespace, err := passthrough.Namespace(fd)
	if err != nil {
		return nil
	}
	answer := make([]byte, reportBytes)
	status, err := passthrough.SendNVMe(fd, passthrough.IO, passthrough.NVMe{Opcode: nvmeReport, Namespace: namespace,
		Answer: answer, CDW10: reportBytes/4 - 1, Timeout: prTimeout})
	if err != nil || status != 0 {
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
