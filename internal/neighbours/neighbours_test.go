package neighbours

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const bmcMAC = "04:32:01:aa:bb:c1"

// TestACardIsFoundByItsMAC looks for a card that no entry of the kernel knows, finds it again, and leaves it out when it
// is gone although the kernel remembers it. Both cards are in network name spaces of their own, joined by a cable.
func TestACardIsFoundByItsMAC(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // the thread ends with the test: it is in another name space
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network name space needs root: %v", err)
	}
	there := startBMC(t, "10.9.8.200/24")
	configure(t, "eno1", "10.9.8.1/24")
	wanted := []string{bmcMAC, "04:32:01:aa:bb:c2"}
	for range 2 {
		found, err := Find(t.Context(), wanted)
		if err != nil || len(found) != 1 || found[bmcMAC] != netip.MustParseAddr("10.9.8.200") {
			t.Fatalf("found %v (%v), want 10.9.8.200 of the one card", found, err)
		}
		wanted = wanted[:1]
	}
	close(there)
	link, err := netlink.LinkByName("eno1")
	if err != nil {
		t.Fatal(err)
	}
	hardware, err := net.ParseMAC(bmcMAC)
	if err != nil {
		t.Fatal(err)
	}
	stale := &netlink.Neigh{LinkIndex: link.Attrs().Index, IP: net.IPv4(10, 9, 8, 77), HardwareAddr: hardware, State: netlink.NUD_STALE}
	if err := netlink.NeighSet(stale); err != nil {
		t.Fatal(err)
	}
	remembered, err := readTable(map[string]bool{bmcMAC: true}, false)
	if err != nil || len(remembered) == 0 {
		t.Fatalf("the kernel remembers %v (%v), want an address", remembered, err)
	}
	present, err := askAll(t.Context(), listen(t), map[string]bool{bmcMAC: true}, []netip.Addr{netip.MustParseAddr("10.9.8.77")}, settleTime)
	if address, is := present[bmcMAC]; err != nil || is && address == netip.MustParseAddr("10.9.8.77") {
		t.Errorf("found %v (%v): nobody answers at 10.9.8.77", present, err)
	}
}

func TestHostsOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int{"10.0.0.0/24": {254, 1}, "10.0.0.0/30": {2, 1}, "10.0.4.0/22": {1022, 1}} {
		hosts := hostsOf(netip.MustParsePrefix(text))
		if len(hosts) != want[0] || hosts[0].As4()[3] != byte(want[1]) {
			t.Errorf("%s has %d addresses from %v", text, len(hosts), hosts[0])
		}
	}
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// startBMC has a card with an address in another name space, whose kernel answers, until the result is closed.
func startBMC(t *testing.T, address string) chan struct{} {
	t.Helper()
	leave, space, moved, ready := make(chan struct{}), make(chan *os.File), make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		file, openErr := os.Open("/proc/thread-self/ns/net")
		if err := errors.Join(err, openErr); err != nil {
			t.Error(err)
		}
		space <- file
		<-moved
		configure(t, "bmc", address)
		close(ready)
		<-leave
	}()
	file := <-space
	defer file.Close()
	hardware, err := net.ParseMAC(bmcMAC)
	if err != nil {
		t.Fatal(err)
	}
	cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eno1", TxQLen: -1}, PeerName: "bmc", PeerHardwareAddr: hardware,
		PeerNamespace: netlink.NsFd(int(file.Fd()))}
	if err := netlink.LinkAdd(cable); err != nil {
		t.Fatal(err)
	}
	close(moved)
	<-ready
	return leave
}

func configure(t *testing.T, name, address string) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Error(err)
		return
	}
	parsed, err := netlink.ParseAddr(address)
	if err == nil {
		err = netlink.AddrAdd(link, parsed)
	}
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		t.Error(err)
	}
}
