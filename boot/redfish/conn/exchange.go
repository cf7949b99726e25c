package conn

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// request is an HTTP request to the BMC.
type request struct {
	method  string
	path    string // with query; a link out of a document goes through resolveLink first
	body    any    // marshalled to JSON; nil sends none
	ifMatch string
	doing   string // for errors
}

// answer is an HTTP answer, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// credentials of a request; the zero value sends none.
type credentials struct {
	token    string
	username string
	password secret.Value
}

// maxRedirects is how many redirects of a GET are followed, all to the BMC itself.
const maxRedirects = 3

func newHTTP(config Config, trust *tls.Config) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialTLSContext:         dialWithin(config, trust),
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 only
			MaxConnsPerHost:        1,
			MaxIdleConns:           1,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// dialWithin connects within the deadline, TLS included: a BMC that accepts a connection and never answers costs no
// more than an address where nobody listens.
func dialWithin(config Config, trust *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, config.Connect, fmt.Errorf("no connection within %s", config.Connect))
		defer cancel()
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		plain, err := config.Dial(ctx, network, address)
		if err != nil {
			return nil, explainError(ctx, err)
		}
		trust := trust.Clone()
		trust.ServerName = host
		secure := tls.Client(plain, trust)
		if err := secure.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, explainError(ctx, err)
		}
		return secure, nil
	}
}

// explainError prefers the reason for which a context ended to the error that followed.
func explainError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// sendRequest sends a request, follows redirects, retries without a refused encoding, and reads the answer. Any status
// is an answer.
func (c *Conn) sendRequest(ctx context.Context, r request, with credentials) (answer, error) {
	for range maxRedirects {
		began := c.config.Now()
		got, err := c.roundTrip(ctx, r, with)
		c.config.Count(r.method, c.config.Now().Sub(began), err)
		if err != nil {
			return answer{}, err
		}
		switch {
		case got.status == http.StatusNotAcceptable && c.allowCompression():
			continue
		case got.status >= 300 && got.status < 400 && r.method == http.MethodGet && got.header.Get("Location") != "":
			if r.path, err = c.resolveLink(got.header.Get("Location")); err != nil {
				return answer{}, c.protocolError(r.doing, got.status, err)
			}
			continue
		}
		return got, nil
	}
	return answer{}, c.protocolError(r.doing, 0, errors.New("it redirects without end"))
}

// allowCompression records that the BMC wants to compress (HPE answers 406 to identity), and reports whether that was
// unknown.
func (c *Conn) allowCompression() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := !c.compressed
	c.compressed = true
	return news
}

// roundTrip waits for the BMC's lane and makes one round trip within the deadlines.
func (c *Conn) roundTrip(ctx context.Context, r request, with credentials) (answer, error) {
	leave, err := enterLane(ctx, c.base.Host)
	if err != nil {
		return answer{},
			c.unreachableError(r.doing, fmt.Errorf("another request to this BMC is still running: %w", err))
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, c.config.Request)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	client := c.takeHTTP()
	defer c.leaveHTTP()
	outgoing, err := c.buildRequest(ctx, r, with)
	if err != nil {
		return answer{}, c.protocolError(r.doing, 0, err)
	}
	response, err := c.awaitHead(client, outgoing, giveUp)
	if err != nil {
		return answer{}, c.transportError(r.doing, explainError(ctx, err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxBody+1))
	if err != nil && response.StatusCode < 300 { // the status line of a refusal decides, also without its document
		return answer{}, c.unreachableError(r.doing, fmt.Errorf("the answer broke off: %w", err))
	}
	if len(body) > MaxBody && response.StatusCode < 300 {
		return answer{},
			c.protocolError(r.doing, response.StatusCode, fmt.Errorf("it is larger than %d MiB", MaxBody>>20))
	}
	return answer{status: response.StatusCode, header: response.Header, body: body}, nil
}

// awaitHead sends a request and waits for the head of the answer; for the answer to a GET no longer than Config.Answer.
func (c *Conn) awaitHead(client *http.Client, outgoing *http.Request, giveUp context.CancelCauseFunc) (*http.Response,
	error) {
	if outgoing.Method == http.MethodGet {
		late := fmt.Errorf("no answer within %s", c.config.Answer)
		first := time.AfterFunc(c.config.Answer, func() { giveUp(late) })
		defer first.Stop()
	}
	return client.Do(outgoing)
}

func (c *Conn) buildRequest(ctx context.Context, r request, with credentials) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	outgoing, err := http.NewRequestWithContext(ctx, r.method, c.base.String()+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	header := outgoing.Header
	header.Set("OData-Version", "4.0")
	header.Set("Accept", "application/json")
	header.Set("User-Agent", "ingot")
	c.mu.Lock()
	if !c.compressed {
		header.Set("Accept-Encoding", "identity") // keeps ETags strong
	}
	c.mu.Unlock()
	if r.body != nil {
		header.Set("Content-Type", "application/json")
	}
	if r.ifMatch != "" {
		header.Set("If-Match", r.ifMatch)
	}
	switch {
	case with.token != "":
		header.Set("X-Auth-Token", with.token)
	case with.username != "":
		outgoing.SetBasicAuth(with.username, with.password.Reveal())
	}
	return outgoing, nil
}

// resolveLink turns a link of a document into a path with query on the BMC. A link to a different host is refused.
func (c *Conn) resolveLink(link string) (string, error) {
	at, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("the link %q is no URL", c.scrubText(link))
	}
	if at.Host != "" || at.Scheme != "" || at.User != nil {
		if at.Scheme != c.base.Scheme || !strings.EqualFold(at.Host, c.base.Host) || at.User != nil {
			return "", fmt.Errorf("the link %q leads away from the BMC", c.scrubText(link))
		}
	}
	if !strings.HasPrefix(at.Path, "/") {
		return "", fmt.Errorf("the link %q is no absolute path", c.scrubText(link))
	}
	at.Scheme, at.Host, at.Fragment = "", "", ""
	return at.RequestURI(), nil
}

func (c *Conn) transportError(doing string, err error) *Error {
	// url.Error repeats the whole URL; the cause says enough.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if trouble := certificateHint(err); trouble != "" {
		e := c.protocolError(doing, 0, err)
		e.Hint, e.Certificate = trouble, shownCertificate(err)
		return e
	}
	return c.unreachableError(doing, err)
}

func (c *Conn) unreachableError(doing string, err error) *Error {
	return &Error{
		Kind: Unreachable, Doing: doing, Host: c.base.Host, Detail: c.scrubText(err.Error()), Temporary: true,
		cause: err,
		Hint:  "check that the address is right, that the BMC is on the network and that its HTTPS service is enabled",
	}
}

func (c *Conn) protocolError(doing string, status int, err error) *Error {
	return &Error{
		Kind: Protocol, Doing: doing, Host: c.base.Host, Status: status, Detail: c.scrubText(err.Error()), cause: err,
		Hint: "check that spec.bmc.address is the Redfish service of a BMC, with `ingot bmc check`",
	}
}
