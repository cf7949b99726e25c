// Package imagefile serves an image to the agent that writes it, whole or as far as a look before leave needs.
package imagefile

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxLook is how much of an image an agent that writes the image itself may look at before leave, in bytes: enough to
// tell the format and to read the partition table through any compression, and too little for a system.
const maxLook = 4 << 20

// magicQCOW2 begins a qcow2 file, whose clusters lie in any order (QEMU, docs/interop/qcow2.txt).
var magicQCOW2 = []byte{'Q', 'F', 'I', 0xfb}

// File is an image.
type File struct {
	Content io.ReadSeeker
	SHA256  string
	Begun   bool // the attempt that asks may write
}

// Serve answers a request for the image or a range of it. Before the attempt has begun, the image ends after maxLook. A
// qcow2 file cannot be read as a stream: the agent verifies the whole file in RAM before it asks for leave.
func (f File) Serve(w http.ResponseWriter, r *http.Request) error {
	if !f.Begun {
		head, err := io.ReadAll(io.LimitReader(f.Content, maxLook))
		if err != nil {
			return fmt.Errorf("read image %s: %w", f.SHA256, err)
		}
		if !bytes.HasPrefix(head, magicQCOW2) {
			f.Content = bytes.NewReader(head)
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+f.SHA256+`"`)
	http.ServeContent(w, r, "", time.Time{}, f.Content)
	return nil
}
