package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
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
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// errGone is the answer that a job was withdrawn.
var errGone = errors.New("the job was withdrawn")

// errFacts is the answer that the daemon lost what it knew of the machine.
var errFacts = errors.New("the daemon asks for the hardware again")

// client speaks to the daemon. Its key is made at the start and never leaves RAM.
type client struct {
	boot        wire.BootConfig
	now         func() time.Time
	key         *ecdsa.PrivateKey
	csr         []byte
	http        *http.Client
	certificate atomic.Pointer[tls.Certificate]
	url         atomic.Int64 // index into boot.URLs of the one that answered last
}

func newClient(c Config) (*client, error) {
	if len(c.Boot.URLs) == 0 || len(c.Boot.Pins) == 0 {
		return nil, errors.New("the boot medium names no daemon: it was not made for this boot")
	}
	key, err := loadKey(c.KeyFile)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: c.Boot.Host}}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	cl := &client{boot: c.Boot, now: c.Now, key: key, csr: csr}
	cl.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                 nil, // never by way of an environment variable
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSClientConfig:       cl.tls(),
			TLSHandshakeTimeout:   20 * time.Second,
			ResponseHeaderTimeout: wire.PollWait + 20*time.Second,
			MaxIdleConnsPerHost:   4,
			ForceAttemptHTTP2:     false,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return cl, nil
}

// loadKey reads the key that an agent of this boot made before, or makes one.
func loadKey(file string) (*ecdsa.PrivateKey, error) {
	if file != "" {
		if der, err := os.ReadFile(file); err == nil {
			if key, err := x509.ParseECPrivateKey(der); err == nil {
				return key, nil
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil || file == "" {
		return key, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if err := os.WriteFile(file, der, 0o600); err != nil {
		return nil, fmt.Errorf("keep the key: %w", err)
	}
	return key, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// tls trusts the pinned key and nothing else: neither authorities nor names.
func (c *client) tls() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // replaced by VerifyConnection, which trusts the pins of the boot medium only
		VerifyConnection:   c.verify,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certificate := c.certificate.Load(); certificate != nil {
				return certificate, nil
			}
			return &tls.Certificate{}, nil
		},
	}
}

func (c *client) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the daemon showed no certificate")
	}
	leaf := state.PeerCertificates[0]
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if !slices.Contains(c.boot.Pins, base64.StdEncoding.EncodeToString(sum[:])) {
		return errors.New("the daemon's key is not the one on the boot medium: something answers in its place, or its identity changed")
	}
	// A machine without a battery starts in 1970: the medium's own time is a lower bound.
	now := c.now()
	if now.Before(c.boot.Time) {
		now = c.boot.Time
	}
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the daemon's certificate ended %s", leaf.NotAfter)
	}
	return nil
}

func (c *client) enrol(ctx context.Context) error {
	var answer wire.Enrolled
	err := c.post(ctx, wire.PathEnrol, wire.Enrol{
		Version: wire.Version, Host: c.boot.Host, Boot: c.boot.Boot, Epoch: c.boot.Epoch, Token: c.boot.Token, CSR: c.csr,
	}, &answer)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		return fmt.Errorf("the daemon's answer holds no certificate: %w", err)
	}
	c.certificate.Store(&tls.Certificate{Certificate: [][]byte{answer.Certificate}, PrivateKey: c.key, Leaf: leaf})
	c.http.CloseIdleConnections() // connections made without the certificate
	return nil
}

// post sends a message and reads the answer into out, which may be nil. 204 leaves out as it is.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, wire.CallTimeout)
	defer cancel()
	response, err := c.send(ctx, http.MethodPost, path, body, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, wire.MaxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer to %s: %w", path, err)
	case len(answer) > wire.MaxBody:
		return fmt.Errorf("the answer to %s is larger than %d bytes", path, wire.MaxBody)
	case response.StatusCode == http.StatusNoContent || out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode the answer to %s: %w", path, err)
	}
	return nil
}

// send tries the daemon's URLs in turn, beginning with the one that answered last.
func (c *client) send(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
	var failures []error
	first := int(c.url.Load())
	for i := range c.boot.URLs {
		index := (first + i) % len(c.boot.URLs)
		request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.boot.URLs[index], "/")+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		for name, values := range header {
			request.Header[name] = values
		}
		if body != nil {
			request.Header.Set("Content-Type", "application/json")
		}
		response, err := c.http.Do(request)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		c.url.Store(int64(index))
		return response, check(response)
	}
	return nil, errors.Join(failures...)
}

// check turns an answer that is no success into an error and closes its body.
func check(response *http.Response) error {
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	switch response.StatusCode {
	case http.StatusGone:
		return errGone
	case http.StatusPreconditionRequired:
		return errFacts
	}
	return fmt.Errorf("the daemon answers %d %s", response.StatusCode, strings.TrimSpace(string(text)))
}

// Image implements Session.
func (c *client) image(ctx context.Context, sha string, offset int64) (io.ReadCloser, error) {
	header := http.Header{}
	want := http.StatusOK
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		want = http.StatusPartialContent
	}
	response, err := c.send(ctx, http.MethodGet, wire.PathImages+sha, nil, header)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != want {
		response.Body.Close()
		return nil, fmt.Errorf("the daemon answers %d for the image from byte %d", response.StatusCode, offset)
	}
	return response.Body, nil
}
