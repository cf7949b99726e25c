package console

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a cleaned stream.
const (
	maxLine     = 1 << 10 // bytes of a line; a longer line continues in the next
	maxSequence = 4 << 10 // bytes of a control string, after which the string is taken for text
)

// position says what the next byte of a stream belongs to.
type position int

const (
	text          position = iota
	escape                 // after ESC
	command                // a control sequence, ESC [
	controlString          // for an operating system or a device, until the terminator
)

// cleaner makes lines of text from a terminal's byte stream. Every complete line goes to emit; the slice belongs to the
// cleaner.
type cleaner struct {
	emit func(line []byte)

	in       position
	sequence int    // bytes of the sequence so far
	rest     []byte // of a character whose bytes have not all come
	line     []byte
	returned bool // the cursor is at the beginning of the line
	blank    bool // the last line was empty
}

func (c *cleaner) writeBytes(p []byte) {
	for _, b := range p {
		if c.in == text && (b >= utf8.RuneSelf || len(c.rest) > 0) {
			c.addRuneByte(b)
			continue
		}
		c.addByte(b)
	}
}

// addRuneByte collects the bytes of a character. Invalid bytes become the replacement character.
func (c *cleaner) addRuneByte(b byte) {
	if b < utf8.RuneSelf { // the character was cut short
		c.rest = c.rest[:0]
		c.addRune(utf8.RuneError)
		c.addByte(b)
		return
	}
	c.rest = append(c.rest, b)
	for len(c.rest) > 0 && utf8.FullRune(c.rest) {
		r, size := utf8.DecodeRune(c.rest)
		c.rest = append(c.rest[:0], c.rest[size:]...)
		if r == '\u009b' {
			c.beginSequence(command)
			c.rest = c.rest[:0]
			return
		}
		c.addRune(r)
	}
}

// addByte takes one byte outside of a multi-byte character.
func (c *cleaner) addByte(b byte) {
	switch c.in {
	case text:
		c.addPlain(b)
	case escape:
		c.addAfterEscape(b)
	case command:
		c.addToCommand(b)
	case controlString:
		c.sequence++
		switch {
		case b == 0x1b:
			c.beginSequence(escape)
		case b == '\n':
			c.in = text
			c.endLine()
		case b == '\a' || c.sequence > maxSequence:
			c.in = text
		}
	}
}

func (c *cleaner) addPlain(b byte) {
	switch b {
	case 0x1b:
		c.beginSequence(escape)
	case '\n':
		c.endLine()
	case '\r':
		c.returned = true
	case '\b':
		_, size := utf8.DecodeLastRune(c.line)
		c.line = c.line[:len(c.line)-size]
	case '\t':
		c.addRune(' ')
	default:
		if b >= ' ' && b != 0x7f {
			c.addRune(rune(b))
		}
	}
}

func (c *cleaner) beginSequence(what position) { c.in, c.sequence = what, 0 }

func (c *cleaner) addAfterEscape(b byte) {
	c.sequence++
	switch {
	case b == '[':
		c.beginSequence(command)
	case strings.IndexByte("]PX^_", b) >= 0:
		c.beginSequence(controlString)
	case b >= ' ' && b <= '/' && c.sequence < maxSequence: // intermediate
	case b == 0x1b:
		c.beginSequence(escape)
	case b < ' ':
		c.in = text
		c.addPlain(b)
	default:
		c.in = text
	}
}

func (c *cleaner) addToCommand(b byte) {
	c.sequence++
	switch {
	case b == 0x1b:
		c.beginSequence(escape)
	case b < ' ':
		c.in = text
		c.addPlain(b)
	case b >= '@' || c.sequence > maxSequence:
		c.in = text
		c.applyCommand(b)
	}
}

// applyCommand takes from a control sequence what matters to the text: a moved cursor begins a new line or a gap.
func (c *cleaner) applyCommand(final byte) {
	switch final {
	case 'A', 'B', 'E', 'F', 'H', 'J', 'd', 'f':
		if len(c.line) > 0 {
			c.endLine()
		}
	case 'C', 'G':
		if len(c.line) > 0 {
			c.addRune(' ')
		}
	}
}

// addRune appends a character to the line; unprintable characters are replaced.
func (c *cleaner) addRune(r rune) {
	if c.returned && len(c.line) > 0 { // the line is overwritten
		c.endLine()
	}
	c.returned = false
	if r != ' ' && !unicode.IsPrint(r) {
		r = utf8.RuneError
	}
	c.line = utf8.AppendRune(c.line, r)
	if len(c.line) >= maxLine {
		c.cutLine()
	}
}

// cutLine ends a line that has reached the maximal length.
func (c *cleaner) cutLine() {
	if line := bytes.TrimRight(c.line, " "); len(line) > 0 {
		c.emit(line)
		c.blank = false
	}
	c.line = c.line[:0]
}

// endLine ends the line; of several empty lines only the first is emitted.
func (c *cleaner) endLine() {
	line := bytes.TrimRight(c.line, " ")
	c.line, c.returned = c.line[:0], false
	if len(line) > 0 || !c.blank {
		c.emit(line)
	}
	c.blank = len(line) == 0
}

// endPartial ends a line after which the stream ends.
func (c *cleaner) endPartial() {
	if len(c.line) > 0 {
		c.endLine()
	}
}
