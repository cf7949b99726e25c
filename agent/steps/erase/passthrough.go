package erase

import (
	"fmt"
	"math"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Descriptor sends commands through an open block device of Linux.
type Descriptor uintptr

// ioctls of Linux: include/uapi/linux/nvme_ioctl.h, include/scsi/sg.h, include/uapi/linux/fs.h.
const (
	nvmeGetID        = 0x4e40     // NVME_IOCTL_ID
	nvmeAdminCommand = 0xc0484e41 // _IOWR('N', 0x41, struct nvme_passthru_cmd)
	sgIO             = 0x2285
	sgFromDevice     = -3
	sgToDevice       = -2
	sgNone           = -1
	flushBuffers     = 0x1261 // BLKFLSBUF
)

// nvmePassthrough is nvme_passthru_cmd.
type nvmePassthrough struct {
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

// SendNVMe implements Commands.
func (d Descriptor) SendNVMe(c NVMeCommand) (NVMeAnswer, error) {
	namespace, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d), nvmeGetID, 0)
	if errno != 0 {
		return NVMeAnswer{}, fmt.Errorf("ask for the namespace: %w", errno)
	}
	answer := NVMeAnswer{Namespace: uint32(namespace), Data: make([]byte, c.Answer)}
	command := nvmePassthrough{opcode: c.Opcode, namespace: uint32(namespace), dataLen: uint32(c.Answer), cdw10: c.CDW10,
		cdw11: c.CDW11, timeout: milliseconds(c.Timeout)}
	if c.Whole {
		command.namespace = 0
	}
	var pinner runtime.Pinner // the kernel is given the address as a number
	defer pinner.Unpin()
	if c.Answer > 0 {
		pinner.Pin(&answer.Data[0])
		command.address = uint64(uintptr(unsafe.Pointer(&answer.Data[0])))
	}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d), nvmeAdminCommand, uintptr(unsafe.Pointer(&command)))
	if errno != 0 {
		return NVMeAnswer{}, errno
	}
	answer.Status = uint16(status)
	return answer, nil
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

// SendSCSI implements Commands.
func (d Descriptor) SendSCSI(c SCSICommand) (SCSIAnswer, error) {
	data, direction := c.Send, int32(sgToDevice)
	if c.Answer > 0 {
		data, direction = make([]byte, c.Answer), sgFromDevice
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
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d), sgIO, uintptr(unsafe.Pointer(&header)))
	runtime.KeepAlive(&header)
	if errno != 0 {
		return SCSIAnswer{}, errno
	}
	answer := SCSIAnswer{Status: header.status, Host: header.host, Driver: header.driver, Sense: sense[:header.senseLen]}
	if c.Answer > 0 {
		answer.Data = data[:max(0, len(data)-max(0, int(header.residual)))]
	}
	return answer, nil
}

// ForgetPages makes the next reads come from the disk: a disk that erased itself changed behind the kernel.
func (d Descriptor) ForgetPages() error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d), flushBuffers, 0); errno != 0 {
		return fmt.Errorf("forget what the kernel keeps of the disk: %w", errno)
	}
	return nil
}

func milliseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 1), math.MaxUint32))
}
