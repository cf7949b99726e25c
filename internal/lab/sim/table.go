package sim

import (
	"encoding/binary"
	"hash/crc32"
)

// imageGUIDs are the type of the partition of an image (Linux file system), the partition's GUID and the disk's GUID,
// the placeholder of Fedora CoreOS images.
const (
	partitionType = "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4"
	partitionGUID = "ingot sim root.."
	imageGUID     = "\x00\x00\x00\x00\x00\x00\x00\x40\xa0\x00\x00\x00\x00\x00\x00\x01"
)

// layTable writes a protective MBR and a primary GPT with one partition from 1 MiB on (UEFI 2.10, 5.2 and 5.3) to an
// image with sectors of 512 bytes. The image has no backup.
func layTable(image []byte) {
	const sector, entries, entrySize = 512, 128, 128
	le := binary.LittleEndian
	last := uint64(len(image)/sector) - 1
	image[446+4] = 0xee
	le.PutUint32(image[446+8:], 1)
	le.PutUint32(image[446+12:], uint32(last))
	image[510], image[511] = 0x55, 0xaa
	array := image[2*sector : 2*sector+entries*entrySize]
	copy(array, partitionType+partitionGUID)
	le.PutUint64(array[32:], first/sector)
	le.PutUint64(array[40:], last-34)
	header := image[sector : sector+92]
	copy(header, "EFI PART\x00\x00\x01\x00\x5c")
	le.PutUint64(header[24:], 1)
	le.PutUint64(header[32:], last)
	le.PutUint64(header[40:], 34)
	le.PutUint64(header[48:], last-34)
	copy(header[56:], imageGUID)
	le.PutUint64(header[72:], 2)
	le.PutUint32(header[80:], entries)
	le.PutUint32(header[84:], entrySize)
	le.PutUint32(header[88:], crc32.ChecksumIEEE(array))
	le.PutUint32(header[16:], crc32.ChecksumIEEE(header))
}
