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

// Bounds of what is looked for. A secret is looked for in pieces, so that what stands between two of them hides the others all the same.
const (
	minSecret = 6  // bytes: what is shorter would be found everywhere
	piece     = 16 // bytes: the most that is looked for as one
	prefix    = 3  // bytes by which the beginning of a piece is known
)

// held is how long what may be the beginning of a secret is not shown.
const held = 2 * time.Second

// Secrets are what no log shows: as they are, in base64 of either alphabet wherever in a longer text it begins, and as in a URL; whole, and each line.
// White space between is no matter, so that a terminal may break lines. The zero Secrets are none; any number of logs may share them.
type Secrets struct {
	mu    sync.RWMutex
	known map[secret.Value]struct{}
	by    map[[minSecret]byte][]string // pieces by their beginning
	begun map[[prefix]byte]struct{}    // how pieces begin: with fewer bytes the others are 0
}

// Add has more secrets masked from now on; those shorter than minSecret cannot be.
func (s *Secrets) Add(values ...secret.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known, s.by, s.begun = map[secret.Value]struct{}{}, map[[minSecret]byte][]string{}, map[[prefix]byte]struct{}{}
	}
	for _, value := range values {
		if _, is := s.known[value]; is {
			continue
		}
		s.known[value] = struct{}{}
		for _, form := range forms(value.Reveal()) {
			s.add(form)
		}
	}
}

// forms are the texts as which a secret may be printed.
func forms(text string) []string {
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
		own := whole[(8*before+5)/6 : 8*(before+len(text))/6] // characters of which every bit is the secret's
		all = append(all, own, strings.NewReplacer("+", "-", "/", "_").Replace(own))
	}
	query, path := url.QueryEscape(text), url.PathEscape(text)
	return append(all, query, path, lowerEscapes(query), lowerEscapes(path))
}

// lowerEscapes has the digits of percent escapes in lower case.
func lowerEscapes(text string) string {
	out := []byte(text)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i:i+3], strings.ToLower(text[i:i+3]))
		}
	}
	return string(out)
}

// add adds the pieces of a text; the last overlaps the one before. The caller holds the lock.
func (s *Secrets) add(form string) {
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
			s.begun[beginning([]byte(part[:n+1]))] = struct{}{}
		}
	}
}

func beginning(text []byte) (key [prefix]byte) {
	copy(key[:], text)
	return key
}

// at gives how many bytes at the beginning of a text without white space are a secret's, and whether all of it may be the beginning of one. The caller
// holds the lock.
func (s *Secrets) at(text []byte) (found int, open bool) {
	if len(text) < minSecret {
		_, open = s.begun[beginning(text)]
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

// passage is text of which some is hidden.
type passage struct {
	text   []byte
	hidden []bool // byte by byte
}

func (p *passage) add(text ...byte) {
	p.text = append(p.text, text...)
	p.hidden = append(p.hidden, make([]bool, len(text))...)
}

// with is another passage, with more text.
func (p *passage) with(text []byte) passage {
	more := passage{slices.Clone(p.text), slices.Clone(p.hidden)}
	more.add(text...)
	return more
}

// hide hides the secrets in a passage, and gives where what may be the beginning of one begins. It takes time in proportion to the text: of each byte it
// is looked up which pieces begin with it and the next five.
func (p *passage) hide(s *Secrets) (open int) {
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
		found, may := s.at(solid[i:])
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

// settle hides a beginning of a secret that nothing follows, unless it is too short to be told from other text.
func (p *passage) settle(open int) {
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

// take takes away the text up to a place, as it may be shown: of each line, what is hidden as one mask.
func (p *passage) take(to int) []byte {
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
