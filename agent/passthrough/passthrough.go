// Package passthrough sends commands of NVMe and SCSI through an open block device of Linux. Call Namespace and
// SendNVMe, or SendSCSI. Do not judge answers here: the packages that send a command know what its answer means.
package passthrough

import (
	"fmt"
	"math"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue is the ioctl that sends a command of NVMe (Linux, include/uapi/linux/nvme_ioctl.h).
type Queue uintptr

// Queues.
const (
	Admin Queue = 0xc0484e41 // _IOWR('N', 0x41, struct nvme_passthru_cmd)
	IO    Queue = 0xc0484e43 // _IOWR('N', 0x43, struct nvme_passthru_cmd)
)

// ioctls of Linux: include/uapi/linux/nvme_ioctl.h, include/scsi/sg.h.
const (
	nvmeGetID    = 0x4e40 // NVME_IOCTL_ID
	sgIO         = 0x2285
	sgToDevice   = -2
	sgFromDevice = -3
	sgNone       = -1
)

// NVMe is a command of NVMe.
type NVMe struct {
	Opcode       uint8
	Namespace    uint32
	Answer       []byte // room for the answer; nil for none
	CDW10, CDW11 uint32
	Timeout      time.Duration
}

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

// Namespace is the number of the namespace behind a block device.
func Namespace(fd uintptr) (uint32, error) {
	namespace, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, nvmeGetID, 0)
	if errno != 0 {
		return 0, fmt.Errorf("ask for the namespace: %w", errno)
	}
	return uint32(namespace), nil
}

// SendNVMe sends a command, and gives the status of its answer, 0 for success.
func SendNVMe(fd uintptr, queue Queue, c NVMe) (status uint16, err error) {
	command := nvmeCommand{opcode: c.Opcode, namespace: c.Namespace, dataLen: uint32(len(c.Answer)), cdw10: c.CDW10,
		cdw11: c.CDW11, timeout: milliseconds(c.Timeout)}
	var pinner runtime.Pinner // the kernel is given the address as a number
	defer pinner.Unpin()
	if len(c.Answer) > 0 {
		pinner.Pin(&c.Answer[0])
		command.address = uint64(uintptr(unsafe.Pointer(&c.Answer[0])))
	}
	said, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(queue), uintptr(unsafe.Pointer(&command)))
	if errno != 0 {
		return 0, errno
	}
	return uint16(said), nil
}

// SCSI is a command of SCSI, with data to send or room for an answer, not both.
type SCSI struct {
	CDB     []byte
	Send    []byte
	Answer  []byte
	Timeout time.Duration
}

// SCSIAnswer is the answer to a command of SCSI.
type SCSIAnswer struct {
	Status       uint8
	Host, Driver uint16
	Sense        []byte
	Data         []byte // the part of the room that the device filled
}

// sgHeader is sg_io_hdr.
type sgHeader struct {
	interfaceID, direction int32
	commandLen, senseMax   uint8
	vectors                uint16
	transferLen            uint32
	transfer               unsafe.Pointer
	command, sense         unsafe.Pointer
	timeout, flags         uint32
	packID                 int32
	user                   unsafe.Pointer
	status, masked         uint8
	message, senseLen      uint8
	host, driver           uint16
	residual               int32
	duration, info         uint32
}

// SendSCSI sends a command.
func SendSCSI(fd uintptr, c SCSI) (SCSIAnswer, error) {
	data, direction := c.Send, int32(sgToDevice)
	if len(c.Answer) > 0 {
		data, direction = c.Answer, sgFromDevice
	}
	var sense [64]byte
	header := sgHeader{interfaceID: 'S', direction: direction, commandLen: uint8(len(c.CDB)), senseMax: uint8(len(sense)),
		transferLen: uint32(len(data)), command: unsafe.Pointer(&c.CDB[0]), sense: unsafe.Pointer(&sense),
		timeout: milliseconds(c.Timeout)}
	if len(data) > 0 {
		header.transfer = unsafe.Pointer(&data[0])
	} else {
		header.direction = sgNone
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, sgIO, uintptr(unsafe.Pointer(&header)))
	runtime.KeepAlive(&header)
	if errno != 0 {
		return SCSIAnswer{}, errno
	}
	answer := SCSIAnswer{Status: header.status, Host: header.host, Driver: header.driver, Sense: sense[:header.senseLen]}
	answer.Data = c.Answer[:max(0, len(c.Answer)-max(0, int(header.residual)))]
	return answer, nil
}

func milliseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 1), math.MaxUint32))
}
