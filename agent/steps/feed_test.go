package steps

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// upstream serves an image as the daemon does, and breaks off when it is told to.
type upstream struct {
	image []byte
	after int // bytes until a transfer breaks; 0: never
	away  error

	mu      sync.Mutex
	offsets []int64
}

func (u *upstream) Image(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.offsets = append(u.offsets, offset)
	if u.away != nil {
		return nil, u.away
	}
	rest := io.Reader(bytes.NewReader(u.image[offset:]))
	if u.after > 0 && len(u.image[offset:]) > u.after {
		rest = io.MultiReader(io.LimitReader(rest, int64(u.after)), iotest.ErrReader(errors.New("connection reset")))
	}
	return io.NopCloser(rest), nil
}

func serve(t *testing.T, u *upstream, image wire.Image) *feed {
	t.Helper()
	f, err := newFeed(t.Context(), image, u, func(wire.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	f.download.Patience = 0
	t.Cleanup(f.closeServer)
	return f
}

func get(t *testing.T, url string) (status int, body []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

func anImage() ([]byte, wire.Image) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	sum := sha256.Sum256(data)
	return data, wire.Image{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)), Name: "os.raw.zst"}
}

// TestTheFeedResumes gives the installer the whole image over transfers that break, each from where the last one stopped.
func TestTheFeedResumes(t *testing.T) {
	t.Parallel()
	data, image := anImage()
	u := &upstream{image: data, after: 1 << 20}
	f := serve(t, u, image)
	if err := f.lastError(); !errors.Is(err, errNotRead) {
		t.Errorf("before anybody read: %v", err)
	}
	status, body, err := get(t, f.url)
	if err != nil || status != http.StatusOK || !bytes.Equal(body, data) || f.lastError() != nil {
		t.Errorf("%d, %d bytes, %v; failure %v", status, len(body), err, f.lastError())
	}
	if len(u.offsets) != 3 || u.offsets[1] != 1<<20 || u.offsets[2] != 2<<20 {
		t.Errorf("it asked from %v", u.offsets)
	}
}

// TestTheEndOfAWrongImageIsWithheld never lets the last MiB of an image out whose digest is another: without it nothing on the disk starts.
func TestTheEndOfAWrongImageIsWithheld(t *testing.T) {
	t.Parallel()
	data, image := anImage()
	tampered := bytes.Clone(data)
	tampered[0] ^= 1
	f := serve(t, &upstream{image: tampered}, image)
	_, body, err := get(t, f.url)
	if err == nil || len(body) > len(data)-heldBytes {
		t.Errorf("the installer got %d of %d bytes, error %v: the last %d must not come", len(body), len(data), err, heldBytes)
	}
	if failure := f.lastError(); failure == nil || !strings.Contains(failure.Error(), "the job says "+image.SHA256) {
		t.Errorf("failure = %v", failure)
	}
}

// TestAnImageThatIsTooShort cuts the connection: a part is never taken for the whole.
func TestAnImageThatIsTooShort(t *testing.T) {
	t.Parallel()
	data, image := anImage()
	f := serve(t, &upstream{image: data[:len(data)-1]}, image)
	if _, body, err := get(t, f.url); err == nil || len(body) == len(data) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if failure := f.lastError(); failure == nil || !strings.Contains(failure.Error(), "stuck at byte 3145727") {
		t.Errorf("failure = %v", failure)
	}
}

// TestTheFeedServesTheImageAlone answers 404 to the signature that coreos-installer asks for, and to everything else.
func TestTheFeedServesTheImageAlone(t *testing.T) {
	t.Parallel()
	data, image := anImage()
	image.Name = "../../etc/passwd?x"
	u := &upstream{image: data}
	f := serve(t, u, image)
	if !strings.HasSuffix(f.url, "/image") || !strings.HasPrefix(f.url, "http://127.0.0.1:") {
		t.Errorf("the image is at %s", f.url)
	}
	for _, path := range []string{".sig", "/..", "?sig"} {
		status, _, err := get(t, f.url+path)
		if path != "?sig" && (err != nil || status != http.StatusNotFound) {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	u.away = errors.New("the daemon is away")
	if _, _, err := get(t, f.url); err == nil || !strings.Contains(f.lastError().Error(), "the daemon is away") {
		t.Errorf("%v, failure %v", err, f.lastError())
	}
}
