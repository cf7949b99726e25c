// Package authenticode says before a machine is started whether shim would let GRUB start a kernel with Secure Boot on.
//
// ReadShim gives the certificates that are built into a shim. Read gives the signatures of a kernel that hold, and
// Signatures.TrustedBy says whether one of them leads to a certificate. The package opens no file and trusts nobody by
// itself; what a machine's firmware trusts beside shim is asked by name, because facts have only names.
//
// github.com/foxboron/go-uefi was tried (v0.0.0-20251010190908): its Verify compares the signed attributes with no content,
// so that a digest of another program passes, and its Parse panics on a table of signatures larger than the file.
//
// Sources: Microsoft, "Windows Authenticode Portable Executable Signature Format" and "PE Format" (the attribute
// certificate table); RFC 2315 (PKCS #7); shim, cert.S (the section .vendor_cert) and pe.c (which bytes are hashed).
package authenticode

import (
	"crypto/sha256"
	"crypto/x509"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// maxTable is the most bytes of an attribute certificate table.
const maxTable = 1 << 20

// Signature is a signature of an image that holds: the image is the one that was signed.
type Signature struct {
	Signer *x509.Certificate
	Others []*x509.Certificate // that came with it
}

// Signatures of an image.
type Signatures []Signature

// Read gives the signatures of a PE image that hold; none for an image that is not signed. An error says that the image is no
// PE image, or that its table of signatures cannot be read.
func Read(image io.ReaderAt, size int64) (Signatures, error) {
	layout, err := readLayout(image, size)
	if err != nil {
		return nil, err
	}
	if layout.tableSize == 0 {
		return nil, nil
	}
	digest, err := layout.hashImage(image, size, sha256.New())
	if err != nil {
		return nil, err
	}
	table := make([]byte, layout.tableSize)
	if _, err := image.ReadAt(table, layout.table); err != nil {
		return nil, fmt.Errorf("read the signatures of the image: %w", err)
	}
	var found Signatures
	for len(table) >= 8 {
		length := int(binary.LittleEndian.Uint32(table))
		if length < 8 || length > len(table) {
			return nil, errors.New("the table of signatures is cut short")
		}
		if binary.LittleEndian.Uint16(table[6:]) == pkcsSignedData {
			if s, err := verifySigned(table[8:length], digest); err == nil {
				found = append(found, s)
			}
		}
		table = table[min(len(table), (length+7)/8*8):]
	}
	return found, nil
}

// pkcsSignedData is WIN_CERT_TYPE_PKCS_SIGNED_DATA.
const pkcsSignedData = 2

// TrustedBy reports whether a signature leads to one of the certificates. As in firmware, no certificate expires, and critical
// extensions that nobody knows do no harm: Debian's certificates have one.
func (s Signatures) TrustedBy(trusted []*x509.Certificate) bool {
	roots := x509.NewCertPool()
	for _, certificate := range trusted {
		roots.AddCert(acceptExtensions(certificate))
	}
	return slices.ContainsFunc(s, func(one Signature) bool {
		others := x509.NewCertPool()
		for _, certificate := range one.Others {
			others.AddCert(acceptExtensions(certificate))
		}
		_, err := acceptExtensions(one.Signer).Verify(x509.VerifyOptions{Roots: roots, Intermediates: others, CurrentTime: one.Signer.NotBefore,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err == nil
	})
}

// acceptExtensions is a certificate without unknown critical extensions.
func acceptExtensions(certificate *x509.Certificate) *x509.Certificate {
	accepted := *certificate
	accepted.UnhandledCriticalExtensions = nil
	return &accepted
}

// Names are the names of the signers and of those who issued their certificates.
func (s Signatures) Names() (names []string) {
	for _, one := range s {
		for _, name := range []string{one.Signer.Subject.CommonName, one.Signer.Issuer.CommonName} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// layout is where an image has what its signatures leave out.
type layout struct {
	checksum, directory int64 // of the optional header; 4 and 8 bytes
	headers             int64 // size
	sections            []section
	table, tableSize    int64
}

type section struct{ at, size int64 }

// readLayout reads the headers of a PE32+ image.
func readLayout(image io.ReaderAt, size int64) (layout, error) {
	file, err := pe.NewFile(image)
	if err != nil {
		return layout{}, fmt.Errorf("not an EFI program: %w", err)
	}
	header, wide := file.OptionalHeader.(*pe.OptionalHeader64)
	if !wide || header.NumberOfRvaAndSizes <= pe.IMAGE_DIRECTORY_ENTRY_SECURITY {
		return layout{}, errors.New("not an EFI program for 64 bits")
	}
	var start [4]byte
	if _, err := image.ReadAt(start[:], 0x3c); err != nil {
		return layout{}, fmt.Errorf("not an EFI program: %w", err)
	}
	const fileHeader, checksum, directories = 4 + 20, 64, 112
	optional := int64(binary.LittleEndian.Uint32(start[:])) + fileHeader
	security := header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	l := layout{checksum: optional + checksum, directory: optional + directories + pe.IMAGE_DIRECTORY_ENTRY_SECURITY*8,
		headers: int64(header.SizeOfHeaders), table: int64(security.VirtualAddress), tableSize: int64(security.Size)}
	for _, s := range file.Sections {
		if s.Size > 0 {
			l.sections = append(l.sections, section{int64(s.Offset), int64(s.Size)})
		}
	}
	slices.SortFunc(l.sections, func(a, b section) int { return int(min(max(a.at-b.at, -1), 1)) })
	if l.tableSize > maxTable || l.table+l.tableSize > size || l.headers > size || l.directory+8 > l.headers {
		return layout{}, errors.New("the headers of the program name bytes that it does not have")
	}
	return l, nil
}

// hashImage hashes what a signature covers: the headers without checksum and security directory, the sections in the order
// of their place, and what is behind them in front of the signatures.
func (l layout) hashImage(image io.ReaderAt, size int64, sum hash.Hash) ([]byte, error) {
	pieces := []section{{0, l.checksum}, {l.checksum + 4, l.directory - l.checksum - 4}, {l.directory + 8, l.headers - l.directory - 8}}
	hashed := l.headers
	for _, s := range l.sections {
		pieces = append(pieces, s)
		hashed += s.size
	}
	if rest := size - l.tableSize - hashed; rest > 0 {
		pieces = append(pieces, section{hashed, rest})
	}
	for _, piece := range pieces {
		n, err := io.Copy(sum, io.NewSectionReader(image, piece.at, piece.size))
		if err == nil && n < piece.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("read the program: %w", err)
		}
	}
	return sum.Sum(nil), nil
}

// ReadShim gives the certificates that are built into a shim. The section .vendor_cert begins with the sizes and the places
// of what is authorized and of what is not; what is authorized is one certificate in DER, or a list of them, of which this
// package does not read lists.
func ReadShim(shim io.ReaderAt) ([]*x509.Certificate, error) {
	file, err := pe.NewFile(shim)
	if err != nil {
		return nil, fmt.Errorf("shim is not an EFI program: %w", err)
	}
	built := file.Section(".vendor_cert")
	if built == nil {
		return nil, errors.New("shim has no certificate of its distribution")
	}
	data, err := built.Data()
	if err != nil || len(data) < 16 {
		return nil, errors.New("the certificate of shim's distribution cannot be read")
	}
	size, at := int64(binary.LittleEndian.Uint32(data)), int64(binary.LittleEndian.Uint32(data[8:]))
	if size == 0 || at+size > int64(len(data)) {
		return nil, errors.New("shim has no certificate of its distribution")
	}
	certificate, err := x509.ParseCertificate(data[at : at+size])
	if err != nil {
		return nil, fmt.Errorf("the certificate of shim's distribution: %w", err)
	}
	return []*x509.Certificate{certificate}, nil
}
