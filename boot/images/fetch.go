package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tries is how often a broken transfer is taken up where it stopped.
const tries = 5

// newHTTP makes a client that follows at most five redirects, never from https to http, and dials no address that is not meant.
func newHTTP(c Config) *http.Client {
	dialer := &net.Dialer{Timeout: 15 * time.Second, Control: func(_, address string, _ syscall.RawConn) error { return c.dialable(address) }}
	return &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 20 * time.Second, ResponseHeaderTimeout: time.Minute, DisableCompression: true},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			switch {
			case len(via) >= 5:
				return errors.New("more than five redirects")
			case via[0].URL.Scheme == "https" && request.URL.Scheme != "https":
				return errors.New("a redirect from https to http")
			default:
				return c.allowed(request.URL)
			}
		},
	}
}

// allowed checks a URL's host by name, before it is looked up.
func (c Config) allowed(u *url.URL) error {
	if len(c.AllowHosts) > 0 && !slices.Contains(c.AllowHosts, u.Host) && !slices.Contains(c.AllowHosts, u.Hostname()) {
		return fmt.Errorf("host %s is not in the daemon's images.allowHosts", u.Host)
	}
	return nil
}

// dialable checks the address behind a name: never link-local (cloud metadata lives there), loopback only when its host is allowed by name.
func (c Config) dialable(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("address %s is not one that images come from", ip)
	}
	if ip.IsLoopback() && !slices.Contains(c.AllowHosts, at.String()) && !slices.Contains(c.AllowHosts, ip.String()) && !slices.Contains(c.AllowHosts, "localhost") {
		return fmt.Errorf("loopback address %s is not in the daemon's images.allowHosts", ip)
	}
	return nil
}

// fetch brings an image into the mirror: written beside, verified, synced, renamed.
func (s *Store) fetch(ctx context.Context, ref Ref) error {
	if !isDigest(ref.SHA256) {
		return fmt.Errorf("image %s: %q is not a sha256", ref.URL, ref.SHA256)
	}
	if _, err := os.Stat(s.path(ref.SHA256)); err == nil {
		return nil
	}
	u, err := url.Parse(ref.URL)
	if err != nil {
		return fmt.Errorf("image URL %q: %w", ref.URL, err)
	}
	part, err := os.CreateTemp(s.config.Dir, "part-")
	if err != nil {
		return fmt.Errorf("write into the image mirror: %w", err)
	}
	defer os.Remove(part.Name())
	defer part.Close()
	sum := sha256.New()
	if u.Scheme == "" && u.Host == "" {
		err = s.copyLocal(part, sum, ref)
	} else {
		err = s.download(ctx, u, ref, part, sum)
	}
	if err != nil {
		return err
	}
	if have := hex.EncodeToString(sum.Sum(nil)); have != ref.SHA256 {
		return fmt.Errorf("the sha256 of image %s is %s, the fleet says %s: fix spec.install.image.sha256, or find out who changed the image", ref.URL, have, ref.SHA256)
	}
	if err := part.Sync(); err != nil {
		return fmt.Errorf("write into the image mirror: %w", err)
	}
	return os.Rename(part.Name(), s.path(ref.SHA256))
}

// copyLocal takes a file that an operator put into the mirror.
func (s *Store) copyLocal(w io.Writer, sum hash.Hash, ref Ref) error {
	if !filepath.IsLocal(ref.URL) {
		return fmt.Errorf("image %q is not a path in the mirror", ref.URL)
	}
	root, err := os.OpenRoot(s.config.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	file, err := root.Open(ref.URL)
	if err != nil {
		return fmt.Errorf("image %s in the mirror: %w", ref.URL, err)
	}
	defer file.Close()
	_, err = io.Copy(io.MultiWriter(w, sum), io.LimitReader(file, s.config.MaxSize))
	return err
}

// download fetches with resumption: a broken transfer goes on where it stopped, if the server still has the same bytes.
func (s *Store) download(ctx context.Context, u *url.URL, ref Ref, w io.Writer, sum hash.Hash) error {
	if u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("image URL %s: scheme %q is not read", ref.URL, u.Scheme)
	}
	if err := s.config.allowed(u); err != nil {
		return fmt.Errorf("image URL %s: %w", ref.URL, err)
	}
	t := transfer{store: s, ref: ref, out: io.MultiWriter(w, sum)}
	var err error
	for range tries {
		if err = t.run(ctx); err == nil || ctx.Err() != nil || errors.As(err, new(finalError)) {
			return err
		}
	}
	return fmt.Errorf("image URL %s: %w", ref.URL, err)
}

// finalError is one that trying again does not mend.
type finalError struct{ error }

// transfer is one download over several requests.
type transfer struct {
	store *Store
	ref   Ref
	out   io.Writer
	done  int64
	etag  string
}

func (t *transfer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.ref.URL, http.NoBody)
	if err != nil {
		return finalError{err}
	}
	if t.done > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.done))
		if t.etag != "" {
			request.Header.Set("If-Range", t.etag)
		}
	}
	response, err := t.store.client.Do(request)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer response.Body.Close()
	total, err := t.begin(response)
	if err != nil {
		return err
	}
	return t.copy(response.Body, total, cancel)
}

// begin checks the answer's head and gives the whole size, 0 when it is not said.
func (t *transfer) begin(response *http.Response) (int64, error) {
	switch {
	case response.StatusCode == http.StatusOK && t.done > 0:
		return 0, finalError{fmt.Errorf("image URL %s: the transfer broke, and the server cannot resume it", t.ref.URL)}
	case response.StatusCode == http.StatusOK, response.StatusCode == http.StatusPartialContent && t.done > 0:
	case response.StatusCode >= 500:
		return 0, fmt.Errorf("the server answers %s", response.Status)
	default:
		return 0, finalError{fmt.Errorf("image URL %s: the server answers %s: fix spec.install.image.url", t.ref.URL, response.Status)}
	}
	if etag := response.Header.Get("ETag"); !strings.HasPrefix(etag, "W/") {
		t.etag = etag
	}
	total := int64(0)
	if response.ContentLength > 0 {
		total = t.done + response.ContentLength
	}
	if total > t.store.config.MaxSize {
		return 0, finalError{fmt.Errorf("image URL %s: %d bytes, at most %d are fetched", t.ref.URL, total, t.store.config.MaxSize)}
	}
	return total, nil
}

// copy reads the body; a body that gives nothing for the idle time is cut.
func (t *transfer) copy(body io.Reader, total int64, cut func()) error {
	idle := time.AfterFunc(t.store.config.Idle, cut)
	defer idle.Stop()
	buffer := make([]byte, 1<<20)
	for {
		n, err := body.Read(buffer)
		idle.Reset(t.store.config.Idle)
		if n > 0 {
			if t.done += int64(n); t.done > t.store.config.MaxSize {
				return finalError{fmt.Errorf("image URL %s: more than %d bytes", t.ref.URL, t.store.config.MaxSize)}
			}
			if _, err := t.out.Write(buffer[:n]); err != nil {
				return finalError{fmt.Errorf("write into the image mirror: %w", err)}
			}
			t.store.progress(t.ref, t.done, total)
		}
		switch {
		case errors.Is(err, io.EOF) && (total == 0 || t.done == total):
			return nil
		case err != nil:
			return fmt.Errorf("the transfer broke at byte %d: %w", t.done, err)
		}
	}
}
