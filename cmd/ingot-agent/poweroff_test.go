package main

import (
	"net"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestLinksAreTakenDown has a network namespace with two cards that are up, and the loopback link.
func TestLinksAreTakenDown(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // the thread ends with the test: the thread is in another network namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network namespace needs root: %v", err)
	}
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eno1", TxQLen: -1}, PeerName: "eno2"})
	if err != nil {
		t.Fatal(err)
	}
	up := func() (names []string) {
		t.Helper()
		links, err := netlink.LinkList()
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if link.Attrs().Flags&net.FlagUp != 0 {
				names = append(names, link.Attrs().Name)
			}
		}
		return names
	}
	for _, name := range []string{"lo", "eno1", "eno2"} {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := up(); len(got) != 3 {
		t.Fatalf("up before: %q", got)
	}
	if err := takeLinksDown(); err != nil {
		t.Fatal(err)
	}
	if got := up(); len(got) != 1 || got[0] != "lo" {
		t.Errorf("still up: %q, want the loopback link alone", got)
	}
}
