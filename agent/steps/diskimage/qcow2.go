package diskimage

import (
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// Fields and bounds of qcow2 (QEMU, docs/interop/qcow2.txt). The bounds are QEMU's own, or lower.
const (
	minClusterBits = 9
	maxClusterBits = 21
	maxL1Bytes     = 32 << 20
	maxDiskBytes   = 1 << 50
	headerV2       = 72
	headerV3       = 104

	dirtyBit        = 1 << 0
	corruptBit      = 1 << 1
	externalDataBit = 1 << 2
	compressionBit  = 1 << 3
	extendedL2Bit   = 1 << 4

	compressedFlag = 1 << 62
	zeroFlag       = 1 << 0
	offsetMask     = 0x00fffffffffffe00
	sectorBytes    = 512
	subclusters    = 32
)

// QCOW2 is an open qcow2 image: an io.ReaderAt over the bytes of the disk. It keeps the last cluster and the last table
// that were read, and is for one goroutine.
type QCOW2 struct {
	file        io.ReaderAt
	fileSize    int64
	size        int64 // of the disk
	cluster     int64
	extended    bool // entries of 16 bytes, with a bitmap of subclusters
	compression byte // 0 deflate, 1 zstd
	l1          []uint64

	table   []byte // the L2 table at tableAt
	tableAt int64
	data    []byte // the cluster number dataOf
	dataOf  int64
}

// OpenQCOW2 opens a qcow2 image in a file of fileSize bytes, by its active state: internal snapshots are not read. An image
// that needs another file, that is encrypted or marked as corrupt, is refused.
func OpenQCOW2(file io.ReaderAt, fileSize int64) (*QCOW2, error) {
	header := make([]byte, headerV3+8)
	if n, err := file.ReadAt(header, 0); err != nil && (!errors.Is(err, io.EOF) || n < headerV2) {
		return nil, fmt.Errorf("read the header of the qcow2 image: %w", err)
	}
	q := &QCOW2{file: file, fileSize: fileSize, tableAt: -1, dataOf: -1}
	if err := q.readHeader(header); err != nil {
		return nil, err
	}
	l1Size, l1At := int64(binary.BigEndian.Uint32(header[36:])), int64(binary.BigEndian.Uint64(header[40:]))
	perL1 := q.cluster * (q.cluster / q.entryBytes())
	if need := (q.size + perL1 - 1) / perL1; l1Size < need || l1Size*8 > maxL1Bytes {
		return nil, fmt.Errorf("the qcow2 image has a table of %d entries, its size needs %d", l1Size, need)
	}
	table := make([]byte, l1Size*8)
	if err := q.readAll(table, l1At); err != nil {
		return nil, fmt.Errorf("read the table of the qcow2 image: %w", err)
	}
	for i := range int(l1Size) {
		q.l1 = append(q.l1, binary.BigEndian.Uint64(table[i*8:])&offsetMask)
	}
	return q, nil
}

// readHeader reads what the header says, and refuses what this reader does not read.
func (q *QCOW2) readHeader(header []byte) error {
	version, clusterBits := binary.BigEndian.Uint32(header[4:]), binary.BigEndian.Uint32(header[20:])
	size := binary.BigEndian.Uint64(header[24:])
	switch {
	case !IsQCOW2(header):
		return errors.New("the image is no qcow2 file")
	case version != 2 && version != 3:
		return fmt.Errorf("the qcow2 image has version %d, 2 and 3 are read", version)
	case binary.BigEndian.Uint64(header[8:]) != 0:
		return errors.New("the qcow2 image needs a backing file: make it whole with `qemu-img convert`")
	case binary.BigEndian.Uint32(header[32:]) != 0:
		return errors.New("the qcow2 image is encrypted: decrypt it with `qemu-img convert`")
	case clusterBits < minClusterBits || clusterBits > maxClusterBits:
		return fmt.Errorf("the qcow2 image has clusters of 2^%d bytes, 2^9 to 2^21 are read", clusterBits)
	case size == 0 || size > maxDiskBytes:
		return fmt.Errorf("the qcow2 image is that of a disk with %d bytes", size)
	}
	q.size, q.cluster = int64(size), 1<<clusterBits
	if version == 2 {
		return nil
	}
	features := binary.BigEndian.Uint64(header[72:])
	q.extended = features&extendedL2Bit != 0
	if features&compressionBit != 0 && binary.BigEndian.Uint32(header[100:]) > headerV3 {
		q.compression = header[104]
	}
	switch known := uint64(dirtyBit | corruptBit | externalDataBit | compressionBit | extendedL2Bit); {
	case features&corruptBit != 0:
		return errors.New("the qcow2 image is marked as corrupt: repair it with `qemu-img check -r`")
	case features&externalDataBit != 0:
		return errors.New("the qcow2 image has its data in another file: make it whole with `qemu-img convert`")
	case features&^known != 0:
		return fmt.Errorf("the qcow2 image has features that are not known: %#x", features&^known)
	case q.compression > 1:
		return fmt.Errorf("the qcow2 image has compression %d, 0 and 1 are read", q.compression)
	case q.extended && q.cluster < subclusters*sectorBytes:
		return errors.New("the qcow2 image has subclusters smaller than a sector")
	}
	return nil
}

// Size is the size of the disk in bytes.
func (q *QCOW2) Size() int64 { return q.size }

func (q *QCOW2) entryBytes() int64 {
	if q.extended {
		return 16
	}
	return 8
}

// ReadAt implements io.ReaderAt.
func (q *QCOW2) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, errors.New("negative offset")
	}
	for n < len(p) && at < q.size {
		if err := q.loadCluster(at / q.cluster); err != nil {
			return n, fmt.Errorf("read the qcow2 image at byte %d of the disk: %w", at, err)
		}
		from := at % q.cluster
		part := min(int64(len(p)-n), q.cluster-from, q.size-at)
		copy(p[n:], q.data[from:from+part])
		n, at = n+int(part), at+part
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// loadCluster makes a cluster of the disk the one in memory.
func (q *QCOW2) loadCluster(number int64) error {
	if number == q.dataOf {
		return nil
	}
	if q.data == nil {
		q.data = make([]byte, q.cluster)
	}
	q.dataOf = -1
	clear(q.data)
	perTable := q.cluster / q.entryBytes()
	tableAt := int64(q.l1[number/perTable])
	if tableAt != 0 {
		if err := q.loadTable(tableAt); err != nil {
			return err
		}
		if err := q.fillCluster(q.table[number%perTable*q.entryBytes():]); err != nil {
			return err
		}
	}
	q.dataOf = number
	return nil
}

func (q *QCOW2) loadTable(at int64) error {
	if at == q.tableAt {
		return nil
	}
	if q.table == nil {
		q.table = make([]byte, q.cluster)
	}
	q.tableAt = -1
	if err := q.readAll(q.table, at); err != nil {
		return err
	}
	q.tableAt = at
	return nil
}

// fillCluster reads the cluster that an entry of an L2 table describes. The cluster in memory holds zeros.
func (q *QCOW2) fillCluster(entry []byte) error {
	word := binary.BigEndian.Uint64(entry)
	at := int64(word & offsetMask)
	switch {
	case word&compressedFlag != 0:
		return q.readCompressed(word)
	case q.extended:
		return q.readSubclusters(at, binary.BigEndian.Uint64(entry[8:]))
	case word&zeroFlag != 0 || at == 0:
		return nil
	default:
		return q.readCluster(q.data, at)
	}
}

// readSubclusters reads the subclusters that the low half of a bitmap marks as allocated. The high half marks zeros.
func (q *QCOW2) readSubclusters(at int64, bitmap uint64) error {
	allocated, zeros := uint32(bitmap), uint32(bitmap>>32)
	if allocated&zeros != 0 {
		return errors.New("a subcluster is both allocated and zero")
	}
	part := q.cluster / subclusters
	for ; allocated != 0; allocated &= allocated - 1 {
		i := int64(bits.TrailingZeros32(allocated))
		if err := q.readCluster(q.data[i*part:(i+1)*part], at+i*part); err != nil {
			return err
		}
	}
	return nil
}

// readCompressed reads a compressed cluster: raw deflate, or zstd. What follows in the last sector is not read.
func (q *QCOW2) readCompressed(word uint64) error {
	shift := 62 - (bits.TrailingZeros64(uint64(q.cluster)) - 8)
	at := int64(word & (1<<shift - 1))
	sectors := int64(word>>shift&(1<<(62-shift)-1)) + 1
	length := min(sectors*sectorBytes-at%sectorBytes, q.fileSize-at)
	if length <= 0 {
		return errors.New("a compressed cluster is outside of the file")
	}
	source := io.NewSectionReader(q.file, at, length)
	var reader io.Reader = flate.NewReader(source)
	if q.compression == 1 {
		decoder, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(max(uint64(q.cluster), zstd.MinWindowSize)))
		if err != nil {
			return err
		}
		defer decoder.Close()
		reader = decoder
	}
	if _, err := io.ReadFull(reader, q.data); err != nil {
		return fmt.Errorf("a compressed cluster: %w", err)
	}
	return nil
}

// readCluster reads data of the file. The last cluster of a file may be cut: the rest is zeros.
func (q *QCOW2) readCluster(p []byte, at int64) error {
	if at < 0 || at >= q.fileSize {
		return errors.New("a cluster is outside of the file")
	}
	return q.readAll(p[:min(int64(len(p)), q.fileSize-at)], at)
}

// readAll reads exactly p.
func (q *QCOW2) readAll(p []byte, at int64) error {
	if at < 0 || at > q.fileSize-int64(len(p)) {
		return errors.New("it points outside of the file")
	}
	n, err := q.file.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return err
}
