package console

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is made of a stream.
const (
	maxLine     = 1 << 10 // bytes of a line; what is longer goes on in the next
	maxSequence = 4 << 10 // bytes of a control string, after which it was none
)

// within is what the next byte of a stream belongs to.
type within int

const (
	text          within = iota
	escape               // after ESC
	command              // a control sequence, ESC [
	controlString        // for an operating system or a device, until it is terminated
)

// cleaner makes lines of text out of what a terminal would be sent. Each line goes to emit once it is complete; the bytes are the cleaner's.
type cleaner struct {
	emit func(line []byte)

	in       within
	sequence int    // bytes of it so far
	rest     []byte // of a character that has not come whole
	line     []byte
	returned bool // to the beginning of the line
	blank    bool // the last line was empty
}

func (c *cleaner) write(p []byte) {
	for _, b := range p {
		if c.in == text && (b >= utf8.RuneSelf || len(c.rest) > 0) {
			c.rune(b)
			continue
		}
		c.byte(b)
	}
}

// rune collects the bytes of a character, and takes what is none for the replacement character.
func (c *cleaner) rune(b byte) {
	if b < utf8.RuneSelf { // the character was cut short
		c.rest = c.rest[:0]
		c.add(utf8.RuneError)
		c.byte(b)
		return
	}
	c.rest = append(c.rest, b)
	for len(c.rest) > 0 && utf8.FullRune(c.rest) {
		r, size := utf8.DecodeRune(c.rest)
		c.rest = append(c.rest[:0], c.rest[size:]...)
		if r == '\u009b' {
			c.begin(command)
			c.rest = c.rest[:0]
			return
		}
		c.add(r)
	}
}

// byte takes one byte outside of a longer character.
func (c *cleaner) byte(b byte) {
	switch c.in {
	case text:
		c.plain(b)
	case escape:
		c.escaped(b)
	case command:
		c.commanded(b)
	case controlString:
		c.sequence++
		switch {
		case b == 0x1b:
			c.begin(escape)
		case b == '\n':
			c.in = text
			c.end()
		case b == '\a' || c.sequence > maxSequence:
			c.in = text
		}
	}
}

func (c *cleaner) plain(b byte) {
	switch b {
	case 0x1b:
		c.begin(escape)
	case '\n':
		c.end()
	case '\r':
		c.returned = true
	case '\b':
		_, size := utf8.DecodeLastRune(c.line)
		c.line = c.line[:len(c.line)-size]
	case '\t':
		c.add(' ')
	default:
		if b >= ' ' && b != 0x7f {
			c.add(rune(b))
		}
	}
}

func (c *cleaner) begin(what within) { c.in, c.sequence = what, 0 }

func (c *cleaner) escaped(b byte) {
	c.sequence++
	switch {
	case b == '[':
		c.begin(command)
	case strings.IndexByte("]PX^_", b) >= 0:
		c.begin(controlString)
	case b >= ' ' && b <= '/' && c.sequence < maxSequence: // intermediate
	case b == 0x1b:
		c.begin(escape)
	case b < ' ':
		c.in = text
		c.plain(b)
	default:
		c.in = text
	}
}

func (c *cleaner) commanded(b byte) {
	c.sequence++
	switch {
	case b == 0x1b:
		c.begin(escape)
	case b < ' ':
		c.in = text
		c.plain(b)
	case b >= '@' || c.sequence > maxSequence:
		c.in = text
		c.obey(b)
	}
}

// obey takes from a command what matters to the text: where the cursor went another line begins.
func (c *cleaner) obey(final byte) {
	switch final {
	case 'A', 'B', 'E', 'F', 'H', 'J', 'd', 'f':
		if len(c.line) > 0 {
			c.end()
		}
	case 'C', 'G':
		if len(c.line) > 0 {
			c.add(' ')
		}
	}
}

// add puts a character at the end of the line; one that does not print is replaced.
func (c *cleaner) add(r rune) {
	if c.returned && len(c.line) > 0 { // the line is written again
		c.end()
	}
	c.returned = false
	if r != ' ' && !unicode.IsPrint(r) {
		r = utf8.RuneError
	}
	c.line = utf8.AppendRune(c.line, r)
	if len(c.line) >= maxLine {
		c.cut()
	}
}

// cut ends a line that is too long to wait for its end.
func (c *cleaner) cut() {
	if line := bytes.TrimRight(c.line, " "); len(line) > 0 {
		c.emit(line)
		c.blank = false
	}
	c.line = c.line[:0]
}

// end ends the line; of several empty ones, the first is one.
func (c *cleaner) end() {
	line := bytes.TrimRight(c.line, " ")
	c.line, c.returned = c.line[:0], false
	if len(line) > 0 || !c.blank {
		c.emit(line)
	}
	c.blank = len(line) == 0
}

// stop ends a line that nothing may follow.
func (c *cleaner) stop() {
	if len(c.line) > 0 {
		c.end()
	}
}
