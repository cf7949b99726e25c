// Package digest makes the short digests that consents, inputs and records hold. Texts is all there is. Do not change how
// Texts works: fleets hold consents over its results.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Texts is 16 hex digits: the first 8 bytes of SHA-256 over the texts, each behind its length (8 bytes, big endian).
func Texts(texts ...string) string {
	size := 0
	for _, text := range texts {
		size += lengthSize + len(text)
	}
	var room [512]byte // every look makes several digests of a few words
	if size <= len(room) {
		words := room[:0]
		for _, text := range texts {
			words = append(binary.BigEndian.AppendUint64(words, uint64(len(text))), text...)
		}
		sum := sha256.Sum256(words)
		return hex.EncodeToString(sum[:digestSize])
	}
	hash := sha256.New()
	var length [lengthSize]byte
	for _, text := range texts {
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		hash.Write(length[:])
		hash.Write([]byte(text))
	}
	return hex.EncodeToString(hash.Sum(nil)[:digestSize])
}

const (
	lengthSize = 8 // bytes of a length
	digestSize = 8 // bytes of a sum that are kept
)
