package facts

import (
	"net"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestAddressesOfCards asks the kernel of a network name space with a card, and a card below a bridge as below a bond.
func TestAddressesOfCards(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // the thread ends with the test: it is in another name space
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network name space needs root: %v", err)
	}
	add := func(l netlink.Link, addresses ...string) netlink.Link {
		t.Helper()
		if err := netlink.LinkAdd(l); err != nil {
			t.Fatal(err)
		}
		made, err := netlink.LinkByName(l.Attrs().Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range addresses {
			ip, subnet, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := netlink.AddrAdd(made, &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: subnet.Mask}}); err != nil {
				t.Fatal(err)
			}
		}
		return made
	}
	named := func(name string) netlink.LinkAttrs { return netlink.LinkAttrs{Name: name, TxQLen: -1} }
	add(&netlink.Veth{LinkAttrs: named("eno1"), PeerName: "eno2"}, "10.9.8.7/24", "2001:db8::7/64", "169.254.3.4/16")
	above := add(&netlink.Bridge{LinkAttrs: named("above")}, "10.1.2.3/24")
	below, err := netlink.LinkByName("eno2")
	if err == nil {
		err = netlink.LinkSetMaster(below, above)
	}
	if err != nil {
		t.Fatal(err)
	}
	links := Root("/").listLinks()
	for name, want := range map[string][]string{"eno1": {"10.9.8.7", "2001:db8::7"}, "eno2": {"10.1.2.3"}, "lo": nil} {
		if got := links[name].addresses; !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
}
