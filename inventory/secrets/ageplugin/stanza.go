package ageplugin

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// The plug-in protocol is C2SP's age-plugin.md: both sides send stanzas, and the plug-in's commands are answered one by
// one.

const (
	columns   = 64      // of a line of a body; a shorter line ends the body
	maxStanza = 1 << 16 // bytes of a stanza that are read
	maxTalk   = 1000    // commands of a plug-in that are answered
)

var encoding = base64.RawStdEncoding.Strict()

// writeStanza writes a stanza.
func writeStanza(out *bytes.Buffer, kind string, args []string, body []byte) {
	out.WriteString("-> " + strings.Join(append([]string{kind}, args...), " ") + "\n")
	text := encoding.EncodeToString(body)
	for len(text) >= columns {
		out.WriteString(text[:columns] + "\n")
		text = text[columns:]
	}
	out.WriteString(text + "\n")
}

func newReader(out io.Reader) *bufio.Reader { return bufio.NewReaderSize(out, maxStanza) }

var errTalk = errors.New("it does not speak the protocol of age plug-ins")

// readStanza reads a stanza: its words and its body.
func readStanza(reader *bufio.Reader) (words []string, body []byte, err error) {
	line, err := readLine(reader)
	if err != nil {
		return nil, nil, err
	}
	head, is := strings.CutPrefix(line, "-> ")
	if !is {
		return nil, nil, errTalk
	}
	text := ""
	for {
		if line, err = readLine(reader); err != nil {
			return nil, nil, err
		}
		if text += line; len(text) > maxStanza {
			return nil, nil, errTalk
		}
		if len(line) < columns {
			break
		}
	}
	if body, err = encoding.DecodeString(text); err != nil {
		return nil, nil, errTalk
	}
	return strings.Split(head, " "), body, nil
}

func readLine(reader *bufio.Reader) (string, error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return "", errTalk
	}
	return string(bytes.TrimSuffix(line, []byte("\n"))), nil
}

// dialog is a run of a plug-in.
type dialog struct {
	in     io.Writer
	reader *bufio.Reader
}

// unwrap asks for the file's key, and answers the plug-in until it is done. Questions to a person are declined.
func (d *dialog) unwrap(opening []byte) (key []byte, err error) {
	if _, err := d.in.Write(opening); err != nil {
		return nil, errTalk
	}
	var problem error
	for range maxTalk {
		words, body, err := readStanza(d.reader)
		if err != nil {
			return nil, cmp.Or(problem, err)
		}
		answer := "ok"
		switch words[0] {
		case "file-key":
			key = body
		case "error":
			problem = cmp.Or(problem, errors.New(printable(body)))
		case "msg":
		case "confirm", "request-public", "request-secret":
			answer = "fail"
			problem = cmp.Or(problem, fmt.Errorf("it asks a person: %s", printable(body)))
		case "done":
			if key == nil && problem == nil {
				problem = age.ErrIncorrectIdentity
			}
			return key, problem
		default:
			answer = "unsupported"
		}
		var reply bytes.Buffer
		writeStanza(&reply, answer, nil, nil)
		if _, err := d.in.Write(reply.Bytes()); err != nil {
			return nil, cmp.Or(problem, errTalk)
		}
	}
	return nil, errTalk
}
