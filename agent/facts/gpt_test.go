package facts_test

import (
	"encoding/binary"
	"hash/crc32"
)

// gptBytes are the bytes, other than zero, of a GPT with equal partitions that begin at whole MiBs. Partition i has the
// unique GUID of sixteen times i.
func gptBytes(size int64, sector, count int) map[int64]byte {
	step := size / int64(count+1) &^ (mib - 1)
	var parts []extent
	for i := range count {
		parts = append(parts, extent{mib + int64(i)*step, step})
	}
	return gptBytesAt(size, sector, parts)
}

// extent is a partition in bytes.
type extent struct{ at, size int64 }

// gptBytesAt are the bytes of a GPT with these partitions.
func gptBytesAt(size int64, sector int, parts []extent) map[int64]byte {
	last := size/int64(sector) - 1
	arraySectors := int64(128 * 128 / sector)
	array := make([]byte, 128*128)
	for i, part := range parts {
		entry := array[i*128:]
		copy(entry, "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4") // Linux data
		for n := range 16 {
			entry[16+n] = byte(i + 1)
		}
		first := part.at / int64(sector)
		binary.LittleEndian.PutUint64(entry[32:], uint64(first))
		binary.LittleEndian.PutUint64(entry[40:], uint64(first+part.size/int64(sector)-1))
	}
	header := func(self, other, entries int64) []byte {
		h := make([]byte, 92)
		copy(h, "EFI PART\x00\x00\x01\x00\x5c")
		binary.LittleEndian.PutUint64(h[24:], uint64(self))
		binary.LittleEndian.PutUint64(h[32:], uint64(other))
		binary.LittleEndian.PutUint64(h[40:], uint64(2+arraySectors))
		binary.LittleEndian.PutUint64(h[48:], uint64(last-arraySectors-1))
		copy(h[56:], "0123456789abcdef")
		binary.LittleEndian.PutUint64(h[72:], uint64(entries))
		binary.LittleEndian.PutUint32(h[80:], 128)
		binary.LittleEndian.PutUint32(h[84:], 128)
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(array))
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
		return h
	}
	protective := make([]byte, 66)
	protective[4], protective[8] = 0xee, 1
	binary.LittleEndian.PutUint32(protective[12:], 0xffffffff)
	protective[64], protective[65] = 0x55, 0xaa
	out := map[int64]byte{}
	for at, data := range map[int64][]byte{446: protective, int64(sector): header(1, last, 2), 2 * int64(sector): array,
		(last - arraySectors) * int64(sector): array, last * int64(sector): header(last, 1, last-arraySectors)} {
		for i, b := range data {
			if b != 0 {
				out[at+int64(i)] = b
			}
		}
	}
	return out
}
