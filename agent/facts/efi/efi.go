// Package efi reads how a machine was started, and which keys its firmware trusts, from the variables of UEFI. Read gives
// all of that; a variable that is missing or malformed is left out, and named in the error. The package only reads.
package efi

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/gitmetal/ingot/agent/wire"
)

// GUIDs in names of variables (UEFI 2.10, 3.3 and 32.4; shim's SBAT.md).
const (
	global   = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
	security = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
	shim     = "605dab50-e046-4300-abb6-3dd810dd8b23"
)

// maxVariable is the most that is read of a variable, in bytes.
const maxVariable = 256 << 10

// Variables is the directory of the variables as the kernel shows them: /sys/firmware/efi/efivars.
type Variables string

// State is what the variables say.
type State struct {
	Started   *wire.Started // nil where the firmware does not say
	SetupMode bool
	// Authorities are the names of the certificates in db, in their order, at most 32.
	Authorities []string
	// SBATLevel is the date of the revocations that shim enforces, such as 2023012900; "" without.
	SBATLevel string
}

// Read reads the variables. The error names what could not be read; the rest is there.
func (v Variables) Read() (State, error) {
	var s State
	var failed []error
	started, err := v.readStarted()
	s.Started, failed = started, append(failed, err)
	mode, err := v.read("SetupMode", global)
	s.SetupMode, failed = len(mode) == 1 && mode[0] == 1, append(failed, err)
	db, err := v.read("db", security)
	failed = append(failed, err)
	s.Authorities, err = parseSignatures(db)
	failed = append(failed, err)
	level, err := v.read("SbatLevelRT", shim)
	failed = append(failed, err)
	s.SBATLevel = parseLevel(level)
	return s, errors.Join(failed...)
}

// read gives a variable without its attributes; nil for a variable that is not there.
func (v Variables) read(name, guid string) ([]byte, error) {
	file, err := os.Open(filepath.Join(string(v), name+"-"+guid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("UEFI variable %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // was only read
	data, err := io.ReadAll(io.LimitReader(file, maxVariable))
	if err != nil {
		return nil, fmt.Errorf("UEFI variable %s: %w", name, err)
	}
	if len(data) < 4 {
		return nil, fmt.Errorf("UEFI variable %s has %d bytes", name, len(data))
	}
	return data[4:], nil
}

// readStarted reads which boot entry started the machine.
func (v Variables) readStarted() (*wire.Started, error) {
	current, err := v.read("BootCurrent", global)
	if err != nil || current == nil {
		return nil, err
	}
	if len(current) != 2 {
		return nil, fmt.Errorf("UEFI variable BootCurrent has %d bytes", len(current))
	}
	started := &wire.Started{Entry: fmt.Sprintf("Boot%04X", binary.LittleEndian.Uint16(current))}
	option, err := v.read(started.Entry, global)
	if err != nil || option == nil {
		return started, err
	}
	return started, parseOption(option, started)
}

// Types of device path nodes (UEFI 2.10, 10.3).
const (
	pathMessaging = 3
	pathMAC       = 11
	pathIPv4      = 12
	pathIPv6      = 13
	pathURI       = 24
	pathEnd       = 0x7f
)

// parseOption reads a load option (UEFI 2.10, 3.1.3): attributes, length of the paths, description, paths.
func parseOption(option []byte, into *wire.Started) error {
	if len(option) < 6 {
		return fmt.Errorf("UEFI variable %s has %d bytes", into.Entry, len(option))
	}
	rest := option[6:]
	var text []uint16
	for len(rest) >= 2 {
		c := binary.LittleEndian.Uint16(rest)
		rest = rest[2:]
		if c == 0 {
			break
		}
		if len(text) < 128 {
			text = append(text, c)
		}
	}
	into.Description = clean(string(utf16.Decode(text)))
	paths := rest[:min(len(rest), int(binary.LittleEndian.Uint16(option[4:])))]
	for len(paths) >= 4 {
		kind, sub, length := paths[0], paths[1], int(binary.LittleEndian.Uint16(paths[2:]))
		if kind == pathEnd || length < 4 || length > len(paths) {
			break
		}
		if kind == pathMessaging && sub == pathMAC && length >= 10 {
			m := paths[4:10]
			into.MAC = fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
		}
		if kind == pathMessaging && slices.Contains([]byte{pathMAC, pathIPv4, pathIPv6, pathURI}, sub) {
			into.Network = true
		}
		paths = paths[length:]
	}
	return nil
}

// certX509 is EFI_CERT_X509_GUID, in the order of bytes in which it is stored (UEFI 2.10, 32.4.1).
var certX509 = []byte{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}

// maxAuthorities is how many names are kept.
const maxAuthorities = 32

// parseSignatures gives the names of the certificates in a signature database (UEFI 2.10, 32.4.1).
func parseSignatures(db []byte) (names []string, err error) {
	const head, owner = 28, 16
	for len(db) > 0 {
		if len(db) < head {
			return names, errors.New("UEFI variable db ends within a list")
		}
		size, header := int(binary.LittleEndian.Uint32(db[16:])), int(binary.LittleEndian.Uint32(db[20:]))
		each := int(binary.LittleEndian.Uint32(db[24:]))
		if size < head || size > len(db) || header > size-head || each <= owner {
			return names, errors.New("UEFI variable db has a list that is malformed")
		}
		list := db[head+header : size]
		for bytes.Equal(db[:16], certX509) && len(list) >= each && len(names) < maxAuthorities {
			certificate, failed := x509.ParseCertificate(list[owner:each])
			if failed != nil {
				err = errors.New("a certificate in UEFI variable db cannot be read") // said once, however many
			} else {
				names = append(names, clean(certificate.Subject.CommonName))
			}
			list = list[each:]
		}
		db = db[size:]
	}
	return names, err
}

// parseLevel gives the third field of the first line of an SBAT level: "sbat,1,2023012900".
func parseLevel(level []byte) string {
	line, _, _ := strings.Cut(string(level), "\n")
	parts := strings.Split(strings.TrimRight(line, "\x00\r"), ",")
	if len(parts) < 3 || parts[0] != "sbat" {
		return ""
	}
	return clean(parts[2])
}

// clean is a short text without what steers a terminal.
func clean(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), 128)], "?")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text))
}
