package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of an identity directory. Each file is secret or useless alone; the directory is the daemon's trust.
const (
	fileRoot      = "root.key"   // 64 hex digits
	fileCAKey     = "ca.key"     // PKCS#8 PEM, ECDSA P-256
	fileCA        = "ca.crt"     // PEM
	fileServerKey = "server.key" // PKCS#8 PEM, ECDSA P-256: what agents pin
)

const maxIdentityFile = 16 << 10 // bytes

// Certificates of the daemon begin in 1970 and never end: a machine with an empty clock battery starts in 1970, and the
// pinned key carries the trust. 9999-12-31 is RFC 5280's "no expiration" (4.1.2.5).
var (
	sinceEver = time.Unix(0, 0).UTC()
	forEver   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// Identity is the daemon's identity: a certificate authority for the agents, a server key that agents pin, and a root
// key for the derivation of tokens. The identity is configuration, kept outside the data directory; a holder of the
// identity can pose as the daemon.
type Identity struct {
	root   []byte
	caKey  *ecdsa.PrivateKey
	ca     *x509.Certificate
	server *ecdsa.PrivateKey
	pool   *x509.CertPool // of ca
}

// CreateIdentity makes a new identity in dir (mode 0700) in one step: a crash leaves the whole identity or nothing. The
// directory must be empty or missing; the error is fs.ErrExist for a directory with an identity.
func CreateIdentity(dir string) (*Identity, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("identity directory %s is not empty: %w", dir, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("create identity: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), ".identity-*") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("create identity: %w", err)
	}
	defer os.RemoveAll(fresh)
	files, err := newIdentityFiles()
	if err != nil {
		return nil, fmt.Errorf("create identity: %w", err)
	}
	for name, data := range files {
		if err := writeSynced(filepath.Join(fresh, name), data); err != nil {
			return nil, fmt.Errorf("create identity: %w", err)
		}
	}
	if err := os.Rename(fresh, dir); err != nil {
		return nil, fmt.Errorf("create identity: %w", err)
	}
	return LoadIdentity(dir)
}

// LoadIdentity reads the identity in dir. The error is fs.ErrNotExist without an identity. A directory or file that
// other users may read is refused.
func LoadIdentity(dir string) (*Identity, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("load identity: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("load identity: %s is no directory: name one in identityDir", dir)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("load identity: others may enter %s (mode %04o): run chmod 700 on it", dir,
			info.Mode().Perm())
	}
	files := map[string][]byte{}
	for _, name := range []string{fileRoot, fileCAKey, fileCA, fileServerKey} {
		data, err := readPrivate(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("load identity: %w", err)
		}
		files[name] = data
	}
	identity, err := parseIdentity(files)
	if err != nil {
		return nil, fmt.Errorf("load identity %s: %w: restore it from its backup; a new one is trusted by no machine",
			dir, err)
	}
	return identity, nil
}

// DeriveKey gives 32 bytes for one purpose, the same for the life of the identity (HKDF-SHA256).
func (i *Identity) DeriveKey(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, i.root, nil, "ingot "+purpose, sha256.Size)
	if err != nil {
		panic(err) // only for lengths over 255 hashes
	}
	return key
}

// Pin is the base64 SHA-256 of the server key's SubjectPublicKeyInfo, as in wire.BootConfig.Pins and curl's
// --pinnedpubkey. The pin survives restarts.
func (i *Identity) Pin() string {
	sum := sha256.Sum256(i.serverSPKI())
	return base64.StdEncoding.EncodeToString(sum[:])
}

// CAPEM is the certificate authority of servers and agents.
func (i *Identity) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.ca.Raw})
}

// ServerTLS is the configuration of the agents' listener: TLS 1.3, and a certificate for names (host names and IP
// addresses). A client certificate must be of the daemon's authority; a client may show none.
func (i *Identity) ServerTLS(names []string) (*tls.Config, error) {
	certificate, err := i.issueServer(names, i.server)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    i.buildCAPool(),
	}, nil
}

// ClientTLS is the configuration of a client of the agents' listener that shows no certificate of its own; the listener's
// certificate must be of this identity, and for name.
func (i *Identity) ClientTLS(name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: i.buildCAPool(), ServerName: name}
}

// MediaTLS is the TLS configuration of a server of boot media for BMCs, which speak older versions of TLS. The key is made
// for this configuration, and the identity's authority vouches for the key.
func (i *Identity) MediaTLS(names []string) (*tls.Config, error) {
	key, _, err := generateKey()
	if err != nil {
		return nil, err
	}
	certificate, err := i.issueServer(names, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}, nil
}

// issueServer issues a certificate for a server with the given names.
func (i *Identity) issueServer(names []string, key *ecdsa.PrivateKey) (tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "ingot"},
		NotBefore:   sinceEver,
		NotAfter:    forEver,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := i.signCertificate(template, key.Public())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue the server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, i.ca.Raw}, PrivateKey: key}, nil
}

// Validity is from when on, and for how long, a client certificate lets its holder in.
type Validity struct {
	From time.Time
	For  time.Duration
}

// IssueClient issues a certificate to a client of the agents' listener. The URI says what the holder may do.
func (i *Identity) IssueClient(name string, uri *url.URL, key any, v Validity) ([]byte, error) {
	return i.signCertificate(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		URIs:        []*url.URL{uri},
		NotBefore:   v.From.Add(-24 * time.Hour), // the daemon's own clock may be set back
		NotAfter:    v.From.Add(v.For),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key)
}

// VerifyClient says why a client certificate does not count at a time, or nil. What the holder may do is in its URI.
func (i *Identity) VerifyClient(leaf *x509.Certificate, now time.Time) error {
	_, err := leaf.Verify(x509.VerifyOptions{Roots: i.pool, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

func (i *Identity) buildCAPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.ca)
	return pool
}

func (i *Identity) serverSPKI() []byte {
	der, err := x509.MarshalPKIXPublicKey(i.server.Public())
	if err != nil {
		panic(err) // a P-256 key has an encoding
	}
	return der
}

// signCertificate signs template for a public key with a fresh serial number.
func (i *Identity) signCertificate(template *x509.Certificate, public any) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	return x509.CreateCertificate(rand.Reader, template, i.ca, public, i.caKey)
}

func newIdentityFiles() (map[string][]byte, error) {
	root := make([]byte, 32)
	if _, err := io.ReadFull(rand.Reader, root); err != nil {
		return nil, err
	}
	caKey, caPEM, err := generateKey()
	if err != nil {
		return nil, err
	}
	_, serverPEM, err := generateKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "ingot CA"},
		NotBefore:             sinceEver,
		NotAfter:              forEver,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		fileRoot:      []byte(hex.EncodeToString(root) + "\n"),
		fileCAKey:     caPEM,
		fileCA:        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		fileServerKey: serverPEM,
	}, nil
}

func generateKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseIdentity(files map[string][]byte) (*Identity, error) {
	root, err := hex.DecodeString(strings.TrimSpace(string(files[fileRoot])))
	if err != nil || len(root) != 32 {
		return nil, fmt.Errorf("%s does not hold 64 hex digits", fileRoot)
	}
	caKey, err := parseKey(files[fileCAKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileCAKey, err)
	}
	server, err := parseKey(files[fileServerKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileServerKey, err)
	}
	block, _ := pem.Decode(files[fileCA])
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", fileCA)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileCA, err)
	}
	if !caKey.PublicKey.Equal(ca.PublicKey) {
		return nil, fmt.Errorf("%s is not of %s", fileCA, fileCAKey)
	}
	i := &Identity{root: root, caKey: caKey, ca: ca, server: server}
	i.pool = i.buildCAPool()
	return i, nil
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("holds no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds no PKCS#8 key") // the parser's words could quote the key
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("holds no ECDSA key")
	}
	return ec, nil
}

func readPrivate(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read %s (mode %04o): run chmod 600 on it", path, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(file, maxIdentityFile+1))
	if err == nil && len(data) > maxIdentityFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxIdentityFile)
	}
	return data, err
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		file.Close()
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
