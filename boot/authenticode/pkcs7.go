package authenticode

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// Object identifiers (RFC 2315, RFC 2985, and Microsoft's for SPC_INDIRECT_DATA).
var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidIndirectData  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// contentInfo wraps content by its type.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
}

// rawElement is an element that is read later.
type rawElement struct{ Raw asn1.RawContent }

// signedData is SignedData of PKCS #7.
type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      contentInfo
	Certificates rawElement   `asn1:"optional,tag:0"`
	Revoked      rawElement   `asn1:"optional,tag:1"`
	Signers      []signerInfo `asn1:"set"`
}

// signerInfo is SignerInfo of PKCS #7.
type signerInfo struct {
	Version int
	Issued  struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest    pkix.AlgorithmIdentifier
	Signed    []attribute `asn1:"optional,omitempty,tag:0"`
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
	Unsigned  []attribute `asn1:"optional,omitempty,tag:1"`
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue `asn1:"set"`
}

// indirectData is SpcIndirectDataContent: the digest of the image.
type indirectData struct {
	Data   asn1.RawValue
	Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
}

// verifySigned gives the signature in a PKCS #7 message, if the signature is over an image with the digest. Only SHA-256 is
// read: shim knows no newer one.
func verifySigned(message, digest []byte) (Signature, error) {
	var outer contentInfo
	var data signedData
	if _, err := asn1.Unmarshal(message, &outer); err != nil {
		return Signature{}, fmt.Errorf("read a signature: %w", err)
	}
	if !outer.Type.Equal(oidSignedData) {
		return Signature{}, errors.New("a signature of an unknown type")
	}
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil {
		return Signature{}, fmt.Errorf("read a signature: %w", err)
	}
	if len(data.Signers) != 1 || !data.Content.Type.Equal(oidIndirectData) {
		return Signature{}, errors.New("not a signature of a program")
	}
	var content asn1.RawValue
	var signed indirectData
	if _, err := asn1.Unmarshal(data.Content.Content.Bytes, &content); err != nil {
		return Signature{}, fmt.Errorf("read what was signed: %w", err)
	}
	if _, err := asn1.Unmarshal(content.FullBytes, &signed); err != nil {
		return Signature{}, fmt.Errorf("read what was signed: %w", err)
	}
	if !signed.Digest.Algorithm.Algorithm.Equal(oidSHA256) || !bytes.Equal(signed.Digest.Digest, digest) {
		return Signature{}, errors.New("the signature is over another program")
	}
	certificates, err := readCertificates(data.Certificates.Raw)
	if err != nil {
		return Signature{}, err
	}
	return checkSigner(data.Signers[0], certificates, content.Bytes)
}

func readCertificates(raw []byte) ([]*x509.Certificate, error) {
	var list asn1.RawValue
	if _, err := asn1.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("read the certificates of a signature: %w", err)
	}
	certificates, err := x509.ParseCertificates(list.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of a signature: %w", err)
	}
	return certificates, nil
}

// checkSigner verifies the signature over the signed attributes, which have the digest of the content.
func checkSigner(s signerInfo, certificates []*x509.Certificate, content []byte) (found Signature, err error) {
	for _, certificate := range certificates {
		if found.Signer == nil && bytes.Equal(certificate.RawIssuer, s.Issued.Issuer.FullBytes) &&
			s.Issued.Serial != nil && certificate.SerialNumber.Cmp(s.Issued.Serial) == 0 {
			found.Signer = certificate
		} else {
			found.Others = append(found.Others, certificate)
		}
	}
	if found.Signer == nil || !s.Digest.Algorithm.Equal(oidSHA256) {
		return Signature{}, errors.New("the certificate of the signer is not there, or its digest is not SHA-256")
	}
	sum, named := sha256.Sum256(content), false
	for _, a := range s.Signed {
		var value []byte
		if _, err := asn1.Unmarshal(a.Value.Bytes, &value); a.Type.Equal(oidMessageDigest) && err == nil {
			named = bytes.Equal(value, sum[:])
		}
	}
	attributes, err := asn1.Marshal(struct {
		List []attribute `asn1:"set"`
	}{s.Signed})
	if err != nil || !named {
		return Signature{}, errors.New("the signature does not name what was signed")
	}
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(attributes, &inner); err != nil {
		return Signature{}, fmt.Errorf("encode what was signed: %w", err)
	}
	if err := found.Signer.CheckSignature(x509.SHA256WithRSA, inner.Bytes, s.Signature); err != nil {
		return Signature{}, fmt.Errorf("the signature does not hold: %w", err)
	}
	return found, nil
}
