package efi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
)

// certificate is a certificate of an authority with a name.
func certificate(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// list is a signature list with one entry.
func list(kind, data []byte) []byte {
	out := append([]byte{}, kind...)
	out = binary.LittleEndian.AppendUint32(out, uint32(28+16+len(data)))
	out = binary.LittleEndian.AppendUint32(out, 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(16+len(data)))
	return append(append(out, make([]byte, 16)...), data...)
}

// option is a load option.
func option(description string, paths ...byte) []byte {
	out := binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(len(paths)))
	for _, c := range append(utf16.Encode([]rune(description)), 0) {
		out = binary.LittleEndian.AppendUint16(out, c)
	}
	return append(out, paths...)
}

// brokenKeys is a list of 2,000 certificates of one byte.
func brokenKeys() []byte {
	const owner = 16
	keys := list(certX509, make([]byte, 2000*(owner+1)-owner))
	binary.LittleEndian.PutUint32(keys[24:], owner+1)
	return keys
}

func TestRead(t *testing.T) {
	t.Parallel()
	network := []byte{3, 11, 37, 0, 4, 0x32, 1, 0xaa, 0xbb, 0xc0}
	network = append(append(network, make([]byte, 27)...), 3, 12, 4, 0, 0x7f, 0xff, 4, 0)
	sha := make([]byte, 16)
	both := append(append(list(certX509, certificate(t, "Microsoft UEFI CA 2011")), list(sha, make([]byte, 32))...),
		list(certX509, certificate(t, "Microsoft UEFI CA 2023"))...)
	for name, test := range map[string]struct {
		variables map[string][]byte // without attributes
		want      State
		says      string
	}{
		"no variables": {},
		"a machine from the network": {variables: map[string][]byte{"BootCurrent-" + global: {3, 0}, "Boot0003-" + global: option("UEFI PXEv4", network...)},
			want: State{Started: &wire.Started{Entry: "Boot0003", Description: "UEFI PXEv4", Network: true, MAC: "04:32:01:aa:bb:c0"}}},
		"a CD": {variables: map[string][]byte{"BootCurrent-" + global: {0x1a, 0}, "Boot001A-" + global: option("UEFI DVD\x1b", 4, 2, 4, 0)},
			want: State{Started: &wire.Started{Entry: "Boot001A", Description: "UEFI DVD?"}}},
		"an entry that is gone": {variables: map[string][]byte{"BootCurrent-" + global: {3, 0}}, want: State{Started: &wire.Started{Entry: "Boot0003"}}},
		"keys": {variables: map[string][]byte{"db-" + security: both, "SetupMode-" + global: {1}, "SbatLevelRT-" + shim: []byte("sbat,1,2023012900\nshim,2\n")},
			want: State{SetupMode: true, Authorities: []string{"Microsoft UEFI CA 2011", "Microsoft UEFI CA 2023"}, SBATLevel: "2023012900"}},
		"a broken key hides no other": {variables: map[string][]byte{"db-" + security: append(list(certX509, []byte("no certificate")), both...)},
			want: State{Authorities: []string{"Microsoft UEFI CA 2011", "Microsoft UEFI CA 2023"}}, says: "cannot be read"},
		"a db that is cut":     {variables: map[string][]byte{"db-" + security: both[:len(both)-3]}, want: State{Authorities: []string{"Microsoft UEFI CA 2011"}}, says: "malformed"},
		"a db that is hostile": {variables: map[string][]byte{"db-" + security: []byte(strings.Repeat("\xff", 64))}, says: "malformed"},
		"a db of broken keys":  {variables: map[string][]byte{"db-" + security: brokenKeys()}, says: "cannot be read"},
		"a short variable":     {variables: map[string][]byte{"BootCurrent-" + global: {1}, "SetupMode-" + global: {1}}, want: State{SetupMode: true}, says: "BootCurrent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, data := range test.variables {
				if err := os.WriteFile(filepath.Join(dir, name), append([]byte{7, 0, 0, 0}, data...), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Variables(dir).Read()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Read() (-want +got):\n%s", diff)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("Read() = an error of %d bytes", len(err.Error()))
			}
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("Read() = %v, want %q", err, test.says)
			}
		})
	}
}

func FuzzSignatures(f *testing.F) {
	f.Add(list(certX509, []byte("x")))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseSignatures(data)
		_ = parseOption(data, &wire.Started{})
		_ = parseLevel(data)
	})
}
