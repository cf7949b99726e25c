package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// reserve is the room in bytes that an image leaves on the mirror's file system.
const reserve = 256 << 20

// fetch brings an image into the mirror: written beside, verified, synced, renamed. The errors name the field of the fleet to mend.
func (s *Store) fetch(ctx context.Context, client *http.Client, ref Ref) error {
	if !isDigest(ref.SHA256) {
		return fmt.Errorf("image digest %q is not a sha256 of 64 hex digits: fix spec.install.image.sha256", ref.SHA256)
	}
	part, err := openPart(filepath.Join(s.config.Dir, partPrefix+ref.SHA256))
	if err != nil {
		return err
	}
	defer part.file.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, fmt.Errorf("not fetched within %s", s.config.Timeout))
	defer cancel()
	t := transfer{store: s, client: client, ref: ref, part: part}
	if err := t.all(ctx); err != nil {
		if part.size > 0 && errors.As(err, new(brokenError)) {
			return err
		}
		return errors.Join(err, part.remove())
	}
	return part.publish(s.path(ref.SHA256))
}

// brokenError is of a transfer that may go on later where it stopped.
type brokenError struct{ error }

// Unwrap gives the cause.
func (e brokenError) Unwrap() error { return e.error }

// errStale is of a beginning that the server cannot continue.
var errStale = errors.New("the transfer cannot be resumed")

// transfer fetches one image, by as many requests as it takes.
type transfer struct {
	store  *Store
	client *http.Client
	ref    Ref
	part   *part
	etag   string
	pieced bool // the part holds bytes of more than one answer
}

// all fetches and verifies. Pieces of several answers that do not fit are thrown away, once.
func (t *transfer) all(ctx context.Context) error {
	if t.part.size > 0 && t.part.digest() == t.ref.SHA256 {
		return nil
	}
	for again := false; ; again = true {
		if err := t.source(ctx); err != nil {
			return err
		}
		have := t.part.digest()
		if have == t.ref.SHA256 {
			return nil
		}
		if !t.pieced || again {
			return fmt.Errorf("the sha256 of %s is %s, the fleet says %s: fix spec.install.image.sha256, or find out who changed the image",
				t.name(), have, t.ref.SHA256)
		}
		if err := t.restart(); err != nil {
			return err
		}
	}
}

// restart begins from the first byte.
func (t *transfer) restart() error {
	t.pieced, t.etag = false, ""
	return t.part.restart()
}

// name is how errors call the image: its URL without user, password and query, which may be secret.
func (t *transfer) name() string {
	u, err := url.Parse(t.ref.URL)
	switch {
	case err != nil:
		return "image URL"
	case u.Scheme == "" && u.Host == "":
		return fmt.Sprintf("image %s in the mirror", u.Path)
	default:
		return "image URL " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
}

func (t *transfer) source(ctx context.Context) error {
	u, err := url.Parse(t.ref.URL)
	if err != nil {
		return fmt.Errorf("the image URL cannot be read: %w: fix spec.install.image.url", cause(err))
	}
	if u.Scheme == "" && u.Host == "" {
		return t.copyLocal()
	}
	if err := t.store.config.allowed(u); err != nil {
		return fmt.Errorf("%s: %w", t.name(), err)
	}
	return t.download(ctx)
}

// cause takes the URL, which may be secret, out of an error of net/url and net/http.
func cause(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// copyLocal takes a file that an operator put into the mirror.
func (t *transfer) copyLocal() error {
	limit := t.store.config.MaxSize
	if !filepath.IsLocal(t.ref.URL) {
		return fmt.Errorf("image %q is not a path inside the mirror: fix spec.install.image.url", t.ref.URL)
	}
	if err := t.restart(); err != nil {
		return err
	}
	root, err := os.OpenRoot(t.store.config.Dir)
	if err != nil {
		return fmt.Errorf("open the image mirror: %w", err)
	}
	defer root.Close()
	file, err := root.Open(t.ref.URL)
	if err != nil {
		return fmt.Errorf("%s: %w: put it there, or fix spec.install.image.url", t.name(), err)
	}
	defer file.Close()
	if _, err = io.Copy(t.part, io.LimitReader(file, limit+1)); err != nil {
		return fmt.Errorf("%s: %w", t.name(), err)
	}
	if t.part.size > limit {
		return fmt.Errorf("%s has more than %d bytes, the most that are taken", t.name(), limit)
	}
	return nil
}

// download makes requests while each of them brings the image further.
func (t *transfer) download(ctx context.Context) error {
	for {
		before := t.part.size
		err := t.request(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errStale) && before > 0:
			if err := t.restart(); err != nil {
				return err
			}
		case !errors.As(err, new(brokenError)), t.part.size <= before, ctx.Err() != nil:
			return fmt.Errorf("%s: %w", t.name(), err)
		}
	}
}

// request asks for the image, or for what is missing of it, and writes what comes.
func (t *transfer) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.ref.URL, http.NoBody)
	if err != nil {
		return cause(err)
	}
	if t.part.size > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.part.size))
		if t.etag != "" {
			request.Header.Set("If-Range", t.etag)
		}
	}
	response, err := t.client.Do(request)
	if err != nil {
		return brokenError{t.why(ctx, cause(err))}
	}
	defer response.Body.Close()
	total, err := t.begin(response)
	if err != nil {
		return err
	}
	return t.copy(ctx, response.Body, total, cancel)
}

// why prefers what we ended a request for to what that looks like from inside.
func (t *transfer) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// begin checks an answer's head and gives the image's whole size, 0 when it is not said.
func (t *transfer) begin(response *http.Response) (int64, error) {
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		if t.part.size > 0 { // the server cannot resume, or has other bytes now
			if err := t.restart(); err != nil {
				return 0, err
			}
		}
	case code == http.StatusPartialContent && continues(response, t.part.size):
		t.pieced = true
	case t.part.size > 0 && (code == http.StatusPartialContent || code == http.StatusRequestedRangeNotSatisfiable):
		return 0, errStale
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return 0, brokenError{fmt.Errorf("answered %s: it is asked again", response.Status)}
	default:
		return 0, fmt.Errorf("answered %s: fix spec.install.image.url", response.Status)
	}
	t.etag = ""
	if etag := response.Header.Get("ETag"); !strings.HasPrefix(etag, "W/") {
		t.etag = etag
	}
	if response.ContentLength < 0 {
		return 0, nil
	}
	total := t.part.size + response.ContentLength
	if total > t.store.config.MaxSize {
		return 0, fmt.Errorf("has %d bytes, at most %d are fetched", total, t.store.config.MaxSize)
	}
	return total, t.hasRoom(response.ContentLength)
}

// continues reports whether a partial answer starts where we stopped (RFC 9110, 14.4).
func continues(response *http.Response, size int64) bool {
	return size > 0 && strings.HasPrefix(response.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(size, 10)+"-")
}

func (t *transfer) hasRoom(bytes int64) error {
	free, err := t.store.config.Free(t.store.config.Dir)
	if err != nil {
		return err
	}
	if free < bytes+reserve {
		return brokenError{fmt.Errorf("needs %d MB more, and %d MB are free in %s: make room", (bytes+reserve)>>20, free>>20, t.store.config.Dir)}
	}
	return nil
}

// copy reads the body; a body that gives nothing for the idle time is cut.
func (t *transfer) copy(ctx context.Context, body io.Reader, total int64, cut context.CancelCauseFunc) error {
	limit, patience := t.store.config.MaxSize, t.store.config.Idle
	idle := time.AfterFunc(patience, func() { cut(fmt.Errorf("no byte for %s", patience)) })
	defer idle.Stop()
	buffer := make([]byte, 1<<20)
	for {
		n, err := body.Read(buffer)
		idle.Reset(patience)
		if t.part.size+int64(n) > limit {
			return fmt.Errorf("has more than %d bytes, the most that are fetched", limit)
		}
		if _, err := t.part.Write(buffer[:n]); err != nil {
			return err
		}
		t.store.progress(t.ref, t.part.size, total)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return brokenError{fmt.Errorf("the transfer broke at byte %d: %w", t.part.size, t.why(ctx, err))}
		}
	}
}
