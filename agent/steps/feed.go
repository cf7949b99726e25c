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

// readBytes is the size of a read.
const readBytes = 256 << 10

// A broken transfer is resumed for as long as a daemon may be away.
const (
	patience   = 10 * time.Minute // without a new byte
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

var errNotRead = errors.New("the installer did not read the image to its end")

// feed serves an image over loopback while fetching and hashing the image.
type feed struct {
	image    wire.Image
	images   Images
	report   func(wire.Progress)
	patience time.Duration
	url      string
	server   *http.Server
	done     chan struct{}

	mu      sync.Mutex
	lastErr error // result of the last transfer
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
	f := &feed{image: image, images: images, report: report, patience: patience, url: at.String(),
		done: make(chan struct{}), lastErr: errNotRead}
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

// lastError is why the installer does not have the whole image with the right digest; nil if it does.
func (f *feed) lastError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastErr
}

func (f *feed) setError(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastErr = err
}

// serveImage copies the image to the installer. On a failure the connection is cut, so that the installer cannot
// mistake a part for the whole.
func (f *feed) serveImage(ctx context.Context, w io.Writer) {
	f.setError(errNotRead)
	err := f.copyImage(ctx, w)
	f.setError(err)
	if err != nil {
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
		f.report(wire.Progress{Done: uint64(released), Total: uint64(f.image.Size)})
		return nil
	}
	err := f.fetchImage(ctx, func(chunk []byte) error {
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
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != f.image.SHA256 {
		return fmt.Errorf("the image's sha256 is %s, the job says %s: its end was withheld, nothing on the disk starts",
			sum, f.image.SHA256)
	}
	return release(len(tail))
}

// fetchImage reads the whole image and resumes a broken transfer at the byte reached.
func (f *feed) fetchImage(ctx context.Context, take func(chunk []byte) error) error {
	var done int64
	buffer := make([]byte, readBytes)
	for pause, moved := firstPause, time.Now(); ; pause = min(2*pause, maxPause) {
		before := done
		err := f.fetchPart(ctx, &done, buffer, take)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errNotRead):
			return err
		case done > before:
			pause, moved = firstPause, time.Now()
		case time.Since(moved) > f.patience:
			return fmt.Errorf("fetch the image: stuck at byte %d for %s: %w", done, f.patience, err)
		}
		f.report(wire.Progress{Lines: []string{fmt.Sprintf("image: stopped at byte %d, trying again: %v", done, err)}})
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// fetchPart reads from byte *done until the image is whole or the transfer breaks.
func (f *feed) fetchPart(ctx context.Context, done *int64, buffer []byte, take func([]byte) error) error {
	body, err := f.images.Image(ctx, f.image.SHA256, *done)
	if err != nil {
		return err
	}
	defer body.Close()
	for *done < f.image.Size {
		n, err := body.Read(buffer[:min(int64(len(buffer)), f.image.Size-*done)])
		if n > 0 {
			*done += int64(n)
			if err := take(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil && *done < f.image.Size {
			return fmt.Errorf("the transfer broke: %w", err)
		}
	}
	return nil
}
