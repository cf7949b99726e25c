package ipmi

import (
	"context"
	"errors"
	"fmt"
)

// Network functions of requests (table 5-1). The answer has the next odd number.
const (
	netFnApp       byte = 0x06
	netFnTransport byte = 0x0c
)

// Request is a message to the BMC.
type Request struct {
	Name  string // as the specification names the command
	NetFn byte
	Code  byte
	Data  []byte
}

// BMC sends a request, and gives the completion code and the data of the answer. An error means that there was no
// answer: nobody knows whether the BMC carried the request out.
type BMC interface {
	Send(ctx context.Context, r Request) (code byte, data []byte, err error)
}

// Command is a request with the function that reads its answer. The data begin behind the completion code.
type Command[T any] struct {
	Request
	parse func(data []byte) (T, error)
}

// Done is the answer that has no data.
type Done struct{}

// Ask sends a command and reads the answer. The error is a *CodeError if the BMC refused, or says that there was no
// answer, or that the answer cannot be read.
func Ask[T any](ctx context.Context, bmc BMC, c Command[T]) (T, error) {
	var none T
	code, data, err := bmc.Send(ctx, c.Request)
	if err != nil {
		return none, fmt.Errorf("%s: %w", c.Name, err)
	}
	if code != 0 {
		return none, &CodeError{Request: c.withoutData(), Code: code}
	}
	answer, err := c.parse(data)
	if err != nil {
		return none, fmt.Errorf("%s: the BMC's answer cannot be read: %w", c.Name, err)
	}
	return answer, nil
}

// withoutData is the request without its data, which may hold a password.
func (r Request) withoutData() Request {
	r.Data = nil
	return r
}

// String names the request. The data are left out: they may hold a password.
func (r Request) String() string { return r.Name }

// GoString implements fmt.GoStringer like String.
func (r Request) GoString() string { return r.Name }

// Format implements fmt.Formatter like String, for every verb.
func (r Request) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, r.Name) }

// Completion codes of every command (table 5-2).
const (
	CodeBusy             byte = 0xc0
	CodeInvalidCommand   byte = 0xc1
	CodeInvalidForLUN    byte = 0xc2
	CodeTimeout          byte = 0xc3
	CodeNoSpace          byte = 0xc4
	CodeTruncated        byte = 0xc6
	CodeLength           byte = 0xc7
	CodeTooLong          byte = 0xc8
	CodeOutOfRange       byte = 0xc9
	CodeNotPresent       byte = 0xcb
	CodeInvalidField     byte = 0xcc
	CodeNoAnswer         byte = 0xce
	CodeUpdate           byte = 0xd1
	CodeInitializing     byte = 0xd2
	CodePrivilege        byte = 0xd4
	CodeState            byte = 0xd5
	CodeDisabled         byte = 0xd6
	CodeUnspecified      byte = 0xff
	codeOfCommand        byte = 0x80 // the first code that means something else for each command
	codePasswordMismatch byte = 0x80 // Set User Password
	codePasswordSize     byte = 0x81 // Set User Password
)

// meanings are the words of table 5-2 for people.
var meanings = map[byte]string{
	CodeBusy:           "the BMC is busy",
	CodeInvalidCommand: "the BMC does not know this command",
	CodeInvalidForLUN:  "the BMC does not know this command here",
	CodeTimeout:        "the BMC did not get done in time",
	CodeNoSpace:        "the BMC has no space left",
	CodeTruncated:      "the BMC got only a part of the request",
	CodeLength:         "the BMC does not take a request of this length",
	CodeTooLong:        "the BMC does not take a field of this length",
	CodeOutOfRange:     "a value is out of the BMC's range",
	CodeNotPresent:     "the BMC has nothing there",
	CodeInvalidField:   "the BMC does not take a value of the request",
	CodeNoAnswer:       "the BMC could not make an answer",
	CodeUpdate:         "the BMC's firmware is being updated",
	CodeInitializing:   "the BMC is starting",
	CodePrivilege:      "the BMC does not let this interface do that",
	CodeState:          "the BMC does not do that in its present state",
	CodeDisabled:       "the BMC has this switched off",
	CodeUnspecified:    "the BMC failed without a reason",
}

// meaningsOf are the words for codes that mean something else for each command.
var meaningsOf = map[byte]map[byte]string{
	codeSetUserPassword: {codePasswordMismatch: "the BMC keeps another password", codePasswordSize: "the BMC keeps a " +
		"password of another length"},
	codeGetLAN:        {codeOfCommand: "the BMC does not have this parameter"},
	codeGetSystemInfo: {codeOfCommand: "the BMC does not have this parameter"},
	codeSetSystemInfo: {codeOfCommand: "the BMC does not have this parameter", 0x82: "the parameter is read-only"},
}

// CodeError is a completion code other than 0: the BMC answered, and did not do it.
type CodeError struct {
	Request Request // without data
	Code    byte
}

// Error names the command, the meaning and the code.
func (e *CodeError) Error() string {
	return fmt.Sprintf("%s: %s (completion code 0x%02x)", e.Request.Name, e.Meaning(), e.Code)
}

// Meaning says in words what the code means for this command.
func (e *CodeError) Meaning() string {
	if words := meaningsOf[e.Request.Code][e.Code]; words != "" {
		return words
	}
	if words := meanings[e.Code]; words != "" {
		return words
	}
	return "the BMC refused"
}

// HasCode reports whether an error is one of the completion codes.
func HasCode(err error, codes ...byte) bool {
	var refused *CodeError
	if !errors.As(err, &refused) {
		return false
	}
	for _, code := range codes {
		if refused.Code == code {
			return true
		}
	}
	return false
}

// WantsAnotherPassword reports whether an error of TestPassword says that the BMC keeps another password, or a password
// of another length.
func WantsAnotherPassword(err error) bool {
	return HasCode(err, codePasswordMismatch, codePasswordSize)
}

// ErrShort means that an answer ends before a field that the specification requires.
var ErrShort = errors.New("it is too short")

// parseDone reads an answer without data.
func parseDone([]byte) (Done, error) { return Done{}, nil }
