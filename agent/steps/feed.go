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
	"strconv"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// held is how many of the image's last bytes are held back until the digest over all of them is right. coreos-installer writes the disk's
// first MiB last: without the image's end nothing on the disk starts.
const held = 1 << 20

// resumes is how often a broken transfer is resumed without a byte of progress in between.
const resumes = 8

// feed serves an image over loopback, once, while fetching and hashing it.
type feed struct {
	image  wire.Image
	images Images
	report func(wire.Progress)
	url    string
	server *http.Server
	done   chan struct{}
	result chan error // the one transfer's end
}

// newFeed starts serving; the installer reads url. Anything but the image is answered 404, the signature among it.
func newFeed(ctx context.Context, image wire.Image, images Images, report func(wire.Progress)) (*feed, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the image over loopback: %w", err)
	}
	f := &feed{image: image, images: images, report: report, done: make(chan struct{}), result: make(chan error, 1)}
	path := "/" + image.Name
	f.url = "http://" + listener.Addr().String() + path
	f.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Length", strconv.FormatInt(image.Size, 10))
			if r.Method == http.MethodHead {
				return
			}
			f.serve(r.Context(), w)
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

// failure is why the transfer failed, or nil when it ended well or was never asked for.
func (f *feed) failure() error {
	select {
	case err := <-f.result:
		return err
	default:
		return nil
	}
}

// serve copies the image to the installer. On any failure the connection is cut: the installer must not mistake a part for the whole.
func (f *feed) serve(ctx context.Context, w http.ResponseWriter) {
	err := f.copy(ctx, w)
	select {
	case f.result <- err:
	default:
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (f *feed) copy(ctx context.Context, w io.Writer) error {
	hash := sha256.New()
	tail := make([]byte, 0, held+transfer)
	err := f.fetch(ctx, func(chunk []byte, done int64) error {
		hash.Write(chunk)
		tail = append(tail, chunk...)
		f.report(wire.Progress{Done: uint64(done), Total: uint64(f.image.Size)})
		if excess := len(tail) - held; excess > 0 {
			if _, err := w.Write(tail[:excess]); err != nil {
				return fmt.Errorf("the installer stopped reading: %w", err)
			}
			tail = append(tail[:0], tail[excess:]...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != f.image.SHA256 {
		return fmt.Errorf("the image's sha256 is %s, the job says %s: its end was withheld, the disk does not start", sum, f.image.SHA256)
	}
	if _, err := w.Write(tail); err != nil {
		return fmt.Errorf("the installer stopped reading: %w", err)
	}
	return nil
}

// transfer is the size of one read.
const transfer = 256 << 10

// fetch reads the whole image, resuming a broken transfer where it stopped.
func (f *feed) fetch(ctx context.Context, take func(chunk []byte, done int64) error) error {
	var done int64
	buffer := make([]byte, transfer)
	for failures := 0; done < f.image.Size; {
		before := done
		err := f.part(ctx, &done, buffer, take)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(installerError)):
			return err
		case done > before:
			failures = 0
		}
		if err == nil {
			continue
		}
		if failures++; failures > resumes {
			return fmt.Errorf("fetch the image: %w", err)
		}
		timer := time.NewTimer(time.Duration(failures) * time.Second)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// installerError marks that not the transfer but its reader failed.
type installerError struct{ error }

func (f *feed) part(ctx context.Context, done *int64, buffer []byte, take func([]byte, int64) error) error {
	body, err := f.images.Image(ctx, f.image.SHA256, *done)
	if err != nil {
		return err
	}
	defer body.Close()
	for *done < f.image.Size {
		n, err := body.Read(buffer[:min(int64(len(buffer)), f.image.Size-*done)])
		if n > 0 {
			*done += int64(n)
			if err := take(buffer[:n], *done); err != nil {
				return installerError{err}
			}
		}
		if err != nil && *done < f.image.Size {
			return fmt.Errorf("the transfer broke at byte %d: %w", *done, err)
		}
	}
	return nil
}
