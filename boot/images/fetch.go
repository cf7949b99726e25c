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

// reserve is the room, in bytes, that stays free on the mirror's file system.
const reserve = 256 << 20

// fetchImage brings an image into the mirror: the bytes are written beside, verified, synced, and renamed. Errors name
// the field of the fleet to mend.
func (s *Store) fetchImage(ctx context.Context, client *http.Client, ref Ref) error {
	if !isDigest(ref.SHA256) {
		return fmt.Errorf("%s digest %q is not a sha256 of 64 hex digits: fix %s", ref.kind(), ref.SHA256,
			ref.field("sha256"))
	}
	part, err := openPart(filepath.Join(s.config.Dir, partPrefix+ref.SHA256))
	if err != nil {
		return err
	}
	defer part.file.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout,
		fmt.Errorf("not fetched within %s", s.config.Timeout))
	defer cancel()
	t := transfer{store: s, client: client, ref: ref, part: part}
	if err := t.fetchVerified(ctx); err != nil {
		if part.size > 0 && errors.As(err, new(brokenError)) {
			return err
		}
		return errors.Join(err, part.removeFile())
	}
	return part.moveInto(s.imagePath(ref.SHA256))
}

// brokenError is a failed transfer that may continue later from the byte reached.
type brokenError struct{ error }

// Unwrap gives the cause.
func (e brokenError) Unwrap() error { return e.error }

// errStale means that the server cannot continue a partial image.
var errStale = errors.New("the transfer cannot be resumed")

// transfer fetches one image, with as many requests as needed.
type transfer struct {
	store  *Store
	client *http.Client
	ref    Ref
	part   *part
	etag   string
	pieced bool // the part holds bytes of more than one answer
}

// fetchVerified fetches and verifies the image. Pieces of several answers with the wrong digest are thrown away, once.
func (t *transfer) fetchVerified(ctx context.Context) error {
	if t.part.size > 0 && t.part.hexDigest() == t.ref.SHA256 {
		return nil
	}
	for again := false; ; again = true {
		if err := t.readSource(ctx); err != nil {
			return err
		}
		have := t.part.hexDigest()
		if have == t.ref.SHA256 {
			return nil
		}
		if !t.pieced || again {
			return fmt.Errorf("the sha256 of %s is %s, the fleet says %s: fix %s, or find out who changed the %s",
				t.describeImage(), have, t.ref.SHA256, t.ref.field("sha256"), t.ref.kind())
		}
		if err := t.restartPart(); err != nil {
			return err
		}
	}
}

// restartPart begins again at the first byte.
func (t *transfer) restartPart() error {
	t.pieced, t.etag = false, ""
	return t.part.truncate()
}

// describeImage names the image in errors: the URL without user, password and query, because those may be secret.
func (t *transfer) describeImage() string {
	u, err := url.Parse(t.ref.URL)
	switch {
	case err != nil:
		return t.ref.kind() + " URL"
	case u.Scheme == "" && u.Host == "":
		return fmt.Sprintf("%s %s in the mirror", t.ref.kind(), u.Path)
	default:
		return t.ref.kind() + " URL " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
}

func (t *transfer) readSource(ctx context.Context) error {
	u, err := url.Parse(t.ref.URL)
	if err != nil {
		return fmt.Errorf("the %s URL cannot be read: %w: fix %s", t.ref.kind(), stripURL(err), t.ref.field("url"))
	}
	if u.Scheme == "" && u.Host == "" {
		return t.copyLocal()
	}
	if err := t.store.config.checkURL(u); err != nil {
		return fmt.Errorf("%s: %w", t.describeImage(), err)
	}
	return t.downloadImage(ctx)
}

// stripURL takes the URL, which may be secret, out of an error of net/url and net/http.
func stripURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// copyLocal copies a file that an operator put into the mirror.
func (t *transfer) copyLocal() error {
	limit := t.store.config.MaxSize
	if !filepath.IsLocal(t.ref.URL) {
		return fmt.Errorf("%s %q is not a path inside the mirror: fix %s", t.ref.kind(), t.ref.URL, t.ref.field("url"))
	}
	if err := t.restartPart(); err != nil {
		return err
	}
	root, err := os.OpenRoot(t.store.config.Dir)
	if err != nil {
		return fmt.Errorf("open the image mirror: %w", err)
	}
	defer root.Close()
	file, err := root.Open(t.ref.URL)
	if err != nil {
		return fmt.Errorf("%s: %w: put it there, or fix %s", t.describeImage(), err, t.ref.field("url"))
	}
	defer file.Close()
	if _, err = io.Copy(t.part, io.LimitReader(file, limit+1)); err != nil {
		return fmt.Errorf("%s: %w", t.describeImage(), err)
	}
	if t.part.size > limit {
		return fmt.Errorf("%s has more than %d bytes, the most that are taken", t.describeImage(), limit)
	}
	return nil
}

// downloadImage makes requests as long as every request brings more bytes.
func (t *transfer) downloadImage(ctx context.Context) error {
	for {
		before := t.part.size
		err := t.requestRest(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errStale) && before > 0:
			if err := t.restartPart(); err != nil {
				return err
			}
		case !errors.As(err, new(brokenError)), t.part.size <= before, ctx.Err() != nil:
			return fmt.Errorf("%s: %w", t.describeImage(), err)
		}
	}
}

// requestRest asks for the image, or for the missing end of the image, and writes the answer into the part.
func (t *transfer) requestRest(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.ref.URL, http.NoBody)
	if err != nil {
		return stripURL(err)
	}
	if t.part.size > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.part.size))
		if t.etag != "" {
			request.Header.Set("If-Range", t.etag)
		}
	}
	response, err := t.client.Do(request)
	if err != nil {
		return brokenError{t.explainError(ctx, stripURL(err))}
	}
	defer response.Body.Close()
	total, err := t.checkHead(response)
	if err != nil {
		return err
	}
	return t.copyBody(ctx, response.Body, total, cancel)
}

// explainError prefers the reason for which a context ended to the error that followed.
func (t *transfer) explainError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// checkHead checks an answer's head and gives the image's whole size in bytes; 0 when the server does not say.
func (t *transfer) checkHead(response *http.Response) (int64, error) {
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		if t.part.size > 0 { // the server cannot resume, or the bytes changed
			if err := t.restartPart(); err != nil {
				return 0, err
			}
		}
	case code == http.StatusPartialContent && continuesAt(response, t.part.size):
		t.pieced = true
	case t.part.size > 0 && (code == http.StatusPartialContent || code == http.StatusRequestedRangeNotSatisfiable):
		return 0, errStale
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return 0, brokenError{fmt.Errorf("answered %s: it is asked again", response.Status)}
	default:
		return 0, fmt.Errorf("answered %s: fix %s", response.Status, t.ref.field("url"))
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

// continuesAt reports whether a partial answer starts at byte size (RFC 9110, 14.4).
func continuesAt(response *http.Response, size int64) bool {
	return size > 0 && strings.HasPrefix(response.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(size, 10)+"-")
}

func (t *transfer) hasRoom(bytes int64) error {
	free, err := t.store.config.Free(t.store.config.Dir)
	if err != nil {
		return err
	}
	if free < bytes+reserve {
		return brokenError{fmt.Errorf("needs %d MB more, and %d MB are free in %s: make room", (bytes+reserve)>>20,
			free>>20, t.store.config.Dir)}
	}
	return nil
}

// copyBody reads the body. A body that brings no byte for the idle time is cut.
func (t *transfer) copyBody(ctx context.Context, body io.Reader, total int64, cut context.CancelCauseFunc) error {
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
		t.store.recordProgress(t.ref, t.part.size, total)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return brokenError{fmt.Errorf("the transfer broke at byte %d: %w", t.part.size, t.explainError(ctx, err))}
		}
	}
}
