// Package knownhosts decides as the ssh program does, with StrictHostKeyChecking=yes, whether a server over ssh is the one
// that known_hosts names. Call Parse, then Find for a server: Algorithms says which keys the server is asked for, and Check
// judges the key that it shows. The two belong together: a server has keys of several kinds, and which of them it shows
// depends on the order in which they are asked for. Do not take the kinds from one file and the check from another.
//
// The rules are those of OpenSSH 9.2 (hostfile.c; check_host_key in sshconnect.c; order_hostkeyalgs in sshconnect2.c).
package knownhosts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // names in known_hosts are hashed by it
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gitmetal/ingot/internal/glob"
)

// Why a server is not believed.
var (
	// ErrUnknown means that known_hosts has no key of the server.
	ErrUnknown = errors.New("known_hosts has no key of this server")
	// ErrOtherKey means that known_hosts has another key of the same kind.
	ErrOtherKey = errors.New("known_hosts has another key of this server")
	// ErrOtherKind means that known_hosts has keys of the server, and none of the kind that it shows.
	ErrOtherKind = errors.New("known_hosts has no key of this kind of this server")
	// ErrRevoked means that the key, or its authority, is marked as revoked.
	ErrRevoked = errors.New("the server's key is revoked in known_hosts")
	// ErrCertificate means that the certificate is of a known authority and does not hold, and that the key in it is not
	// known either.
	ErrCertificate = errors.New("the server's certificate does not hold")
)

// defaultPort is the port of names that have none.
const defaultPort = "22"

// Markers of lines.
const (
	markAuthority = "@cert-authority"
	markRevoked   = "@revoked"
)

// File is a known_hosts file.
type File struct{ lines []line }

// line is a line with a key.
type line struct {
	mark, names string
	key         ssh.PublicKey
}

// Parse reads known_hosts. A line that cannot be read is passed over, as ssh does; a line with @revoked that cannot be
// read is an error, with the number of the line.
func Parse(data []byte) (File, error) {
	var f File
	for i, text := range bytes.Split(data, []byte("\n")) {
		fields := strings.Fields(string(text))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		l, ok := parseLine(fields)
		switch {
		case ok:
			f.lines = append(f.lines, l)
		case strings.HasPrefix(fields[0], markRevoked):
			return File{}, fmt.Errorf("line %d: the revoked key cannot be read", i+1)
		}
	}
	return f, nil
}

func parseLine(fields []string) (l line, ok bool) {
	if strings.HasPrefix(fields[0], "@") {
		if l.mark = fields[0]; l.mark != markAuthority && l.mark != markRevoked {
			return line{}, false
		}
		fields = fields[1:]
	}
	if len(fields) < 3 {
		return line{}, false
	}
	blob, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return line{}, false
	}
	if l.key, err = ssh.ParsePublicKey(blob); err != nil || l.key.Type() != fields[1] {
		return line{}, false
	}
	l.names = fields[0]
	return l, true
}

// Host is what known_hosts says of a server.
type Host struct {
	name     string
	own      []line // of its name with the port
	portless []line // of its name alone, where the port is another than 22
}

// Find gives what the file says of a server. The port is a number.
func (f File) Find(host, port string) Host {
	h := Host{name: strings.ToLower(strings.Trim(host, "[]"))}
	named := func(name string) (found []line) {
		for _, l := range f.lines {
			if matchNames(name, l.names) {
				found = append(found, l)
			}
		}
		return found
	}
	withPort := "[" + h.name + "]:" + port
	if port != defaultPort {
		h.own, h.portless = named(withPort), named(h.name)
		return h
	}
	for _, l := range f.lines { // ssh writes the name alone, other programs write the port too
		if matchNames(h.name, l.names) || slices.Contains(strings.Split(strings.ToLower(l.names), ","), withPort) {
			h.own = append(h.own, l)
		}
	}
	return h
}

// preferred are the algorithms that ssh asks for, in its order, as far as this program knows them.
var preferred = []string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// keyType gives the type of the key of an algorithm: the algorithms of RSA share one.
func keyType(algorithm string) string {
	plain := strings.TrimSuffix(algorithm, "-cert-v01@openssh.com")
	if plain == ssh.KeyAlgoRSASHA512 || plain == ssh.KeyAlgoRSASHA256 {
		return ssh.KeyAlgoRSA
	}
	return plain
}

// Algorithms lists the algorithms for which the server is asked, the preferred first: those of keys that are known, in the
// order of ssh, then all others. With a key of the most preferred kind the order of ssh stays as it is.
func (h Host) Algorithms() []string {
	if hasType(h.own, keyType(preferred[0])) {
		return slices.Clone(preferred)
	}
	hasAuthority := slices.ContainsFunc(h.own, func(l line) bool { return l.mark == markAuthority })
	var first, last []string
	for _, algorithm := range preferred {
		isCertificate := strings.Contains(algorithm, "-cert-")
		if isCertificate && hasAuthority || hasType(h.own, keyType(algorithm)) {
			first = append(first, algorithm)
		} else {
			last = append(last, algorithm)
		}
	}
	return append(first, last...)
}

// hasType reports whether the first key of a type is not revoked.
func hasType(lines []line, of string) bool {
	for _, l := range lines {
		if l.mark == "" && l.key.Type() == of {
			return !isRevoked(lines, l.key)
		}
	}
	return false
}

// Check reports why a server that shows a key is not believed; nil for the server that is known. The error is one of this
// package's.
func (h Host) Check(key ssh.PublicKey, now time.Time) error {
	certificate, is := key.(*ssh.Certificate)
	if !is {
		return h.checkKey(key, now)
	}
	err := h.checkCertificate(certificate, now)
	if err == nil || errors.Is(err, ErrRevoked) {
		return err
	}
	plain := h.checkKey(certificate.Key, now) // a certificate that is not believed counts as the key in it
	if plain != nil && errors.Is(err, ErrCertificate) {
		return err
	}
	return plain
}

// checkKey judges a plain key. Lines of the name alone count where no key of the name with the port is known.
func (h Host) checkKey(key ssh.PublicKey, now time.Time) error {
	if isRevoked(h.own, key) {
		return ErrRevoked
	}
	known := false
	for _, l := range h.own {
		switch {
		case l.mark != "":
		case sameKey(l.key, key):
			return nil
		default:
			known = true
		}
	}
	switch {
	case !known:
		return h.checkWithoutPort(key, now)
	case hasType(h.own, key.Type()):
		return ErrOtherKey
	default:
		return ErrOtherKind
	}
}

// checkCertificate judges a certificate. Lines of the name alone count where the authority is not known.
func (h Host) checkCertificate(certificate *ssh.Certificate, now time.Time) error {
	if isRevoked(h.own, certificate) {
		return ErrRevoked
	}
	for _, l := range h.own {
		if l.mark == markAuthority && sameKey(l.key, certificate.SignatureKey) {
			return verifyCertificate(certificate, h.name, now)
		}
	}
	if err := h.checkWithoutPort(certificate, now); err == nil || errors.Is(err, ErrCertificate) {
		return err
	}
	return ErrUnknown
}

// checkWithoutPort judges by the lines of the name alone, as far as there are some.
func (h Host) checkWithoutPort(key ssh.PublicKey, now time.Time) error {
	if len(h.portless) == 0 {
		return ErrUnknown
	}
	err := Host{name: h.name, own: h.portless}.Check(key, now)
	if err == nil || errors.Is(err, ErrRevoked) || errors.Is(err, ErrCertificate) {
		return err
	}
	return ErrUnknown
}

// verifyCertificate judges a certificate of a known authority.
func verifyCertificate(certificate *ssh.Certificate, name string, now time.Time) error {
	checker := ssh.CertChecker{Clock: func() time.Time { return now }}
	err := checker.CheckCert(name, certificate)
	switch {
	case certificate.CertType != ssh.HostCert:
		err = errors.New("it is not of a host")
	case certificate.Signature.Format == ssh.KeyAlgoRSA:
		err = errors.New("it is signed with SHA-1")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return nil
}

// isRevoked reports whether a key, or the key or the authority of a certificate, is marked as revoked.
func isRevoked(lines []line, key ssh.PublicKey) bool {
	keys := []ssh.PublicKey{key}
	if certificate, is := key.(*ssh.Certificate); is {
		keys = []ssh.PublicKey{certificate.Key, certificate.SignatureKey}
	}
	return slices.ContainsFunc(lines, func(l line) bool {
		return l.mark == markRevoked && slices.ContainsFunc(keys, func(key ssh.PublicKey) bool { return sameKey(l.key, key) })
	})
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// matchNames reports whether a name is meant by the names of a line: one that is hashed, or patterns with * and ?, of which
// none with ! in front may match.
func matchNames(name, names string) bool {
	if strings.HasPrefix(names, "|") {
		return matchHash(name, names)
	}
	matched := false
	for pattern := range strings.SplitSeq(strings.ToLower(names), ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if glob.MatchPart(pattern, name) {
			if negated {
				return false
			}
			matched = true
		}
	}
	return matched
}

// matchHash reports whether a hashed name, |1|SALT|HMAC, is of a name.
func matchHash(name, hashed string) bool {
	fields := strings.Split(hashed, "|")
	if len(fields) != 4 || fields[1] != "1" {
		return false
	}
	salt, errSalt := base64.StdEncoding.DecodeString(fields[2])
	want, errWant := base64.StdEncoding.DecodeString(fields[3])
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return errSalt == nil && errWant == nil && hmac.Equal(mac.Sum(nil), want)
}
