package hub

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
)

// serveEnrolment trades a boot token and a CSR for a client certificate. The token is checked before any look-up about
// the host, so strangers cannot make the daemon work. All refusals look the same.
func (h *Hub) serveEnrolment(w http.ResponseWriter, r *http.Request) error {
	var m wire.Enrol
	if err := decodeBody(w, r, maxEnrol, &m); err != nil {
		return err
	}
	if m.Version < 1 || m.Version > wire.Version {
		return statusError{http.StatusBadRequest, "another version of the protocol"}
	}
	if !h.BootToken(m.Host, m.Boot, m.Epoch).Equal(secret.New(m.Token)) {
		return errRefused
	}
	csr, err := ParseRequest(m.CSR)
	if err != nil {
		return errRefused
	}
	p := peer{host: m.Host, boot: m.Boot, epoch: m.Epoch, key: digestKey(csr.RawSubjectPublicKeyInfo),
		protocol: m.Version}
	certificate, err := h.enrolKey(r, p, csr)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(wire.Enrolled{Certificate: certificate})
}

// enrolKey binds the boot to the first key that comes with the token. A second key proves that the token leaked: the
// daemon cannot tell the two agents apart, so both are shut out until the next boot.
func (h *Hub) enrolKey(r *http.Request, p peer, csr *x509.CertificateRequest) ([]byte, error) {
	now := h.config.Now()
	var certificate []byte
	alarm, first := false, false
	err := h.editDocument(r.Context(), p.host, func(e *entry, doc *document) error {
		if doc.Boot == "" || doc.Boot != p.boot || doc.Epoch != p.epoch || doc.Alarm != "" || doc.Only != "" && doc.Only != p.key {
			return errRefused
		}
		if doc.Key == "" && now.After(doc.Expected.Add(h.config.TokenTTL)) {
			return errRefused
		}
		if doc.Key != "" && doc.Key != p.key {
			alarm = true
			doc.Alarm = fmt.Sprintf("the boot token of epoch %d was used by two keys, the second time from %s: the "+
				"boot medium was read by somebody else", p.epoch, r.RemoteAddr)
			return nil
		}
		if !isCertificateValid(doc.Certificate, now) || doc.Protocol != p.protocol {
			der, err := h.issueCertificate(p, csr)
			if err != nil {
				return err
			}
			doc.Certificate = der
		}
		if doc.Key == "" {
			doc.Key, doc.Enrolled, first = p.key, now, true
		}
		doc.Protocol = p.protocol
		e.lastCall, certificate = now, doc.Certificate
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.config.Notify(p.host)
	if alarm {
		h.config.Log.Warn("boot token used by two keys: both are shut out", "host", p.host, "boot", p.boot, "from",
			r.RemoteAddr)
		return nil, errRefused
	}
	if first {
		h.config.Count(CountEnrolled)
	}
	h.config.Log.Info("agent enrolled", "host", p.host, "boot", p.boot, "epoch", p.epoch)
	return certificate, nil
}

func (h *Hub) issueCertificate(p peer, csr *x509.CertificateRequest) ([]byte, error) {
	return h.config.Identity.IssueClient(p.host, formatAgentURI(p), csr.PublicKey,
		Validity{h.config.Now(), h.config.CertTTL})
}

// isCertificateValid reports whether a certificate still lets the holder in.
func isCertificateValid(der []byte, now time.Time) bool {
	certificate, err := x509.ParseCertificate(der)
	return err == nil && now.Before(certificate.NotAfter)
}

// ParseRequest accepts certificate requests whose holder has proved to have the key: ECDSA P-256 or P-384, or Ed25519.
func ParseRequest(der []byte) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	switch key := csr.PublicKey.(type) {
	case ed25519.PublicKey:
		return csr, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return csr, nil
		}
	}
	return nil, errors.New("a kind of key that is not used here")
}

// errUnpublished tells an installed system to call again.
var errUnpublished = statusError{http.StatusServiceUnavailable, "the call is saved; call again until the status branch shows it"}

// servePhoneHome saves that an installed system is up, and acknowledges the call once the status branch shows it: until
// then the answer is 503, and the system calls again. The answer to a wrong token is 404.
func (h *Hub) servePhoneHome(w http.ResponseWriter, r *http.Request) error {
	var m wire.PhoneHome
	if err := decodeBody(w, r, maxPhoneHome, &m); err != nil {
		return err
	}
	if strings.ContainsRune(m.Host+m.Install, 0) || m.Attempt < 0 ||
		!h.PhoneHomeToken(m.Host, m.Install, m.Epoch, m.Attempt).Equal(secret.New(m.Token)) {
		h.config.Log.Warn("phone-home with a wrong token", "from", r.RemoteAddr)
		return statusError{http.StatusNotFound, "wrong phone-home token"}
	}
	if err := h.recordPhoneHome(r.Context(), m); err != nil {
		return err
	}
	h.config.Notify(m.Host)
	if !h.config.Shows(m.Host, m.Install) {
		return errUnpublished
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
