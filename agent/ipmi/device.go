package ipmi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DefaultPath is the device of Linux's first BMC.
const DefaultPath = "/dev/ipmi0"

// Answer is how long a BMC may take for an answer. The kernel's driver gives up after 5 s and some tries.
const Answer = 20 * time.Second

// Numbers of include/uapi/linux/ipmi.h, on a machine with 64 bits.
const (
	ioctlSend            = 0x8028690d // IPMICTL_SEND_COMMAND
	ioctlReceive         = 0xc030690b // IPMICTL_RECEIVE_MSG_TRUNC
	addressSystem  int32 = 0x0c       // IPMI_SYSTEM_INTERFACE_ADDR_TYPE
	channelBMC     int16 = 0x0f       // IPMI_BMC_CHANNEL
	receivedAnswer int32 = 1          // IPMI_RESPONSE_RECV_TYPE
	maxMessage           = 272        // IPMI_MAX_MSG_LENGTH
)

// systemAddress is struct ipmi_system_interface_addr.
type systemAddress struct {
	kind    int32
	channel int16
	lun     uint8
	_       uint8
}

// kernelMessage is struct ipmi_msg.
type kernelMessage struct {
	netFn, code uint8
	length      uint16
	data        unsafe.Pointer
}

// kernelRequest is struct ipmi_req.
type kernelRequest struct {
	address       unsafe.Pointer
	addressLength uint32
	id            int64
	message       kernelMessage
}

// kernelAnswer is struct ipmi_recv.
type kernelAnswer struct {
	kind          int32
	address       unsafe.Pointer
	addressLength uint32
	id            int64
	message       kernelMessage
}

// Device is the machine's own BMC. The methods are safe for concurrent use; one request is under way at a time.
type Device struct {
	mu   sync.Mutex
	fd   int
	last int64 // id of the last request
}

var _ BMC = (*Device)(nil)

// ErrNoDevice means that the kernel found no BMC.
var ErrNoDevice = errors.New("this machine shows no BMC to its kernel")

// Open opens the kernel's device. The error is ErrNoDevice where the machine has none.
func Open(path string) (*Device, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return nil, fmt.Errorf("open %s: %w", path, ErrNoDevice)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Device{fd: fd}, nil
}

// Close closes the device.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return unix.Close(d.fd)
}

// Send implements BMC. It ends with ctx, or after Answer.
func (d *Device) Send(ctx context.Context, r Request) (code byte, data []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, Answer)
	defer cancel()
	d.last++
	if err := d.write(r); err != nil {
		return 0, nil, fmt.Errorf("send to the BMC: %w", err)
	}
	for {
		if err := d.awaitMessage(ctx); err != nil {
			return 0, nil, err
		}
		kind, id, message, err := d.read()
		if err != nil {
			return 0, nil, fmt.Errorf("read from the BMC: %w", err)
		}
		if kind != receivedAnswer || id != d.last {
			continue // an event, or the answer to a request that was given up
		}
		if len(message) < 1 {
			return 0, nil, errors.New("read from the BMC: the answer has no completion code")
		}
		return message[0], message[1:], nil
	}
}

// awaitMessage waits until the kernel has a message. poll looks at the context ten times a second.
func (d *Device) awaitMessage(ctx context.Context) error {
	const look = 100 // milliseconds
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}}, look)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the BMC: %w", err)
		case ready > 0:
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the BMC gave no answer: %w", context.Cause(ctx))
		}
	}
}

func (d *Device) write(r Request) error {
	data := append([]byte(nil), r.Data...)
	address := &systemAddress{kind: addressSystem, channel: channelBMC}
	request := &kernelRequest{address: unsafe.Pointer(address), addressLength: uint32(unsafe.Sizeof(*address)), id: d.last,
		message: kernelMessage{netFn: r.NetFn, code: r.Code, length: uint16(len(data)), data: firstByte(data)}}
	err := d.call(ioctlSend, unsafe.Pointer(request))
	runtime.KeepAlive(address)
	runtime.KeepAlive(data)
	clear(data)
	return err
}

// read takes a message from the kernel; a longer message than the buffer is cut.
func (d *Device) read() (kind int32, id int64, message []byte, err error) {
	buffer := make([]byte, maxMessage)
	var address [64]byte // larger than any struct ipmi_addr
	answer := &kernelAnswer{address: unsafe.Pointer(&address), addressLength: uint32(len(address)),
		message: kernelMessage{length: uint16(len(buffer)), data: firstByte(buffer)}}
	err = d.call(ioctlReceive, unsafe.Pointer(answer))
	runtime.KeepAlive(&address)
	runtime.KeepAlive(buffer)
	if errors.Is(err, unix.EMSGSIZE) {
		err = nil // the buffer holds the beginning
	}
	if err != nil {
		return 0, 0, nil, err
	}
	return answer.kind, answer.id, buffer[:min(int(answer.message.length), len(buffer))], nil
}

func (d *Device) call(number uintptr, argument unsafe.Pointer) error {
	for {
		_, _, failed := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), number, uintptr(argument))
		switch failed {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return failed
		}
	}
}

func firstByte(data []byte) unsafe.Pointer {
	if len(data) == 0 {
		return nil
	}
	return unsafe.Pointer(&data[0])
}
