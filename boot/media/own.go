package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gitmetal/ingot/inventory"
)

// PublishISO is Publish for an ISO of one's own, which is served as it is. Its parts are not known.
func (s *Server) PublishISO(key Key, iso Part) {
	s.publishImage(key, image{content: iso.Content, size: iso.Size, areas: []area{{inventory.MediumISO, 0, iso.Size}}},
		[]byte("iso"), []byte(iso.SHA256))
}

// uefi is the platform of a boot catalogue's entry that UEFI firmware starts (UEFI 2.10, 13.3.2.1).
const uefi = 0xEF

// CheckBootable refuses an image that no UEFI firmware starts from a CD: the image must be ISO 9660 with a boot catalogue
// that has an entry for UEFI (El Torito 1.0). Nothing is said about who signed what that entry starts.
func CheckBootable(iso io.ReaderAt) error {
	var volume, catalogue [sector]byte
	if _, known := readRoot(iso); !known {
		return errors.New("it is no ISO 9660 image")
	}
	if _, err := iso.ReadAt(volume[:], 17*sector); err != nil || string(volume[1:6]) != "CD001" || volume[0] != 0 ||
		string(volume[7:30]) != "EL TORITO SPECIFICATION" {
		return errors.New("it has no boot catalogue")
	}
	at := int64(binary.LittleEndian.Uint32(volume[71:])) * sector
	if _, err := iso.ReadAt(catalogue[:], at); err != nil {
		return fmt.Errorf("its boot catalogue cannot be read: %w", err)
	}
	if catalogue[1] == uefi && catalogue[32] == 0x88 { // the validation entry, and the entry behind it
		return nil
	}
	for section := 64; section+32 <= len(catalogue); {
		header, entries := catalogue[section], int(binary.LittleEndian.Uint16(catalogue[section+2:]))
		if header != 0x90 && header != 0x91 {
			break
		}
		for i := 1; i <= entries && section+32*(i+1) <= len(catalogue); i++ {
			if catalogue[section+1] == uefi && catalogue[section+32*i] == 0x88 {
				return nil
			}
		}
		section += 32 * (entries + 1)
	}
	return errors.New("its boot catalogue has no entry for UEFI")
}
