package lldp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
)

// frame is an Ethernet frame with TLVs.
func frame(tlvs ...[]byte) []byte {
	all := append(append([]byte{}, group[:6]...), 2, 0, 0, 0, 0, 1, 0x88, 0xcc)
	for _, tlv := range tlvs {
		all = append(all, tlv...)
	}
	return all
}

func tlv(kind int, value string) []byte {
	head := kind<<9 | len(value)
	return append([]byte{byte(head >> 8), byte(head)}, value...)
}

func TestParse(t *testing.T) {
	t.Parallel()
	chassis, port := tlv(1, "\x04\x04\x32\x01\xaa\xbb\xc0"), tlv(2, "\x05Ethernet12")
	for name, test := range map[string]struct {
		frame []byte
		want  wire.LLDP
		fails bool
	}{
		"a switch": {frame: frame(chassis, port, tlv(3, "\x00\x78"), tlv(4, "to web-7"), tlv(5, "leaf-1a"),
			tlv(8, "\x05\x01\x0a\x01\x00\x05\x02\x00\x00\x00\x01\x00"), tlv(0, "")),
			want: wire.LLDP{Chassis: "04:32:01:aa:bb:c0", Port: "Ethernet12", PortText: "to web-7", System: "leaf-1a", Address: "10.1.0.5"}},
		"IPv6, and a port that is a MAC": {frame: frame(tlv(1, "\x07sw"), tlv(2, "\x03\x04\x32\x01\xaa\xbb\xc1"),
			tlv(8, "\x11\x02\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x13\x02")),
			want: wire.LLDP{Chassis: "sw", Port: "04:32:01:aa:bb:c1", Address: "2001:db8::13"}},
		"hostile texts":       {frame: frame(chassis, port, tlv(5, "\x1b[2J\x00\xff")), want: wire.LLDP{Chassis: "04:32:01:aa:bb:c0", Port: "Ethernet12", System: "?[2J??"}},
		"a short address":     {frame: frame(chassis, port, tlv(8, "\xff\x01\x0a")), want: wire.LLDP{Chassis: "04:32:01:aa:bb:c0", Port: "Ethernet12"}},
		"no port":             {frame: frame(chassis), fails: true},
		"an empty id":         {frame: frame(tlv(1, "\x04"), port), fails: true},
		"cut within a TLV":    {frame: frame(chassis, port)[:20], fails: true},
		"another protocol":    {frame: append(make([]byte, 12), 8, 0), fails: true},
		"nothing":             {fails: true},
		"many TLVs, then end": {frame: frame([]byte(strings.Repeat(string(tlv(127, "x")), 200))), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(test.frame)
			if (err != nil) != test.fails {
				t.Fatalf("Parse() = %v, want an error: %v", err, test.fails)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Parse() (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(frame(tlv(1, "\x04\x04\x32\x01\xaa\xbb\xc0"), tlv(2, "\x05Ethernet12"), tlv(8, "\x05\x01\x0a\x01\x00\x05")))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen, err := Parse(data)
		if err == nil && (seen.Chassis == "" || strings.ContainsAny(seen.System+seen.PortText+seen.Port, "\x00\x1b\n")) {
			t.Errorf("Parse(%x) = %+v", data, seen)
		}
	})
}
