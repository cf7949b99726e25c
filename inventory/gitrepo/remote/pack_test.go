package remote

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/memory"
)

// packed is a pack of entries as they are, with its checksum; count is what its header says.
func packed(count uint32, entries ...[]byte) []byte {
	pack := append([]byte("PACK"), 0, 0, 0, 2)
	pack = append(binary.BigEndian.AppendUint32(pack, count), bytes.Join(entries, nil)...)
	sum := sha1.Sum(pack)
	return append(pack, sum[:]...)
}

// entry is an object with the size it announces.
func entry(t *testing.T, kind plumbing.ObjectType, announced int, base, content []byte) []byte {
	t.Helper()
	head := []byte{byte(kind)<<4 | byte(announced&15)}
	for rest := announced >> 4; rest > 0; rest >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(rest&0x7f))
	}
	var body bytes.Buffer
	w := zlib.NewWriter(&body)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(append(head, base...), body.Bytes()...)
}

// delta announces how large what it makes is.
func delta(sizes ...uint64) (d []byte) {
	for _, size := range sizes {
		d = binary.AppendUvarint(d, size)
	}
	return d
}

func TestPacksAreBounded(t *testing.T) {
	t.Parallel()
	blob := entry(t, plumbing.BlobObject, 5, nil, []byte("hello"))
	id := bytes.Repeat([]byte{1}, 20)
	huge := delta(5, 1<<40)
	many := make([][]byte, 0, 40)
	for range cap(many) {
		many = append(many, entry(t, plumbing.REFDeltaObject, len(delta(5, maxObject)), id, delta(5, maxObject)))
	}
	whole := packed(1, blob)
	for name, test := range map[string]struct {
		pack []byte
		why  string
	}{
		"good":             {whole, ""},
		"none":             {packed(0), ""},
		"half":             {whole[:len(whole)/2], "not whole"},
		"nothing":          {nil, "not whole"},
		"another byte":     {bytes.Replace(whole, []byte("PACK"), []byte("PACL"), 1), "not whole"},
		"fewer objects":    {packed(2, blob), errPack.Error()},
		"endless objects":  {packed(1<<31, blob), "2147483648 objects"},
		"a large object":   {packed(1, entry(t, plumbing.BlobObject, maxObject+1, nil, nil)), "an object of 67108865 bytes"},
		"more than said":   {packed(1, entry(t, plumbing.BlobObject, 5, nil, bytes.Repeat([]byte("x"), 6))), errPack.Error()},
		"less than said":   {packed(1, entry(t, plumbing.BlobObject, 6, nil, []byte("hello"))), "5 bytes where 6"},
		"a large delta":    {packed(1, entry(t, plumbing.REFDeltaObject, len(huge), id, huge)), "an object of 1099511627776 bytes"},
		"a mute delta":     {packed(1, entry(t, plumbing.REFDeltaObject, 1, id, []byte{0x80})), "does not say"},
		"much in deltas":   {packed(uint32(len(many)), many...), "more than 2147483648 bytes"},
		"no such object":   {packed(1, entry(t, plumbing.ObjectType(5), 5, nil, []byte("hello"))), ""},
		"no zlib":          {packed(1, []byte{0x35, 1, 2, 3}), errPack.Error()},
		"not a delta's id": {packed(1, []byte{0x75}), errPack.Error()},
	} {
		err := checkPack(test.pack)
		if (err == nil) != (test.why == "") || (err != nil && !strings.Contains(err.Error(), test.why)) {
			t.Errorf("%s: checkPack = %v, want %q", name, err, test.why)
		}
	}
}

// What is cut off leaves nothing behind, wherever it was cut.
func TestHalfAPackLeavesNothing(t *testing.T) {
	t.Parallel()
	whole := packed(2, entry(t, plumbing.BlobObject, 5, nil, []byte("hello")), entry(t, plumbing.BlobObject, 5, nil, []byte("world")))
	for cut := range len(whole) {
		into := packStore{memory.NewStorage()}
		if err := packfile.UpdateObjectStorage(into, bytes.NewReader(whole[:cut])); err == nil || len(into.Objects) != 0 {
			t.Errorf("cut at %d: %v, and %d objects are kept", cut, err, len(into.Objects))
		}
	}
	into := packStore{memory.NewStorage()}
	if err := packfile.UpdateObjectStorage(into, bytes.NewReader(whole)); err != nil || len(into.Objects) != 2 {
		t.Errorf("whole: %v, and %d objects are kept", err, len(into.Objects))
	}
}

// FuzzPack: no pack makes its reader panic; the checksum is made to fit, so that what a fuzzer changes is looked at.
func FuzzPack(f *testing.F) {
	f.Add(uint32(1), []byte{5, 5, 0x90, 5}, []byte{5, 10, 0x90, 5, 0x90, 5}, byte(7)) // deltas that copy their base
	f.Add(uint32(0), []byte{5, 3, 3, 'a', 'b', 'c'}, []byte{6, 5, 0x91, 1, 5}, byte(15))
	f.Add(uint32(1), []byte("tree 0000000000000000000000000000000000000000\n"), []byte{0x35}, byte(1))
	f.Add(uint32(9), []byte("100644 a\x00"), []byte{}, byte(2))
	f.Fuzz(func(t *testing.T, count uint32, first, second []byte, kind byte) {
		content := entry(t, plumbing.ObjectType(kind&7), len(first), nil, first)
		blob := entry(t, plumbing.BlobObject, 5, nil, []byte("hello"))
		id := plumbing.ComputeHash(plumbing.BlobObject, []byte("hello"))
		onBlob := entry(t, plumbing.REFDeltaObject, len(first), id[:], first)
		offset := entry(t, plumbing.OFSDeltaObject, len(second), []byte{kind}, second)
		for _, pack := range [][]byte{
			packed(count, first, second), packed(2, content, second), packed(3, blob, onBlob, second), packed(2, onBlob, blob), packed(2, blob, offset), packed(3, blob, onBlob, offset),
		} {
			into := packStore{memory.NewStorage()}
			if err := packfile.UpdateObjectStorage(into, bytes.NewReader(pack)); err == nil && len(into.Objects) > 3 && count < 4 {
				t.Errorf("a pack of %d objects gave %d", count, len(into.Objects))
			}
		}
	})
}
