package wire

import (
	"crypto/hmac"
	"crypto/sha256"
)

// ProveKey proves that the sender of a CSR has an enrolment key: an HMAC-SHA256 with the key over the CSR.
func ProveKey(secret string, csr []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("ingot register v1\x00"))
	m.Write(csr)
	return m.Sum(nil)
}
