package console

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/internal/secret"
)

// Bounds of masking. A secret is searched in pieces, so that text between two pieces does not uncover the remaining
// pieces.
const (
	minSecret = 6  // bytes: shorter secrets would match everywhere
	piece     = 16 // bytes of a piece, at most
	prefix    = 3  // bytes by which the beginning of a piece is known
)

// holdTime is how long a possible beginning of a secret is not shown.
const holdTime = 2 * time.Second

// Secrets are masked in logs: as they are, in both alphabets of base64 at every offset, and URL-escaped; whole, and
// line by line. White space in between is ignored, because a terminal may break lines. The zero value masks nothing.
// Several logs may share the same Secrets.
type Secrets struct {
	mu    sync.RWMutex
	known map[secret.Value]struct{}
	by    map[[minSecret]byte][]string // pieces, by their first bytes
	begun map[[prefix]byte]struct{}    // the first 1 to 3 bytes of pieces, padded with 0
}

// Add masks more secrets from now on, except secrets shorter than minSecret.
func (s *Secrets) Add(values ...secret.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known, s.by, s.begun = map[secret.Value]struct{}{}, map[[minSecret]byte][]string{},
			map[[prefix]byte]struct{}{}
	}
	for _, value := range values {
		if _, is := s.known[value]; is {
			continue
		}
		s.known[value] = struct{}{}
		for _, form := range printedForms(value.Reveal()) {
			s.addPieces(form)
		}
	}
}

// printedForms gives the texts as which a secret may be printed.
func printedForms(text string) []string {
	text = strings.TrimSpace(text)
	if len(text) < minSecret {
		return nil
	}
	all := []string{text}
	if strings.Contains(text, "\n") {
		all = slices.AppendSeq(all, strings.Lines(text))
	}
	for before := range 3 { // bytes since a group of three began
		whole := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + text))
		own := whole[(8*before+5)/6 : 8*(before+len(text))/6] // characters made of the secret's bits alone
		all = append(all, own, strings.NewReplacer("+", "-", "/", "_").Replace(own))
	}
	query, path := url.QueryEscape(text), url.PathEscape(text)
	return append(all, query, path, lowerEscapes(query), lowerEscapes(path))
}

// lowerEscapes writes the digits of percent escapes in lower case.
func lowerEscapes(text string) string {
	out := []byte(text)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i:i+3], strings.ToLower(text[i:i+3]))
		}
	}
	return string(out)
}

// addPieces adds the pieces of a text; the last piece overlaps the piece before. The caller holds the lock.
func (s *Secrets) addPieces(form string) {
	form = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, form)
	if len(form) < minSecret {
		return
	}
	for at := 0; at < len(form); at += piece {
		from := max(0, min(at, len(form)-piece))
		part := form[from:min(from+piece, len(form))]
		if key := [minSecret]byte([]byte(part[:minSecret])); !slices.Contains(s.by[key], part) {
			s.by[key] = append(s.by[key], part)
		}
		for n := range prefix {
			s.begun[prefixKey([]byte(part[:n+1]))] = struct{}{}
		}
	}
}

func prefixKey(text []byte) (key [prefix]byte) {
	copy(key[:], text)
	return key
}

// Mask gives a text with a mask in place of every known secret, in the forms of Secrets. A secret that the end of the
// text cuts off is masked too. Lines of the text stay lines.
func (s *Secrets) Mask(text string) string {
	var p passage
	p.appendText([]byte(text)...)
	p.hideOpenEnd(p.hideSecrets(s))
	return string(p.takeMasked(len(p.text)))
}

// matchAt gives how many bytes at the beginning of a text without white space belong to a secret, and whether the whole
// text may be the beginning of a secret. The caller holds the lock.
func (s *Secrets) matchAt(text []byte) (found int, open bool) {
	if len(text) < minSecret {
		_, open = s.begun[prefixKey(text)]
		return 0, open
	}
	for _, part := range s.by[[minSecret]byte(text)] {
		n := min(len(part), len(text))
		switch {
		case string(text[:n]) != part[:n]:
		case n < len(part):
			open = true
		default:
			found = max(found, n)
		}
	}
	return found, open
}

// passage is text with hidden bytes.
type passage struct {
	text   []byte
	hidden []bool // byte by byte
}

func (p *passage) appendText(text ...byte) {
	p.text = append(p.text, text...)
	p.hidden = append(p.hidden, make([]bool, len(text))...)
}

// withText copies a passage and appends text.
func (p *passage) withText(text []byte) passage {
	more := passage{slices.Clone(p.text), slices.Clone(p.hidden)}
	more.appendText(text...)
	return more
}

// hideSecrets hides the secrets in a passage, and gives the index at which a possible beginning of a secret starts. The
// time is proportional to the text: for every byte, the pieces with the same first six bytes are looked up.
func (p *passage) hideSecrets(s *Secrets) (open int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	open = len(p.text)
	if len(s.by) == 0 {
		return open
	}
	solid, places := make([]byte, 0, len(p.text)), make([]int, 0, len(p.text))
	for i, b := range p.text {
		if b != ' ' && b != '\n' {
			solid, places = append(solid, b), append(places, i)
		}
	}
	for i := range solid {
		found, may := s.matchAt(solid[i:])
		if may {
			open = min(open, places[i])
		}
		if found > 0 {
			for at := places[i]; at <= places[i+found-1]; at++ {
				p.hidden[at] = true
			}
		}
	}
	return open
}

// hideOpenEnd hides a beginning of a secret at the end of the text, unless the beginning is shorter than minSecret.
func (p *passage) hideOpenEnd(open int) {
	solid := 0
	for _, b := range p.text[open:] {
		if b != ' ' && b != '\n' {
			solid++
		}
	}
	for i := open; solid >= minSecret && i < len(p.text); i++ {
		p.hidden[i] = true
	}
}

// takeMasked removes the text up to a place and returns the text as it may be shown: every hidden run of a line is a
// single mask.
func (p *passage) takeMasked(to int) []byte {
	var out []byte
	for i := range to {
		switch before := i > 0 && p.hidden[i-1] && p.text[i-1] != '\n'; {
		case !p.hidden[i] || p.text[i] == '\n':
			out = append(out, p.text[i])
		case !before:
			out = append(out, secret.Mask...)
		}
	}
	p.text, p.hidden = append(p.text[:0], p.text[to:]...), append(p.hidden[:0], p.hidden[to:]...)
	return out
}
