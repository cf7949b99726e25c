package ipmi

import (
	"bytes"
	"fmt"
)

// Codes of the commands about the system's information.
const (
	codeSetSystemInfo byte = 0x58
	codeGetSystemInfo byte = 0x59
)

// Parameters of the system's information (table 22-16c). OSName is forgotten when the machine starts anew.
const (
	SystemName byte = 2
	OSName     byte = 4
)

// maxSystemText is the length of a text that goes into the first block: 16 bytes without encoding and length.
const maxSystemText = 14

// SetSystemText writes a text of at most 14 ASCII characters (section 22.14a).
func SetSystemText(parameter byte, text string) (Command[Done], error) {
	if len(text) > maxSystemText {
		return Command[Done]{}, fmt.Errorf("a text of the system's information has at most %d bytes here", maxSystemText)
	}
	const ascii = 0
	data := append([]byte{parameter, 0, ascii, byte(len(text))}, make([]byte, maxSystemText)...)
	copy(data[4:], text)
	return Command[Done]{Request{"Set System Info Parameters", netFnApp, codeSetSystemInfo, data}, parseDone}, nil
}

// GetSystemText reads the first 14 bytes of a text (section 22.14b).
func GetSystemText(parameter byte) Command[string] {
	return Command[string]{Request{"Get System Info Parameters", netFnApp, codeGetSystemInfo, []byte{0, parameter, 0, 0}},
		func(d []byte) (string, error) {
			// revision, set selector, encoding, length, text
			if len(d) < 4 {
				return "", ErrShort
			}
			text := d[4:min(len(d), 4+int(d[3]))]
			return string(bytes.TrimRight(text, "\x00")), nil
		}}
}
