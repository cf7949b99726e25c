package lldp

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/wire"
)

// Patience is how long a neighbour may be silent: switches speak every 30 seconds (IEEE 802.1AB-2016, 9.2.5.7).
const Patience = 35 * time.Second

// group is the address to which LLDP is sent, which no bridge forwards.
var group = [8]byte{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}

// Neighbours are what was heard so far, by the name of the network card.
type Neighbours struct {
	mu      sync.Mutex
	heard   map[string]wire.LLDP
	began   time.Time
	changed chan struct{} // closed at the next frame
	failed  error
}

// Listen hears on all network cards until ctx ends. Without a socket nothing is heard, and Heard says why.
func Listen(ctx context.Context) *Neighbours {
	n := &Neighbours{heard: map[string]wire.LLDP{}, began: time.Now(), changed: make(chan struct{})}
	file, err := openSocket()
	if err != nil {
		n.failed = fmt.Errorf("LLDP: %w", err)
		return n
	}
	stop := context.AfterFunc(ctx, func() { _ = file.Close() })
	go func() {
		defer stop()
		n.receive(file)
	}()
	return n
}

// openSocket opens a packet socket for frames of LLDP (packet(7)).
func openSocket() (*os.File, error) {
	protocol := uint16(etherType<<8&0xff00 | etherType>>8) // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return nil, err
	}
	cards, err := net.Interfaces()
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	for _, card := range cards {
		if len(card.HardwareAddr) != 6 {
			continue
		}
		// A card that does not join hears what its driver lets through.
		_ = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{
			Ifindex: int32(card.Index), Type: unix.PACKET_MR_MULTICAST, Alen: 6, Address: group})
	}
	return os.NewFile(uintptr(fd), "lldp"), nil
}

func (n *Neighbours) receive(file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	buffer := make([]byte, 2048)
	for {
		var size int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			size, from, failed = unix.Recvfrom(int(fd), buffer, 0)
			return failed != unix.EAGAIN
		})
		if err != nil || failed != nil {
			return // the socket was closed
		}
		link, is := from.(*unix.SockaddrLinklayer)
		if !is || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		card, err := net.InterfaceByIndex(link.Ifindex)
		if err != nil {
			continue
		}
		if seen, err := Parse(buffer[:size]); err == nil {
			n.note(card.Name, seen)
		}
	}
}

func (n *Neighbours) note(card string, seen wire.LLDP) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard[card] = seen
	close(n.changed)
	n.changed = make(chan struct{})
}

// Wait waits until all given cards have heard a neighbour, at most to the end of Patience since Listen, or until ctx ends.
func (n *Neighbours) Wait(ctx context.Context, cards []string) {
	timer := time.NewTimer(Patience - time.Since(n.began))
	defer timer.Stop()
	for {
		n.mu.Lock()
		changed, missing := n.changed, n.failed == nil
		if missing {
			missing = false
			for _, card := range cards {
				_, heard := n.heard[card]
				missing = missing || !heard
			}
		}
		n.mu.Unlock()
		if !missing {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Heard gives what a card heard, nil for nothing.
func (n *Neighbours) Heard(card string) *wire.LLDP {
	n.mu.Lock()
	defer n.mu.Unlock()
	if seen, heard := n.heard[card]; heard {
		return &seen
	}
	return nil
}

// Failure is why nothing can be heard, nil otherwise.
func (n *Neighbours) Failure() error { return n.failed }
