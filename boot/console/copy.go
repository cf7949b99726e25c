package console

import (
	"bytes"
	"io"
)

// masking masks complete lines. A line whose end may be the beginning of a secret waits for the next lines.
type masking struct {
	secrets *Secrets
	pending passage // complete lines whose end may be the beginning of a secret
	lines   []byte  // masked
}

// addLine takes a complete line.
func (m *masking) addLine(line []byte) {
	m.pending.appendText(line...)
	m.pending.appendText('\n')
	open := m.pending.hideSecrets(m.secrets)
	if open < len(m.pending.text) {
		open = bytes.LastIndexByte(m.pending.text[:open], '\n') + 1
	}
	m.lines = append(m.lines, m.pending.takeMasked(open)...)
}

// endLines masks a possible secret at the end.
func (m *masking) endLines() {
	m.pending.hideOpenEnd(m.pending.hideSecrets(m.secrets))
	m.lines = append(m.lines, m.pending.takeMasked(len(m.pending.text))...)
}

// copiedAtOnce is how many bytes CopyText takes at a time.
const copiedAtOnce = 32 << 10

// CopyText copies what a machine said as lines for people: without what would steer a terminal, lines longer than 1 KiB
// in pieces, and with a mask in place of every secret, in the forms of Secrets. CopyText holds some lines in memory, never
// the whole text. At an error of in, the text before the error is copied.
func CopyText(out io.Writer, in io.Reader, secrets *Secrets) error {
	m := masking{secrets: secrets}
	c := cleaner{emit: m.addLine}
	for chunk := make([]byte, copiedAtOnce); ; {
		n, err := in.Read(chunk)
		c.writeBytes(chunk[:n])
		if err != nil {
			c.endPartial()
			m.endLines()
		}
		if _, failed := out.Write(m.lines); failed != nil {
			return failed
		}
		m.lines = m.lines[:0]
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
