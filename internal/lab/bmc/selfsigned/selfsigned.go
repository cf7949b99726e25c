// Package selfsigned makes certificates like those of factory-fresh BMCs: a leaf certificate signed by itself.
package selfsigned

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// sharedKey signs every certificate of the process: a hundred BMCs cost a single key.
var sharedKey = sync.OnceValues(func() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
})

// Certificate is a self-signed certificate for loopback, made at the first call and kept from then on. The zero value
// is ready to use.
type Certificate struct {
	mu     sync.Mutex
	made   bool
	leaf   tls.Certificate
	err    error
	config *tls.Config // of the server; nil before Serve
	conns  map[net.Conn]bool
}

// GetLeaf returns the certificate, valid for a year from the first call's now.
func (c *Certificate) GetLeaf(now time.Time) (tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.made {
		c.leaf, c.err = makeLeaf(now)
		c.made = true
	}
	return c.leaf, c.err
}

// Renew makes another certificate, and ends all connections: no client can go on with a connection or a session of before.
func (c *Certificate) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = false
	if c.config == nil {
		return
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	c.config.SetSessionTicketKeys([][32]byte{key})
	for conn := range c.conns {
		_ = conn.Close()
	}
}

// noteConn keeps the open connections.
func (c *Certificate) noteConn(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.conns[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.conns, conn)
	case http.StateActive, http.StateIdle:
	}
}

// Fingerprint is "sha256:<hex>" of the certificate's DER.
func (c *Certificate) Fingerprint(now time.Time) (string, error) {
	leaf, err := c.GetLeaf(now)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(leaf.Certificate[0])
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Serve answers HTTPS on the listener with the certificate until ctx ends, then closes the listener and all
// connections.
func (c *Certificate) Serve(ctx context.Context, listener net.Listener, handler http.Handler, now time.Time) error {
	if _, err := c.GetLeaf(now); err != nil {
		return err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		leaf, err := c.GetLeaf(now)
		return &leaf, err
	}}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that refuse the certificate are expected
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         c.noteConn,
	}
	c.mu.Lock()
	c.config, c.conns = config, map[net.Conn]bool{}
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(tls.NewListener(listener, config)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve a virtual bmc on %s: %w", listener.Addr(), err)
	}
	return nil
}

func makeLeaf(now time.Time) (tls.Certificate, error) {
	key, err := sharedKey()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the key of a virtual bmc: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate serial: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "ingot lab BMC"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sign the certificate of a virtual bmc: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
