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

// held is how many of the image's last bytes are held back until the digest over all of them is right. coreos-installer 0.27 writes the disk's
// first MiB after it has read the image to its end (src/download.rs, image_copy_default): without the end, nothing on the disk starts.
const held = 1 << 20

// transfer is the size of one read.
const transfer = 256 << 10

// A broken transfer is resumed for as long as a daemon may be away for.
const (
	patience   = 10 * time.Minute // without a new byte
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

var errNotRead = errors.New("the installer did not read the image to its end")

// feed serves an image over loopback while fetching and hashing it.
type feed struct {
	image    wire.Image
	images   Images
	report   func(wire.Progress)
	patience time.Duration
	url      string
	server   *http.Server
	done     chan struct{}

	mu   sync.Mutex
	ends error // how the last transfer ended
}

// fileName is what may stand in the image's URL as it is.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._+]{0,200}$`)

// newFeed starts serving; the installer reads url. Anything but the image is answered 404, the signature that coreos-installer asks for among it.
// close it.
func newFeed(ctx context.Context, image wire.Image, images Images, report func(wire.Progress)) (*feed, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the image over loopback: %w", err)
	}
	name := image.Name
	if !fileName.MatchString(name) {
		name = "image" // its compression is told from its content
	}
	at := url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/" + name}
	f := &feed{image: image, images: images, report: report, patience: patience, url: at.String(), done: make(chan struct{}), ends: errNotRead}
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
				f.serve(r.Context(), w)
			}
		}),
	}
	go func() {
		defer close(f.done)
		_ = f.server.Serve(listener) // ends with close
	}()
	return f, nil
}

func (f *feed) close() {
	_ = f.server.Close()
	<-f.done
}

// failure is why the installer does not have the whole image with the right digest; nil when it has.
func (f *feed) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ends
}

func (f *feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends = err
}

// serve copies the image to the installer. On any failure the connection is cut: the installer must not mistake a part for the whole.
func (f *feed) serve(ctx context.Context, w io.Writer) {
	f.end(errNotRead)
	err := f.copy(ctx, w)
	f.end(err)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// copy releases all but the held bytes while they come, and those once the digest is right.
func (f *feed) copy(ctx context.Context, w io.Writer) error {
	hash := sha256.New()
	tail := make([]byte, 0, held+transfer)
	var released int64
	release := func(n int) error {
		if _, err := w.Write(tail[:n]); err != nil {
			return fmt.Errorf("%w: %w", errNotRead, err)
		}
		released += int64(n)
		f.report(wire.Progress{Done: uint64(released), Total: uint64(f.image.Size)})
		return nil
	}
	err := f.fetch(ctx, func(chunk []byte) error {
		hash.Write(chunk)
		tail = append(tail, chunk...)
		excess := len(tail) - held
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
		return fmt.Errorf("the image's sha256 is %s, the job says %s: its end was withheld, nothing on the disk starts", sum, f.image.SHA256)
	}
	return release(len(tail))
}

// fetch reads the whole image, resuming a broken transfer where it stopped.
func (f *feed) fetch(ctx context.Context, take func(chunk []byte) error) error {
	var done int64
	buffer := make([]byte, transfer)
	for pause, moved := firstPause, time.Now(); ; pause = min(2*pause, maxPause) {
		before := done
		err := f.part(ctx, &done, buffer, take)
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

// part reads from where the image was left until it is whole, or the transfer breaks.
func (f *feed) part(ctx context.Context, done *int64, buffer []byte, take func([]byte) error) error {
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
