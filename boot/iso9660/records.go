package iso9660

import (
	"encoding/binary"
)

// volume is what the primary volume descriptor says.
type volume struct {
	label            string
	sectors          uint32
	table, tableSize uint32
	root             *node
}

// both writes a number in both byte orders (ECMA-119, 7.3.3).
func both(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

func both16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

// writeVolume writes the primary volume descriptor (ECMA-119, 8.4).
func writeVolume(b []byte, v volume) {
	copy(b, "\x01CD001\x01\x00")
	fill(b[8:40], "LINUX")
	fill(b[40:72], v.label)
	both(b[80:], v.sectors)
	both16(b[120:], 1)
	both16(b[124:], 1)
	both16(b[128:], sector)
	both(b[132:], v.tableSize)
	binary.LittleEndian.PutUint32(b[140:], v.table)
	binary.BigEndian.PutUint32(b[148:], v.table+sectors(v.tableSize))
	copy(b[156:190], v.root.record("\x00", nil))
	for _, text := range [][2]int{{190, 318}, {318, 446}, {446, 574}, {574, 702}, {702, 813}} {
		fill(b[text[0]:text[1]], "")
	}
	for at := 813; at < 881; at += 17 { // no dates: sixteen digits and a zone
		copy(b[at:], "0000000000000000\x00")
	}
	b[881] = 1
}

// fill writes a text, with spaces behind it.
func fill(b []byte, text string) {
	for i := copy(b, text); i < len(b); i++ {
		b[i] = ' '
	}
}

// writeBootRecord writes the boot record volume descriptor (El Torito, 2.0).
func writeBootRecord(b []byte, catalog uint32) {
	copy(b, "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(b[71:], catalog)
}

// writeCatalog writes the boot catalog: a validation entry and one entry for UEFI, platform 0xEF, without emulation.
func writeCatalog(b []byte, boot *node) {
	b[0], b[1], b[30], b[31] = 1, 0xef, 0x55, 0xaa
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	binary.LittleEndian.PutUint16(b[28:], -sum)
	b[32] = 0x88
	blocks := (int64(boot.size) + 511) / 512
	if blocks <= 0xffff { // 0 for a larger one: firmware then goes by the partition's own size
		binary.LittleEndian.PutUint16(b[38:], uint16(blocks))
	}
	binary.LittleEndian.PutUint32(b[40:], boot.at)
}

// pathTableSize is the size of a path table in bytes.
func pathTableSize(directories []*node) (size uint32) {
	for _, d := range directories {
		size += uint32(8 + (max(1, len(d.id))+1)/2*2)
	}
	return size
}

// writePathTable writes a path table (ECMA-119, 9.4).
func writePathTable(b []byte, directories []*node, order binary.ByteOrder) {
	for _, d := range directories {
		id := d.id
		if id == "" {
			id = "\x00"
		}
		b[0] = byte(len(id))
		order.PutUint32(b[2:], d.at)
		order.PutUint16(b[6:], d.parent.number)
		copy(b[8:], id)
		b = b[8+(len(id)+1)/2*2:]
	}
}

// Modes of Rock Ridge (stat(2)): everybody reads.
const (
	modeDirectory = 0o040555
	modeFile      = 0o100444
)

// record is a directory record (ECMA-119, 9.1) with its system use entries. The date is the first of January 2000.
func (n *node) record(id string, use []byte) []byte {
	length := 33 + len(id)
	length += length % 2
	b := make([]byte, length+len(use)+len(use)%2)
	b[0] = byte(len(b))
	both(b[2:], n.at)
	both(b[10:], n.size)
	b[18], b[19], b[20] = 100, 1, 1
	if n.file == nil {
		b[25] = 2
	}
	both16(b[28:], 1)
	b[32] = byte(len(id))
	copy(b[33:], id)
	copy(b[length:], use)
	return b
}

// attributes are the entries PX and NM (IEEE P1282, 4.1.1 and 4.1.4).
func (n *node) attributes(name string) []byte {
	px := make([]byte, 36)
	copy(px, "PX\x24\x01")
	mode, links := uint32(modeFile), uint32(1)
	if n.file == nil {
		mode, links = modeDirectory, 2
	}
	both(px[4:], mode)
	both(px[12:], links)
	if name == "" {
		return px
	}
	return append(append(px, 'N', 'M', byte(5+len(name)), 1, 0), name...)
}

// listRecords lists the records of a directory: itself, its parent, its children. The root says that the image has Rock
// Ridge: SP (IEEE P1281, 5.3) and ER (5.5).
func (n *node) listRecords(isRoot bool) (records [][]byte) {
	self := n.attributes("")
	if isRoot {
		self = append([]byte("SP\x07\x01\xbe\xef\x00"), self...)
		self = append(self, "ER\x12\x01\x0a\x00\x00\x01RRIP_1991A"...)
	}
	records = append(records, n.record("\x00", self), n.parent.record("\x01", n.parent.attributes("")))
	for _, c := range n.children {
		records = append(records, c.record(c.id, c.attributes(c.name)))
	}
	return records
}

// directorySize is the size of a directory in bytes, in whole sectors: no record crosses the end of one.
func (n *node) directorySize() uint32 {
	at := 0
	for _, record := range n.listRecords(n.parent == n) {
		if at%sector+len(record) > sector {
			at += sector - at%sector
		}
		at += len(record)
	}
	return uint32(at+sector-1) / sector * sector
}

func (n *node) writeDirectory(b []byte, isRoot bool) {
	at := 0
	for _, record := range n.listRecords(isRoot) {
		if at%sector+len(record) > sector {
			at += sector - at%sector
		}
		at += copy(b[at:], record)
	}
}
