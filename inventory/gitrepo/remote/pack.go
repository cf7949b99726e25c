package remote

import (
	"bytes"
	"crypto/sha1" // git checks its packs by it
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Bounds of one pack. Objects are kept in memory, inflated: a few kilobytes could fill all memory.
const (
	maxPack     = 512 << 20 // bytes of the pack
	maxObjects  = 4_000_000
	maxObject   = 64 << 20 // bytes of one object; files of the fleet have a lower limit, reported with their path
	maxInflated = 2 << 30  // bytes of all objects
)

var errPack = errors.New("the server's pack is refused")

// packStore keeps objects in memory. A pack is taken whole or not at all.
type packStore struct{ *memory.Storage }

// PackfileWriter implements storer.PackfileWriter.
func (s packStore) PackfileWriter() (io.WriteCloser, error) {
	return &incomingPack{into: s.Storage}, nil
}

// incomingPack is a pack that is being received.
type incomingPack struct {
	into *memory.Storage
	data bytes.Buffer
}

// Write implements io.Writer.
func (p *incomingPack) Write(b []byte) (int, error) {
	if p.data.Len()+len(b) > maxPack {
		return 0, fmt.Errorf("%w: it has more than %d bytes", errPack, maxPack)
	}
	return p.data.Write(b)
}

// Close checks the whole pack, then takes its objects.
func (p *incomingPack) Close() error {
	if err := checkPack(p.data.Bytes()); err != nil {
		return err
	}
	parser, err := packfile.NewParserWithStorage(packfile.NewScanner(unseekable{&p.data}), p.into)
	if err != nil {
		return err
	}
	_, err = parser.Parse()
	return err
}

// unseekable makes the parser keep deltas in memory; a seekable reader would be inflated several times.
type unseekable struct{ io.Reader }

// checkPack inflates every object of a pack, and keeps none.
func checkPack(pack []byte) error {
	body := len(pack) - sha1.Size
	if sum := sha1.Sum(pack[:max(body, 0)]); body < 0 || !bytes.Equal(sum[:], pack[body:]) {
		return fmt.Errorf("%w: it is not whole", errPack)
	}
	scanner := packfile.NewScanner(unseekable{bytes.NewReader(pack)})
	_, count, err := scanner.Header()
	if err != nil {
		return fmt.Errorf("%w: %w", errPack, err)
	}
	if count > maxObjects {
		return fmt.Errorf("%w: it has %d objects, at most %d are read", errPack, count, maxObjects)
	}
	var total int64
	for range count {
		size, err := nextSize(scanner)
		if err != nil {
			return fmt.Errorf("%w: %w", errPack, err)
		}
		if total += size; total > maxInflated {
			return fmt.Errorf("%w: its objects have more than %d bytes", errPack, maxInflated)
		}
	}
	return nil
}

// nextSize gives the bytes of the next object; a delta counts with the object that the delta makes.
func nextSize(scanner *packfile.Scanner) (int64, error) {
	header, err := scanner.NextObjectHeader()
	if err != nil {
		return 0, err
	}
	if header.Length > maxObject {
		return 0, tooLarge(header.Length)
	}
	var start prefixWriter
	n, _, err := scanner.NextObject(&start)
	if err != nil {
		return 0, err
	}
	if n != header.Length {
		return 0, fmt.Errorf("an object has %d bytes where %d are announced", n, header.Length)
	}
	if header.Type != plumbing.OFSDeltaObject && header.Type != plumbing.REFDeltaObject {
		return n, nil
	}
	_, readBase := binary.Uvarint(start.kept) // the size of the base
	target, readTarget := binary.Uvarint(start.kept[max(readBase, 0):])
	if readBase <= 0 || readTarget <= 0 {
		return 0, errors.New("a delta does not say how large its object is")
	}
	if target > maxObject {
		return 0, tooLarge(int64(min(target, 1<<62)))
	}
	return n + int64(target), nil
}

func tooLarge(size int64) error {
	return fmt.Errorf("it has an object of %d bytes, at most %d are read: large files belong into the image mirror",
		size, maxObject)
}

// prefixWriter keeps the first bytes of a delta: the two sizes.
type prefixWriter struct{ kept []byte }

// Write implements io.Writer.
func (b *prefixWriter) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), 2*binary.MaxVarintLen64-len(b.kept))]...)
	return len(p), nil
}
