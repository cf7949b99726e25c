package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is a text that a machine said, for one cell or line of a terminal: each character that could steer the terminal
// becomes a question mark.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || isControl(r) {
			return '?'
		}
		return r
	}, text)
}

// isControl reports whether a character could steer a terminal, or change the order in which a line is read.
func isControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
