package console

// Kind says how reading failed.
type Kind string

// Kinds of failure.
const (
	Unreachable  Kind = "Unreachable"  // no answer within the deadline
	WrongKey     Kind = "WrongKey"     // the server showed another host key: no password was sent
	Unauthorized Kind = "Unauthorized" // the server refused the password
	Refused      Kind = "Refused"      // the server gives no console
	Ended        Kind = "Ended"        // the console was there, and the connection ended
)

// Error is the error of Read.
type Error struct {
	Kind Kind
	Seen []string // WrongKey: fingerprints of the shown host keys
	text string
	err  error
}

func (e *Error) Error() string { return e.text }
