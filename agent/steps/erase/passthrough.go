package erase

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/passthrough"
)

// Descriptor sends commands through an open block device of Linux.
type Descriptor uintptr

// flushBuffers is BLKFLSBUF of Linux, include/uapi/linux/fs.h.
const flushBuffers = 0x1261

// SendNVMe implements Commands.
func (d Descriptor) SendNVMe(c NVMeCommand) (NVMeAnswer, error) {
	namespace, err := passthrough.Namespace(uintptr(d))
	if err != nil {
		return NVMeAnswer{}, err
	}
	answer := NVMeAnswer{Namespace: namespace, Data: make([]byte, c.Answer)}
	command := passthrough.NVMe{Opcode: c.Opcode, Namespace: namespace, Answer: answer.Data, CDW10: c.CDW10, CDW11: c.CDW11,
		Timeout: c.Timeout}
	if c.Whole {
		command.Namespace = 0
	}
	if answer.Status, err = passthrough.SendNVMe(uintptr(d), passthrough.Admin, command); err != nil {
		return NVMeAnswer{}, err
	}
	return answer, nil
}

// SendSCSI implements Commands.
func (d Descriptor) SendSCSI(c SCSICommand) (SCSIAnswer, error) {
	command := passthrough.SCSI{CDB: c.CDB, Send: c.Send, Timeout: c.Timeout}
	if c.Answer > 0 {
		command.Answer = make([]byte, c.Answer)
	}
	said, err := passthrough.SendSCSI(uintptr(d), command)
	if err != nil {
		return SCSIAnswer{}, err
	}
	return SCSIAnswer{Status: said.Status, Host: said.Host, Driver: said.Driver, Sense: said.Sense, Data: said.Data}, nil
}

// ForgetPages makes the next reads come from the disk: a disk that erased itself changed behind the kernel.
func (d Descriptor) ForgetPages() error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d), flushBuffers, 0); errno != 0 {
		return fmt.Errorf("forget what the kernel keeps of the disk: %w", errno)
	}
	return nil
}
