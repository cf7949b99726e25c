package conn

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// errPin means that the BMC showed another certificate than the pinned one.
var errPin = errors.New("the BMC shows another certificate than the pinned one")

var fingerprintForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// trust is the TLS configuration for what the Config says of certificates.
func (c *Conn) trust() (*tls.Config, error) {
	set := c.config.TLS
	config := &tls.Config{MinVersion: tls.VersionTLS12, VerifyConnection: c.note}
	switch {
	case set.Fingerprint != "" && set.CA != "", set.FirstUse && set.Fingerprint+set.CA != "":
		return nil, errors.New("open bmc: set one of fingerprint, ca and first use, not several")
	case set.Fingerprint != "":
		want := strings.ToLower(set.Fingerprint)
		if !fingerprintForm.MatchString(want) {
			return nil, fmt.Errorf("open bmc: the fingerprint %q must be sha256: and 64 hex digits; `ingot bmc check` prints it", set.Fingerprint)
		}
		config.InsecureSkipVerify = true // the pin below replaces the chain
		config.VerifyConnection = c.pinned(want)
	case set.CA != "":
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(set.CA)) {
			return nil, errors.New("open bmc: tls.ca holds no PEM certificate")
		}
	case set.FirstUse:
		config.InsecureSkipVerify = true // the first certificate becomes the pin
		config.VerifyConnection = c.firstUse
	}
	return config, nil
}

func fingerprint(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// note remembers which certificate was shown.
func (c *Conn) note(state tls.ConnectionState) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fingerprint = fingerprint(state.PeerCertificates[0])
	return nil
}

func (c *Conn) pinned(want string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		got := fingerprint(state.PeerCertificates[0])
		if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			return fmt.Errorf("%w: it shows %s, pinned is %s", errPin, got, want)
		}
		return c.note(state)
	}
}

func (c *Conn) firstUse(state tls.ConnectionState) error {
	if known := c.Fingerprint(); known != "" {
		return c.pinned(known)(state)
	}
	return c.note(state)
}

// certificateTrouble says what to do when the error is about the BMC's certificate, and "" otherwise.
func certificateTrouble(err error) string {
	if errors.Is(err, errPin) {
		return "if the BMC's certificate was renewed, put the new fingerprint into spec.bmc.tls.fingerprint; if not, somebody stands between"
	}
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0 {
		return "put the fingerprint " + fingerprint(unverified.UnverifiedCertificates[0]) +
			" into spec.bmc.tls.fingerprint once you have compared it with the BMC's own, or its authority into spec.bmc.tls.ca"
	}
	return ""
}
