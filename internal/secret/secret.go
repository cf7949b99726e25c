// Package secret holds the one type for secrets. A Value prints as *** through every formatting, logging and encoding
// path of the standard library. Only Reveal gives the text, so that a search for Reveal finds every use of a secret.
// Call New as early as possible; do not keep a secret in a string.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Mask is the printed form of a Value.
const Mask = "***"

// Value is one secret. The zero Value is the empty secret. Values are immutable: New copies.
type Value struct{ text string }

// New wraps text as a secret.
func New(text string) Value { return Value{text: text} }

// Reveal returns the secret. Call it only where the secret leaves for its one purpose.
func (v Value) Reveal() string { return v.text }

// Empty reports whether the secret has no bytes.
func (v Value) Empty() bool { return v.text == "" }

// Equal compares in constant time.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.text), []byte(other.text)) == 1
}

// Fingerprint is a short digest (8 hex digits) for logs to distinguish two random secrets. Never use it for passwords:
// a short secret could be guessed from the digest.
func (v Value) Fingerprint() string {
	sum := sha256.Sum256([]byte(v.text))
	return hex.EncodeToString(sum[:4])
}

// String implements fmt.Stringer with Mask.
func (v Value) String() string { return Mask }

// GoString implements fmt.GoStringer with Mask.
func (v Value) GoString() string { return Mask }

// Format implements fmt.Formatter with Mask for every verb.
func (v Value) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(Mask)) }

// MarshalText implements encoding.TextMarshaler with Mask, for JSON and YAML too.
func (v Value) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// LogValue implements slog.LogValuer with Mask.
func (v Value) LogValue() slog.Value { return slog.StringValue(Mask) }
