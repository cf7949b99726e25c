package facts

import (
	"io"

	"github.com/gitmetal/ingot/agent/wire"
)

// ReadContent says what a disk of size bytes holds, of an unknown sector size.
func ReadContent(disk io.ReaderAt, size int64) wire.Content {
	return InspectBytes(wire.Disk{Size: uint64(size)}, disk).Content
}
