package ipmi_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/ipmi"
)

// answers is a BMC with one answer.
type answers struct {
	code byte
	data []byte
	err  error
	seen *ipmi.Request
}

func (a answers) Send(_ context.Context, r ipmi.Request) (byte, []byte, error) {
	if a.seen != nil {
		*a.seen = r
	}
	return a.code, a.data, a.err
}

// ask is the request's bytes (network function, command, data) and the answer as text.
func ask[T any](t *testing.T, c ipmi.Command[T], data []byte) (request []byte, answer string) {
	t.Helper()
	var seen ipmi.Request
	got, err := ipmi.Ask(t.Context(), answers{data: data, seen: &seen}, c)
	answer = fmt.Sprintf("%+v", got)
	if err != nil {
		answer = err.Error()
	}
	return append([]byte{seen.NetFn, seen.Code}, seen.Data...), answer
}

// built is a command that can be refused before it is sent.
func built[T any](c ipmi.Command[T], err error) ipmi.Command[T] {
	if err != nil {
		panic(err)
	}
	return c
}

// TestMessages compares requests and answers with the layouts of the specification, v2.0 rev. 1.1.
func TestMessages(t *testing.T) {
	t.Parallel()
	v6 := netip.MustParseAddr("2001:db8::5").As16()
	address := func(first byte, a [16]byte, status byte) []byte {
		return append(append([]byte{0x11, 0x00, first}, a[:]...), 64, status)
	}
	name := append([]byte("ingot-4be91c"), 0, 0, 0, 0)
	for _, test := range []struct {
		about   string
		request []byte
		answer  string
		do      func(*testing.T) ([]byte, string)
	}{
		{"20.1 Get Device ID", []byte{0x06, 0x01}, "{Device:32 Firmware:2.45 Version:2.0 Manufacturer:674 Product:256 Updating:false}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetDeviceID(), []byte{0x20, 0x81, 0x02, 0x45, 0x02, 0xbf, 0xa2, 0x02, 0x00, 0x00, 0x01, 1, 2, 3, 4})
			}},
		{"20.1, during an update", []byte{0x06, 0x01}, "{Device:0 Firmware:1.0 Version:1.5 Manufacturer:0 Product:0 Updating:true}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetDeviceID(), []byte{0, 0, 0x81, 0, 0x51, 0, 0, 0, 0, 0, 0})
			}},
		{"20.1, too short", []byte{0x06, 0x01}, "Get Device ID: the BMC's answer cannot be read: it is too short",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetDeviceID(), []byte{0x20, 0x81}) }},
		{"22.24 Get Channel Info", []byte{0x06, 0x42, 0x08}, "{Number:8 Medium:4 Protocol:1 Sessions:true}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetChannelInfo(8), []byte{0x08, 0x04, 0x01, 0x82, 0xf2, 0x1b, 0, 0, 0})
			}},
		{"23.2 IP address", []byte{0x0c, 0x02, 0x01, 3, 0, 0}, "10.0.0.13",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetIPv4(1), []byte{0x11, 10, 0, 0, 13}) }},
		{"23.2 no IP address", []byte{0x0c, 0x02, 0x01, 3, 0, 0}, "invalid IP",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetIPv4(1), []byte{0x11, 0, 0, 0, 0}) }},
		{"23.2 MAC address", []byte{0x0c, 0x02, 0x01, 5, 0, 0}, "04:32:01:aa:bb:c1",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetMAC(1), []byte{0x11, 0x04, 0x32, 0x01, 0xaa, 0xbb, 0xc1})
			}},
		{"23.2 IPv6 status", []byte{0x0c, 0x02, 0x01, 55, 0, 0}, "{Static:1 Dynamic:16}",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetIPv6Places(1), []byte{0x11, 1, 200, 3}) }},
		{"23.2 IPv6 static address", []byte{0x0c, 0x02, 0x01, 56, 2, 0}, "2001:db8::5",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetStaticIPv6(1, 2), address(0x80, v6, 0)) }},
		{"23.2 IPv6 static address, not enabled", []byte{0x0c, 0x02, 0x01, 56, 0, 0}, "invalid IP",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetStaticIPv6(1, 0), address(0, v6, 0)) }},
		{"23.2 IPv6 dynamic address", []byte{0x0c, 0x02, 0x01, 59, 0, 0}, "2001:db8::5",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetDynamicIPv6(1, 0), address(2, v6, 0)) }},
		{"23.2 IPv6 dynamic address, deprecated", []byte{0x0c, 0x02, 0x01, 59, 0, 0}, "invalid IP",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetDynamicIPv6(1, 0), address(2, v6, 4)) }},
		{"22.27 Get User Access", []byte{0x06, 0x44, 0x01, 0x02},
			"{MostUsers:10 Enabled:2 Fixed:1 Status:1 Messaging:true LinkAuth:true Callback:false Privilege:4}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetUserAccess(1, 2), []byte{0x0a, 0x42, 0x01, 0x34})
			}},
		{"22.26 Set User Access", []byte{0x06, 0x43, 0xb8, 0x03, 0x04}, "{}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.SetUserAccess(8, 3, ipmi.PrivilegeAdministrator), nil)
			}},
		{"22.26 no access", []byte{0x06, 0x43, 0x81, 0x03, 0x0f}, "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.SetUserAccess(1, 3, ipmi.PrivilegeNone), nil) }},
		{"22.29 Get User Name", []byte{0x06, 0x46, 0x03}, "ingot-4be91c",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetUserName(3), name) }},
		{"22.29 no name", []byte{0x06, 0x46, 0x03}, "",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.GetUserName(3), make([]byte, 16)) }},
		{"22.29 no name, of ff", []byte{0x06, 0x46, 0x03}, "",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetUserName(3), []byte(strings.Repeat("\xff", 16)))
			}},
		{"22.29 bytes that are no text", []byte{0x06, 0x46, 0x03}, "ad?in?",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetUserName(3), append([]byte("ad\x07in\xfe"), make([]byte, 10)...))
			}},
		{"22.29 a name behind a zero", []byte{0x06, 0x46, 0x03}, "?",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetUserName(3), append([]byte{0, 'x'}, make([]byte, 14)...))
			}},
		{"22.28 Set User Name", append([]byte{0x06, 0x45, 0x03}, name...), "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, built(ipmi.SetUserName(3, "ingot-4be91c")), nil) }},
		{"22.28 clear the name", append([]byte{0x06, 0x45, 0x03}, make([]byte, 16)...), "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, built(ipmi.SetUserName(3, "")), nil) }},
		{"22.30 a password of 16", append([]byte{0x06, 0x47, 0x03, 2}, "0123456789abcdef"...), "{}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, built(ipmi.SetPassword(3, "0123456789abcdef")), nil)
			}},
		{"22.30 a shorter password", append([]byte{0x06, 0x47, 0x03, 2}, "0123456789abcde\x00"...), "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, built(ipmi.SetPassword(3, "0123456789abcde")), nil) }},
		{"22.30 a password of 20", append([]byte{0x06, 0x47, 0x83, 2}, "0123456789abcdefghij"...), "{}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, built(ipmi.SetPassword(3, "0123456789abcdefghij")), nil)
			}},
		{"22.30 test", append([]byte{0x06, 0x47, 0x03, 3}, "0123456789abcdef"...), "{}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, built(ipmi.TestPassword(3, "0123456789abcdef")), nil)
			}},
		{"22.30 enable", []byte{0x06, 0x47, 0x03, 1}, "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.EnableUser(3), nil) }},
		{"22.30 disable", []byte{0x06, 0x47, 0x03, 0}, "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.DisableUser(3), nil) }},
		{"22.30 disable, with a password behind", append([]byte{0x06, 0x47, 0x03, 0}, make([]byte, 16)...), "{}",
			func(t *testing.T) ([]byte, string) { return ask(t, ipmi.Padded(ipmi.DisableUser(3)), nil) }},
		{"22.14a a text of the system", append([]byte{0x06, 0x58, 4, 0, 0, 5}, "nonce\x00\x00\x00\x00\x00\x00\x00\x00\x00"...), "{}",
			func(t *testing.T) ([]byte, string) {
				return ask(t, built(ipmi.SetSystemText(ipmi.OSName, "nonce")), nil)
			}},
		{"22.14b a text of the system", []byte{0x06, 0x59, 0, 4, 0, 0}, "nonce",
			func(t *testing.T) ([]byte, string) {
				return ask(t, ipmi.GetSystemText(ipmi.OSName), append([]byte{0x11, 0, 0, 5}, "nonce\x00\x00\x00"...))
			}},
	} {
		request, answer := test.do(t)
		if diff := cmp.Diff(test.request, request); diff != "" || answer != test.answer {
			t.Errorf("%s: answer %q, want %q; request (-want +got)\n%s", test.about, answer, test.answer, diff)
		}
	}
}

// TestWhatCannotBeSent: a name or a password that does not fit into its field never becomes a message.
func TestWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		second(ipmi.SetUserName(3, strings.Repeat("n", 17))), second(ipmi.SetPassword(3, strings.Repeat("p", 21))),
		second(ipmi.SetPassword(3, "")), second(ipmi.SetSystemText(ipmi.OSName, strings.Repeat("x", 15))),
	} {
		if err == nil {
			t.Error("a field that is too long, or empty, is sent")
		}
	}
}

func second[T any](_ ipmi.Command[T], err error) error { return err }

// TestCodes: a completion code is an error that says what it means, and never holds the request's data.
func TestCodes(t *testing.T) {
	t.Parallel()
	const password = "hunter2hunter2AA"
	set, test := built(ipmi.SetPassword(3, password)), built(ipmi.TestPassword(3, password))
	for _, row := range []struct {
		command ipmi.Command[ipmi.Done]
		code    byte
		want    string
		other   bool
	}{
		{set, ipmi.CodeInvalidField, "Set User Password (set): the BMC does not take a value of the request (completion code 0xcc)", false},
		{set, 0x90, "Set User Password (set): the BMC refused (completion code 0x90)", false},
		{test, 0x80, "Set User Password (test): the BMC keeps another password (completion code 0x80)", true},
		{test, 0x81, "Set User Password (test): the BMC keeps a password of another length (completion code 0x81)", true},
		{ipmi.EnableUser(3), ipmi.CodePrivilege, "Set User Password (enable): the BMC does not let this interface do that (completion code 0xd4)", false},
	} {
		_, err := ipmi.Ask(t.Context(), answers{code: row.code}, row.command)
		if err == nil || err.Error() != row.want || ipmi.WantsAnotherPassword(err) != row.other || !ipmi.HasCode(err, row.code) {
			t.Errorf("code %#x = %v, want %s", row.code, err, row.want)
		}
		said := fmt.Sprintf("%v %+v %#v %v %+v %#v", err, err, err, set.Request, set.Request, set.Request)
		var refused *ipmi.CodeError
		if errors.As(err, &refused) {
			said += fmt.Sprintf("%+v %#v", *refused, *refused)
		}
		if strings.Contains(said, password) || strings.Contains(said, "104") {
			t.Errorf("a password is shown: %s", said)
		}
	}
	gone := errors.New("nobody there")
	if _, err := ipmi.Ask(t.Context(), answers{err: gone}, ipmi.GetDeviceID()); !errors.Is(err, gone) || ipmi.HasCode(err, 0) {
		t.Errorf("no answer = %v", err)
	}
}

// TestNoDevice: a machine without a BMC says so.
func TestNoDevice(t *testing.T) {
	t.Parallel()
	if _, err := ipmi.Open(t.TempDir() + "/ipmi0"); !errors.Is(err, ipmi.ErrNoDevice) {
		t.Errorf("Open = %v", err)
	}
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Error("the numbers of the ioctls are those of a machine with 64 bits")
	}
}

// FuzzAnswers: no answer of a BMC breaks a reader.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0x11, 0, 0, 255, 1})
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		bmc := answers{data: data}
		readAll(t, bmc, ipmi.GetUserName(2), ipmi.GetSystemText(2), ipmi.GetMAC(1))
		readAll(t, bmc, ipmi.GetStaticIPv6(1, 0), ipmi.GetDynamicIPv6(1, 0), ipmi.GetIPv4(1))
		readAll(t, bmc, ipmi.GetDeviceID())
		readAll(t, bmc, ipmi.GetChannelInfo(1))
		readAll(t, bmc, ipmi.GetUserAccess(1, 2))
		readAll(t, bmc, ipmi.GetIPv6Places(1))
	})
}

func readAll[T any](t *testing.T, bmc ipmi.BMC, commands ...ipmi.Command[T]) {
	for _, c := range commands {
		if _, err := ipmi.Ask(t.Context(), bmc, c); err != nil && !strings.HasPrefix(err.Error(), c.Name) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}
