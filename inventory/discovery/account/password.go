package account

import (
	"fmt"
	"io"
	"strings"

	"github.com/gitmetal/ingot/internal/secret"
)

// Form is the form of a password. A BMC that refuses one form is tried with the next.
type Form int

// Forms. IPMI 2.0 has fields of 16 and of 20 bytes for a password; some BMCs take a password of 20 bytes and keep 16.
const (
	Long     Form = 0 // 20 characters of [A-Za-z0-9]
	Short    Form = 1 // 16 characters of [A-Za-z0-9]
	Special  Form = 2 // 16 characters, one of which is one of - _ .
	LastForm      = Special
)

const (
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower   = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
	special = "-_."
)

// maxDraws bounds the passwords that are drawn and thrown away for a missing class; one in four is.
const maxDraws = 1000

// NewPassword draws a password of a form, with every class of characters. All passwords of the form are equally likely.
func NewPassword(random io.Reader, form Form) (secret.Value, error) {
	length := 16
	classes := []string{upper, lower, digits}
	if form == Long {
		length = 20
	}
	for range maxDraws {
		text, err := draw(random, upper+lower+digits, length)
		if err != nil {
			return secret.Value{}, err
		}
		if form == Special {
			if text, err = putSpecial(random, text); err != nil {
				return secret.Value{}, err
			}
		}
		if hasEvery(text, classes) {
			return secret.New(text), nil
		}
	}
	return secret.Value{}, fmt.Errorf("no password in %d draws: the source of randomness is broken", maxDraws)
}

// putSpecial replaces one character, not the first and not the last, by a special one.
func putSpecial(random io.Reader, text string) (string, error) {
	const places = "123456789ABCDE"
	place, err := draw(random, places, 1)
	if err != nil {
		return "", err
	}
	sign, err := draw(random, special, 1)
	if err != nil {
		return "", err
	}
	at := 1 + strings.Index(places, place)
	return text[:at] + sign + text[at+1:], nil
}

// draw draws characters of an alphabet, each equally likely.
func draw(random io.Reader, alphabet string, length int) (string, error) {
	limit := 256 - 256%len(alphabet) // bytes from here on would favour the first characters
	text := make([]byte, 0, length)
	var b [1]byte
	for len(text) < length {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		if int(b[0]) < limit {
			text = append(text, alphabet[int(b[0])%len(alphabet)])
		}
	}
	return string(text), nil
}

func hasEvery(text string, classes []string) bool {
	for _, class := range classes {
		if !strings.ContainsAny(text, class) {
			return false
		}
	}
	return true
}
