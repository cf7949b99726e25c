package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// heldBytes is how many of the image's last bytes are held back until the digest over the whole image is right.
// coreos-installer 0.27 writes the disk's first MiB after reading the image's end (src/download.rs,
// image_copy_default): without the end, nothing on the disk starts.
const heldBytes = 1 << 20

// Patience is how long a daemon may be away in the middle of an image.
const Patience = 10 * time.Minute

var errNotRead = errors.New("the installer did not read the image to its end")

// feed serves an image over loopback while fetching and hashing the image.
type feed struct {
	download Download
	url      string
	server   *http.Server
	done     chan struct{}

	transfer sync.Mutex // held during a transfer
	lastErr  error      // result of the last transfer
}

// fileName is the grammar of names that the image's URL may contain unescaped.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._+]{0,200}$`)

// newFeed starts serving; the installer reads url. Requests for different files, such as the signature that
// coreos-installer asks for, get 404. The caller calls closeServer.
func newFeed(ctx context.Context, image wire.Image, images Images, report func(wire.Progress)) (*feed, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the image over loopback: %w", err)
	}
	name := image.Name
	if !fileName.MatchString(name) {
		name = "image" // the compression is recognised from the content
	}
	at := url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/" + name}
	f := &feed{download: Download{image, images, report, Patience}, url: at.String(), done: make(chan struct{}),
		lastErr: errNotRead}
	f.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != at.Path || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Length", strconv.FormatInt(image.Size, 10))
			w.Header().Set("Content-Type", "application/octet-stream")
			if r.Method == http.MethodGet {
				f.serveImage(r.Context(), w)
			}
		}),
	}
	go func() {
		defer close(f.done)
		_ = f.server.Serve(listener) // ends with closeServer
	}()
	return f, nil
}

func (f *feed) closeServer() {
	_ = f.server.Close()
	<-f.done
}

// lastError is why the installer does not have the whole image with the right digest; nil if it does. An installer has
// the last byte before its transfer ends here: lastError waits for the end. Call it once the installer has ended, which
// closes its connection.
func (f *feed) lastError() error {
	f.transfer.Lock()
	defer f.transfer.Unlock()
	return f.lastErr
}

// serveImage copies the image to the installer, one transfer at a time. On a failure the connection is cut, so that the
// installer cannot mistake a part for the whole.
func (f *feed) serveImage(ctx context.Context, w io.Writer) {
	f.transfer.Lock()
	defer f.transfer.Unlock()
	if f.lastErr = f.copyImage(ctx, w); f.lastErr != nil {
		panic(http.ErrAbortHandler)
	}
}

// copyImage releases bytes as they come, except the held bytes, which are released once the digest is right.
func (f *feed) copyImage(ctx context.Context, w io.Writer) error {
	hash := sha256.New()
	tail := make([]byte, 0, heldBytes+readBytes)
	var released int64
	release := func(n int) error {
		if _, err := w.Write(tail[:n]); err != nil {
			return fmt.Errorf("%w: %w", errNotRead, err)
		}
		released += int64(n)
		f.download.Report(wire.Progress{Done: uint64(released), Total: uint64(f.download.Image.Size)})
		return nil
	}
	err := f.download.Copy(ctx, func(chunk []byte) error {
		hash.Write(chunk)
		tail = append(tail, chunk...)
		excess := len(tail) - heldBytes
		if excess <= 0 {
			return nil
		}
		err := release(excess)
		tail = append(tail[:0], tail[excess:]...)
		return err
	})
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != f.download.Image.SHA256 {
		return fmt.Errorf("the image's sha256 is %s, the job says %s: its end was withheld, nothing on the disk starts",
			sum, f.download.Image.SHA256)
	}
	return release(len(tail))
}
