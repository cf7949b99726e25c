package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// offTimeout is how long systemd gets to power the machine off before the kernel is asked.
const offTimeout = 30 * time.Second

// PowerOff implements agent.Machine: PowerOff takes the network down, then asks systemd, if systemd runs, then the
// kernel.
//
// The network goes first because of Linux kernels between 2025 and 8/2026 (Debian's 6.1.192 among them): at power-off
// they break a virtio network card's queues while packets wait in them, and a processor then clears the queue for ever
// (mended by commit 0d0eff39ceb3, "virtio_ring: fix infinite loop in virtnet_poll_cleantx when device is broken"). A
// card that is down has no packets.
func (machine) PowerOff(ctx context.Context) error {
	syscall.Sync()
	down := takeLinksDown()
	ctx, cancel := context.WithTimeout(ctx, offTimeout)
	defer cancel()
	if exec.CommandContext(ctx, "systemctl", "poweroff", "--force").Run() == nil {
		<-ctx.Done()
	}
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		return errors.Join(fmt.Errorf("power off: %w", err), down)
	}
	return nil
}

// takeLinksDown takes all network links of this network namespace down, but for the loopback link.
func takeLinksDown() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("take the network down: %w", err)
	}
	var failed []error
	for _, link := range links {
		if attrs := link.Attrs(); attrs.Flags&net.FlagLoopback == 0 {
			if err := netlink.LinkSetDown(link); err != nil {
				failed = append(failed, fmt.Errorf("take %s down: %w", attrs.Name, err))
			}
		}
	}
	return errors.Join(failed...)
}
