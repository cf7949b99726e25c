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

// errPin means that the BMC's certificate is not the pinned certificate.
var errPin = errors.New("the BMC shows another certificate than the pinned one")

// pinError is errPin with the fingerprint that the BMC shows.
type pinError struct{ shown, pinned string }

// Error implements error.
func (e pinError) Error() string {
	return fmt.Sprintf("%s: it shows %s, pinned is %s", errPin, e.shown, e.pinned)
}

// Unwrap has errors.Is find errPin.
func (pinError) Unwrap() error { return errPin }

var fingerprintForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// tlsConfig is the TLS configuration for Config.TLS.
func (c *Conn) tlsConfig() (*tls.Config, error) {
	set := c.config.TLS
	config := &tls.Config{MinVersion: tls.VersionTLS12, VerifyConnection: c.recordCertificate,
		ClientSessionCache: &tlsSession{}}
	switch {
	case set.Fingerprint != "" && set.CA != "", set.FirstUse && set.Fingerprint+set.CA != "":
		return nil, errors.New("open bmc: set one of fingerprint, ca and first use, not several")
	case set.Fingerprint != "":
		want := strings.ToLower(set.Fingerprint)
		if !fingerprintForm.MatchString(want) {
			return nil, fmt.Errorf("open bmc: the fingerprint %q must be sha256: and 64 hex digits; `ingot bmc check` "+
				"prints it", set.Fingerprint)
		}
		config.InsecureSkipVerify = true // VerifyConnection below replaces the chain
		config.VerifyConnection = c.verifyPin(want)
	case set.CA != "":
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(set.CA)) {
			return nil, errors.New("open bmc: tls.ca holds no PEM certificate")
		}
	case set.FirstUse:
		config.InsecureSkipVerify = true // the first certificate becomes the pin
		config.VerifyConnection = c.verifyFirstUse
	}
	return config, nil
}

func fingerprintOf(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// recordCertificate remembers the fingerprint of the shown certificate.
func (c *Conn) recordCertificate(state tls.ConnectionState) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fingerprint = fingerprintOf(state.PeerCertificates[0])
	return nil
}

func (c *Conn) verifyPin(want string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		got := fingerprintOf(state.PeerCertificates[0])
		if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			return pinError{got, want}
		}
		return c.recordCertificate(state)
	}
}

func (c *Conn) verifyFirstUse(state tls.ConnectionState) error {
	if known := c.Fingerprint(); known != "" {
		return c.verifyPin(known)(state)
	}
	return c.recordCertificate(state)
}

// shownCertificate is the fingerprint of the certificate that the BMC showed in place of a trusted one; "" where another
// error is the cause.
func shownCertificate(err error) string {
	var pinned pinError
	if errors.As(err, &pinned) {
		return pinned.shown
	}
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0 {
		return fingerprintOf(unverified.UnverifiedCertificates[0])
	}
	return ""
}

// certificateHint says what to do about an error with the BMC's certificate; "" for a different error.
func certificateHint(err error) string {
	if errors.Is(err, errPin) {
		return "if the BMC's certificate was renewed, put the new fingerprint into spec.bmc.tls.fingerprint; if not, " +
			"somebody stands between"
	}
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0 {
		return "put the fingerprint " + fingerprintOf(unverified.UnverifiedCertificates[0]) +
			" into spec.bmc.tls.fingerprint once you have compared it with the BMC's own, or its authority into " +
			"spec.bmc.tls.ca"
	}
	return ""
}
