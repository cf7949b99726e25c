package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// Answers of the daemon that the agent acts on.
var (
	errGone    = errors.New("the job was withdrawn")
	errFacts   = errors.New("the daemon asks for the hardware again")
	errMissing = errors.New("the daemon does not have it, it may have been restarted")
	errRefused = errors.New("the daemon does not let this agent in: its boot was replaced, or its certificate has " +
		"ended")
)

// Deadlines of a connection.
const (
	dialTimeout = 15 * time.Second
	tlsTimeout  = 20 * time.Second
	stall       = 60 * time.Second // without a byte of an image: the transfer is cut, and resumed
)

// client speaks to the daemon. A client trusts only the pinned key, and shows the certificate from enrolment on.
type client struct {
	boot               wire.BootConfig
	now                func() time.Time
	started            time.Time
	key                *ecdsa.PrivateKey
	csr                []byte
	withoutCertificate *http.Client                // for enrolment
	withCertificate    atomic.Pointer[http.Client] // nil before enrolment
	answeredURL        atomic.Int64                // index into boot.URLs of the URL that answered last
}

func newClient(c Config, key *ecdsa.PrivateKey) (*client, error) {
	if len(c.Boot.URLs) == 0 || len(c.Boot.Pins) == 0 {
		return nil, errors.New("the boot medium names no daemon: it was not made for this boot")
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: c.Boot.Host}}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	cl := &client{boot: c.Boot, now: c.Now, started: c.Now(), key: key, csr: csr}
	cl.withoutCertificate = cl.newHTTPClient(tls.Certificate{})
	return cl, nil
}

// newHTTPClient makes an HTTP client that shows a certificate. The client uses no proxy, no authority of the system,
// and follows no redirect.
func (c *client) newHTTPClient(certificate tls.Certificate) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig: &tls.Config{
				MinVersion:         tls.VersionTLS13,
				InsecureSkipVerify: true, // VerifyConnection trusts the pins of the boot medium only
				VerifyConnection:   c.verifyDaemon,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &certificate, nil
				},
			},
			TLSHandshakeTimeout:   tlsTimeout,
			ResponseHeaderTimeout: wire.PollWait + 20*time.Second,
			IdleConnTimeout:       2 * wire.PollWait,
			ExpectContinueTimeout: 5 * time.Second, // of uploads
			MaxIdleConnsPerHost:   4,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) closeConnections() {
	c.withoutCertificate.CloseIdleConnections()
	if members := c.withCertificate.Load(); members != nil {
		members.CloseIdleConnections()
	}
}

func (c *client) verifyDaemon(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the daemon showed no certificate")
	}
	leaf := state.PeerCertificates[0]
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if !slices.Contains(c.boot.Pins, base64.StdEncoding.EncodeToString(sum[:])) {
		return errors.New("the daemon's key is not the one on the boot medium: something answers in its place, or " +
			"its identity changed")
	}
	if c.readClock().After(leaf.NotAfter) {
		return fmt.Errorf("the daemon's certificate ended %s", leaf.NotAfter)
	}
	return nil
}

// readClock is the machine's clock, but never earlier than the boot medium's time: a machine without a battery starts
// in 1970.
func (c *client) readClock() time.Time {
	now := c.now()
	if earliest := c.boot.Time.Add(now.Sub(c.started)); now.Before(earliest) {
		return earliest
	}
	return now
}

// tradeToken trades the token for a certificate. A repeated call gives the same certificate, or a new certificate after
// the end of the first.
func (c *client) tradeToken(ctx context.Context) error {
	var answer wire.Enrolled
	err := c.postWith(ctx, c.withoutCertificate, wire.PathEnrol, wire.Enrol{
		Version: wire.Version, Host: c.boot.Host, Boot: c.boot.Boot, Epoch: c.boot.Epoch, Token: c.boot.Token,
		CSR: c.csr,
	}, &answer)
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return c.keepCertificate(answer.Certificate)
}

// postQuestion posts a question for leave once, and reports whether the daemon answered with leave.
func (c *client) postQuestion(ctx context.Context, path string, in wire.LeaveQuestion) (given bool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", path, err)
	}
	response, err := c.sendRequest(ctx, c.withCertificate.Load(), path, func(url string) (*http.Request, error) {
		return newPost(ctx, url, body)
	})
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK, nil
}

func newPost(ctx context.Context, url string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
}

// postMessage sends a message as an enrolled agent and reads the answer into out, which may be nil. An answer 204 does
// not change out.
func (c *client) postMessage(ctx context.Context, path string, in, out any) error {
	return c.postWith(ctx, c.withCertificate.Load(), path, in, out)
}

func (c *client) postWith(ctx context.Context, over *http.Client, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, wire.CallTimeout)
	defer cancel()
	response, err := c.sendRequest(ctx, over, path, func(url string) (*http.Request, error) {
		return newPost(ctx, url, body)
	})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, wire.MaxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer to %s: %w", path, err)
	case len(answer) > wire.MaxBody:
		return describeUnreadable(response, fmt.Errorf("the answer to %s is larger than %d bytes", path, wire.MaxBody))
	case response.StatusCode == http.StatusNoContent || out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return describeUnreadable(response, fmt.Errorf("decode the answer to %s: %w", path, err))
	}
	return nil
}

// errUnreadable is a complete answer with a job that this agent cannot read. The daemon would repeat the answer.
type errUnreadable struct {
	job wire.Job // ID and Attempt only
	err error
}

func (e errUnreadable) Error() string { return e.err.Error() }
func (e errUnreadable) Unwrap() error { return e.err }

// describeUnreadable adds the job that the headers of an answer name.
func describeUnreadable(response *http.Response, err error) error {
	id := response.Header.Get(wire.HeaderJob)
	attempt, bad := strconv.Atoi(response.Header.Get(wire.HeaderAttempt))
	if id == "" || bad != nil {
		return err
	}
	return errUnreadable{wire.Job{ID: id, Attempt: attempt}, err}
}

// sendRequest tries the daemon's URLs in turn, beginning with the URL that answered last. Only a success is returned.
func (c *client) sendRequest(ctx context.Context, over *http.Client, path string,
	request func(url string) (*http.Request, error)) (*http.Response, error) {
	var failures []error
	first := int(c.answeredURL.Load())
	for i := range c.boot.URLs {
		index := (first + i) % len(c.boot.URLs)
		next, err := request(strings.TrimRight(c.boot.URLs[index], "/") + path)
		if err != nil {
			return nil, fmt.Errorf("the boot medium names a daemon that is no URL: %w", err)
		}
		response, err := over.Do(next)
		switch {
		case err == nil:
			c.answeredURL.Store(int64(index))
			return response, checkAnswer(response)
		case ctx.Err() != nil:
			return nil, err
		case isAlert(err):
			err = fmt.Errorf("%w (%w)", errRefused, err)
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// isAlert reports whether the daemon ended the TLS handshake, as the daemon does for an ended certificate.
func isAlert(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "remote error" // crypto/tls has a type for alerts only in QUIC
}

// checkAnswer turns a failure answer into an error, and closes the body of the answer.
func checkAnswer(response *http.Response) error {
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	switch response.StatusCode {
	case http.StatusGone:
		return fmt.Errorf("%w: %s", errGone, strings.TrimSpace(string(text)))
	case http.StatusPreconditionRequired:
		return errFacts
	case http.StatusUnauthorized:
		return errRefused
	case http.StatusNotFound:
		return errMissing
	case http.StatusRequestEntityTooLarge, http.StatusBadRequest:
		return fmt.Errorf("%w: %s", errOverLimit, strings.TrimSpace(string(text)))
	}
	return fmt.Errorf("the daemon answers %d %s", response.StatusCode, strings.TrimSpace(string(text)))
}

// openImage opens an image's bytes from offset on. The caller closes the body; a stalled transfer fails.
func (c *client) openImage(ctx context.Context, sha string, offset int64) (io.ReadCloser, error) {
	return c.openFile(ctx, wire.PathImages+sha, offset)
}

// openFile opens the bytes under a path from offset on. The caller closes the body; a stalled transfer fails.
func (c *client) openFile(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	want := http.StatusOK
	response, err := c.sendRequest(ctx, c.withCertificate.Load(), path,
		func(url string) (*http.Request, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err == nil && offset > 0 {
				want = http.StatusPartialContent
				request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
			}
			return request, err
		})
	if err != nil {
		cancel()
		return nil, err
	}
	if response.StatusCode != want {
		response.Body.Close()
		cancel()
		return nil, fmt.Errorf("the daemon answers %d for bytes from %d on", response.StatusCode, offset)
	}
	return watchBody(response.Body, cancel), nil
}

// watchBody gives a body that calls cancel when a read gets no byte for the time stall.
func watchBody(body io.ReadCloser, cancel context.CancelFunc) *watchedBody {
	return &watchedBody{body: body, timer: time.AfterFunc(stall, cancel), cancel: cancel}
}

// watchedBody is a body with a deadline for every read.
type watchedBody struct {
	body   io.ReadCloser
	timer  *time.Timer
	cancel context.CancelFunc
}

func (w *watchedBody) Read(p []byte) (int, error) {
	w.timer.Reset(stall)
	n, err := w.body.Read(p)
	w.timer.Stop() // a disk may be slow: only the daemon is timed
	return n, err
}

func (w *watchedBody) Close() error {
	w.timer.Stop()
	w.cancel()
	return w.body.Close()
}
