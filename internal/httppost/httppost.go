// Package httppost sends requests to servers of other people: webhook receivers and forges. Make a Client with New and
// call Post; the Answer says whether the server took the request, and when to try again. A server that is slow, talks
// without end, or sends the request elsewhere costs a bounded time and a bounded memory.
//
// URL and headers are secrets: no error and no answer has them. A redirect is not followed: its target would get them.
package httppost

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// Bounds of a request.
const (
	DefaultTimeout = 15 * time.Second
	maxAnswer      = 4 << 10  // bytes of an answer that are read
	maxHead        = 64 << 10 // bytes of its header
	maxQuoted      = 200      // characters of an answer in an error
)

// Config configures a Client.
type Config struct {
	// CA is PEM of further authorities that may sign the server's certificate.
	CA      []byte
	Timeout time.Duration // of a request, with its answer; default DefaultTimeout
	// Mask hides known secrets in what a server says, before it is cut. Default: as said.
	Mask func(string) string
}

// Client sends requests. Safe for concurrent use.
type Client struct {
	http *http.Client
	mask func(string) string
}

// Request is one request with a JSON body.
type Request struct {
	Method string // default POST
	URL    secret.Value
	Header map[string]secret.Value // besides Content-Type and User-Agent
	Body   []byte
	// Most is the most bytes of the answer's body that are kept, of a server that took the request; an answer with more
	// is an error. Default: no byte is kept.
	Most int64
}

// Answer is what became of a request.
type Answer struct {
	// Err is nil if the server took the request: a status of 200 to 299.
	Err error
	// Status is the HTTP status; 0 without an answer.
	Status int
	// Body is what the server said after it took the request, where Request.Most asks for it.
	Body []byte
	// Down says that the server takes nothing now, whatever the request: no answer, its own failure, or a rate limit.
	Down bool
	// RetryAfter is how long the server asks to wait; 0 without a word.
	RetryAfter time.Duration
	// Said is the beginning of the server's words after a refusal, masked, in one line.
	Said string
}

// New makes a client. It uses the proxy of the environment, as the fetch of the fleet does.
func New(c Config) (*Client, error) {
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("the file holds no certificate in PEM")
		}
		security.RootCAs = pool
	}
	client := &Client{mask: c.Mask, http: &http.Client{
		Timeout:       cmp.Or(c.Timeout, DefaultTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: security, ForceAttemptHTTP2: true,
			DialContext: (&net.Dialer{Timeout: c.Timeout}).DialContext, MaxResponseHeaderBytes: maxHead,
			MaxIdleConns: 2, IdleConnTimeout: time.Minute},
	}}
	if client.mask == nil {
		client.mask = func(text string) string { return text }
	}
	return client, nil
}

// Post sends a request, once.
func (c *Client) Post(ctx context.Context, r Request) Answer {
	request, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodPost), r.URL.Reveal(), bytes.NewReader(r.Body))
	if err != nil {
		return Answer{Err: errors.New("the URL cannot be used: write one that begins with https://")}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "ingot")
	for name, value := range r.Header {
		request.Header.Set(name, value.Reveal())
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{Down: true, Err: fmt.Errorf("%s does not answer: %s", request.URL.Host, c.mask(describe(err)))}
	}
	defer response.Body.Close()
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		if r.Most > 0 {
			return c.keepBody(response, r.Most)
		}
		// what a server says after it took the request changes nothing; a short answer keeps the connection
		_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
		return Answer{Status: response.StatusCode}
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // as far as it came
	return c.explain(response, string(said), time.Now())
}

// keepBody reads the body of an answer.
func (c *Client) keepBody(response *http.Response, most int64) Answer {
	a := Answer{Status: response.StatusCode}
	var err error
	if a.Body, err = io.ReadAll(io.LimitReader(response.Body, most+1)); err != nil {
		a.Down, a.Err = true, fmt.Errorf("%s does not end its answer: %s", response.Request.URL.Host, c.mask(describe(err)))
	} else if int64(len(a.Body)) > most {
		a.Err = fmt.Errorf("%s answers with more than %d bytes", response.Request.URL.Host, most)
	}
	return a
}

// explain says why a server did not take a request, and what that means for the next one.
func (c *Client) explain(response *http.Response, said string, now time.Time) Answer {
	code := response.StatusCode
	a := Answer{Status: code, RetryAfter: ReadRetryAfter(response.Header, now),
		Said: cut(strings.ToValidUTF8(strings.Join(strings.Fields(c.mask(said)), " "), "?"))}
	a.Down = IsLimited(code, response.Header) || code >= 500 || code == http.StatusRequestTimeout
	host := response.Request.URL.Host
	switch target := response.Header.Get("Location"); {
	case code >= 300 && code < 400 && target != "":
		elsewhere := "another place"
		if u, err := response.Request.URL.Parse(target); err == nil {
			elsewhere = u.Host
		}
		a.Err = fmt.Errorf("%s answers %s, a redirect to %s that is not followed: write the new URL", host,
			response.Status, c.mask(elsewhere))
	case a.Said != "":
		a.Err = fmt.Errorf("%s answers %s: %s", host, response.Status, a.Said)
	default:
		a.Err = fmt.Errorf("%s answers %s", host, response.Status)
	}
	return a
}

// describe gives the cause of an error of net/http without the URL, which may be secret.
func describe(err error) string {
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		if outer.Timeout() {
			return "it took too long"
		}
		err = outer.Err
	}
	return cut(strings.Join(strings.Fields(err.Error()), " "))
}

func cut(text string) string {
	if runes := []rune(text); len(runes) > maxQuoted {
		return string(runes[:maxQuoted]) + "…"
	}
	return text
}

// ReadRetryAfter reads how long a server asks to wait: Retry-After in seconds or as a date (RFC 9110, 10.2.3), or,
// where no request is left, the reset of the limit: X-RateLimit-Reset as GitHub has it, or RateLimit-Reset as GitLab has
// it, both in seconds since 1970, or in seconds from now as others have it.
func ReadRetryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	for _, prefix := range limitPrefixes {
		if strings.TrimSpace(header.Get(prefix+"Remaining")) != "0" {
			continue
		}
		at, err := strconv.ParseInt(strings.TrimSpace(header.Get(prefix+"Reset")), 10, 64)
		switch {
		case err != nil || at < 0:
		case at < oldestReset:
			return time.Duration(at) * time.Second
		default:
			return max(0, time.Unix(at, 0).Sub(now))
		}
	}
	return 0
}

// limitPrefixes begin the names of the headers of a limit: of GitHub, Azure DevOps and others, and of GitLab.
var limitPrefixes = []string{"X-Ratelimit-", "Ratelimit-"}

// oldestReset is the earliest time, in seconds since 1970, that is no number of seconds from now: 2001.
const oldestReset = 1_000_000_000

// IsLimited reports whether a server answers that it takes no request for now, and not that it forbids the request: too
// many requests, or, as GitHub has it, Forbidden with a word about the limit.
func IsLimited(code int, header http.Header) bool {
	none := func(prefix string) bool { return strings.TrimSpace(header.Get(prefix+"Remaining")) == "0" }
	return code == http.StatusTooManyRequests ||
		code == http.StatusForbidden && (header.Get("Retry-After") != "" || slices.ContainsFunc(limitPrefixes, none))
}
