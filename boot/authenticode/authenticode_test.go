package authenticode

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/pe"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// authority is a certificate with its key.
type authority struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

// issue makes a certificate by its issuer; nil for one that signs itself.
func issue(t *testing.T, name string, by *authority) *authority {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	// the certificates of a firmware's trust have expired for years
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}}
	issuer := &authority{template, key}
	if by != nil {
		issuer = by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, &key.PublicKey, issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, key}
}

// program makes the smallest EFI program with one section, 512 bytes in front of it, and some bytes behind it.
func program(name string, body []byte) []byte {
	const headers = 0x200
	image := make([]byte, headers, headers+len(body)+8)
	copy(image, "MZ")
	binary.LittleEndian.PutUint32(image[0x3c:], 0x40)
	copy(image[0x40:], "PE\x00\x00")
	var b bytes.Buffer
	optional := pe.OptionalHeader64{Magic: 0x20b, SizeOfHeaders: headers, NumberOfRvaAndSizes: 16}
	_ = binary.Write(&b, binary.LittleEndian, pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: 240})
	_ = binary.Write(&b, binary.LittleEndian, optional)
	section := pe.SectionHeader32{VirtualSize: uint32(len(body)), SizeOfRawData: uint32(len(body)), PointerToRawData: headers}
	copy(section.Name[:], name)
	_ = binary.Write(&b, binary.LittleEndian, section)
	copy(image[0x44:], b.Bytes())
	return append(append(image, body...), "rest end"...)
}

// sign signs a program as firmware wants it: the signature is behind the program, and the security directory names it.
func sign(t *testing.T, image []byte, signer *authority, digest []byte, with ...*x509.Certificate) []byte {
	t.Helper()
	marshal := func(value any, params string) []byte {
		t.Helper()
		der, err := asn1.MarshalWithParams(value, params)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	var content indirectData
	content.Data = asn1.RawValue{FullBytes: marshal([]int{1}, "")}
	content.Digest.Algorithm, content.Digest.Digest = algorithm, digest
	der := marshal(content, "")
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(der, &inner); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(inner.Bytes)
	signed := []attribute{{Type: oidMessageDigest, Value: asn1.RawValue{FullBytes: marshal([][]byte{sum[:]}, "set")}}}
	var list asn1.RawValue
	if _, err := asn1.Unmarshal(marshal(struct {
		List []attribute `asn1:"set"`
	}{signed}, ""), &list); err != nil {
		t.Fatal(err)
	}
	over := sha256.Sum256(list.Bytes)
	signature, err := rsa.SignPKCS1v15(rand.Reader, signer.key, 5, over[:]) // crypto.SHA256
	if err != nil {
		t.Fatal(err)
	}
	info := signerInfo{Version: 1, Digest: algorithm, Signed: signed, Algorithm: algorithm, Signature: signature}
	info.Issued.Issuer = asn1.RawValue{FullBytes: signer.certificate.RawIssuer}
	info.Issued.Serial = signer.certificate.SerialNumber
	raw := slices.Clone(signer.certificate.Raw)
	for _, other := range with {
		raw = append(raw, other.Raw...)
	}
	data := signedData{Version: 1, Digests: []pkix.AlgorithmIdentifier{algorithm}, Signers: []signerInfo{info},
		Content:      contentInfo{Type: oidIndirectData, Content: asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: der}},
		Certificates: rawElement{Raw: marshal(asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: raw}, "")}}
	message := marshal(contentInfo{Type: oidSignedData,
		Content: asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: marshal(data, "")}}, "")
	table := make([]byte, (8+len(message)+7)/8*8)
	binary.LittleEndian.PutUint32(table, uint32(8+len(message)))
	binary.LittleEndian.PutUint16(table[4:], 0x0200)
	binary.LittleEndian.PutUint16(table[6:], pkcsSignedData)
	copy(table[8:], message)
	image = slices.Clone(image)
	const security = 0x44 + 20 + 112 + 4*8
	binary.LittleEndian.PutUint32(image[security:], uint32(len(image)))
	binary.LittleEndian.PutUint32(image[security+4:], uint32(len(table)))
	return append(image, table...)
}

// digestOf is what a signature of an unsigned program covers.
func digestOf(t *testing.T, image []byte) []byte {
	t.Helper()
	l, err := readLayout(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := l.hashImage(bytes.NewReader(image), int64(len(image)), sha256.New())
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestWhoSigned: only a signature over these bytes, by somebody whose certificate leads to a trusted one, is trusted.
func TestWhoSigned(t *testing.T) {
	t.Parallel()
	root, elsewhere := issue(t, "Distribution CA", nil), issue(t, "Elsewhere CA", nil)
	signer, stranger := issue(t, "Signer", root), issue(t, "Stranger", elsewhere)
	kernel := program(".text", []byte("the kernel"))
	changed := program(".text", []byte("another kernel"))
	digest := digestOf(t, kernel)
	spoilt := sign(t, kernel, signer, digest)
	spoilt[0x200]++
	forged := sign(t, kernel, &authority{signer.certificate, stranger.key}, digest)
	cut := sign(t, kernel, signer, digest)
	for name, test := range map[string]struct {
		image   []byte
		trusted bool
		names   string
		fails   string
	}{
		"by the distribution":    {sign(t, kernel, signer, digest), true, "Signer, Distribution CA", ""},
		"with its issuer":        {sign(t, kernel, signer, digest, root.certificate), true, "Signer, Distribution CA", ""},
		"by the root itself":     {sign(t, kernel, root, digest), true, "Distribution CA", ""},
		"by somebody else":       {sign(t, kernel, stranger, digest, elsewhere.certificate), false, "Stranger, Elsewhere CA", ""},
		"not signed":             {kernel, false, "", ""},
		"a byte was changed":     {spoilt, false, "", ""},
		"a signature of another": {sign(t, changed, signer, digest), false, "", ""},
		"another key":            {forged, false, "", ""},
		"no EFI program":         {bytes.Repeat([]byte("kernel"), 200), false, "", "not an EFI program"},
		"cut short":              {cut[:len(cut)-9], false, "", "that it does not have"},
	} {
		found, err := Read(bytes.NewReader(test.image), int64(len(test.image)))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v, want %q", name, err, test.fails)
			}
			continue
		}
		trusted := found.TrustedBy([]*x509.Certificate{root.certificate})
		if err != nil || trusted != test.trusted || strings.Join(found.Names(), ", ") != test.names {
			t.Errorf("%s: trusted %t, by %q, %v; want %t, by %q", name, trusted, found.Names(), err, test.trusted, test.names)
		}
	}
}

// TestTheCertificateOfAShim: the certificate that is built in, where the section says that it is.
func TestTheCertificateOfAShim(t *testing.T) {
	t.Parallel()
	root := issue(t, "Distribution CA", nil)
	built := func(size, at int) []byte {
		data := make([]byte, 16)
		binary.LittleEndian.PutUint32(data, uint32(size))
		binary.LittleEndian.PutUint32(data[8:], uint32(at))
		return append(data, root.certificate.Raw...)
	}
	const name = ".vendor_" // a COFF string table has the rest of a long name
	if got, err := ReadShim(bytes.NewReader(withLongName(program(name, built(len(root.certificate.Raw), 16))))); err != nil ||
		len(got) != 1 || !got[0].Equal(root.certificate) {
		t.Errorf("ReadShim() = %v, %v", got, err)
	}
	for what, image := range map[string][]byte{"another section": program(".text", nil), "no program": []byte("shim"),
		"nothing built in":         withLongName(program(name, built(0, 16))),
		"behind the section's end": withLongName(program(name, built(4096, 16)))} {
		if got, err := ReadShim(bytes.NewReader(image)); err == nil {
			t.Errorf("%s: ReadShim() = %v, want an error", what, got)
		}
	}
}

// withLongName gives the section of a program the name .vendor_cert, which is over 8 bytes.
func withLongName(image []byte) []byte {
	strings := append(binary.LittleEndian.AppendUint32(nil, 4+13), ".vendor_cert\x00"...)
	binary.LittleEndian.PutUint32(image[0x44+8:], uint32(len(image))) // PointerToSymbolTable
	copy(image[0x44+20+240:], "/4\x00\x00\x00\x00\x00\x00")
	return append(image, strings...)
}

// FuzzRead has nobody's bytes stop the daemon.
func FuzzRead(f *testing.F) {
	f.Add(program(".text", []byte("the kernel")))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, image []byte) {
		if found, err := Read(bytes.NewReader(image), int64(len(image))); err == nil && found.TrustedBy(nil) {
			t.Error("trusted by nobody")
		}
	})
}
