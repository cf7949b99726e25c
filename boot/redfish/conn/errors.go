package conn

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Kind says how talking to a BMC failed.
type Kind string

// The kinds of failure.
const (
	Unreachable  Kind = "Unreachable"  // no answer within the deadline
	Unauthorized Kind = "Unauthorized" // the credentials were refused, or are not tried again yet
	Refused      Kind = "Refused"      // the BMC answered with an error
	Protocol     Kind = "Protocol"     // the answer is not Redfish, leads elsewhere, or is too large
	NotSent      Kind = "NotSent"      // the request was kept back: this daemon may change nothing now
)

// Error is the error of every call. The text ends with what a person can do.
type Error struct {
	Kind   Kind
	Doing  string // what was attempted
	Host   string // host and port of the BMC
	Status int    // HTTP status, or 0 when there was no answer
	// MessageID is the Redfish message without its registry, for example ResourceInUse; often empty.
	MessageID string
	Detail    string // what the BMC or the network said
	Hint      string // what to do next
	// Temporary says that the same call may succeed later by itself.
	Temporary bool
	// Certificate is the fingerprint of the certificate that the BMC showed in place of a trusted one; "" otherwise.
	Certificate string
	cause       error
	related     []string // properties and parameters that the BMC named
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: BMC %s: %s", e.Doing, e.Host, kindText[e.Kind])
	if e.Status != 0 {
		text += fmt.Sprintf(" (%s)", strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.MessageID)))
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text + "; " + e.Hint
}

var kindText = map[Kind]string{
	Unreachable:  "no answer",
	Unauthorized: "the credentials were refused",
	Refused:      "refused",
	Protocol:     "the answer cannot be used",
	NotSent:      "nothing was sent",
}

// Unwrap returns the cause, if the cause is an error of this process or of the network.
func (e *Error) Unwrap() error { return e.cause }

// Reach gives the error in the planner's words.
func (e *Error) Reach() inventory.Reach {
	switch e.Kind {
	case Unreachable, NotSent:
		return inventory.Unreachable
	case Unauthorized:
		return inventory.Unauthorized
	case Refused, Protocol:
		return inventory.Refused
	default:
		panic(fmt.Sprintf("redfish: kind %q has no reach", e.Kind))
	}
}

// AsError returns the *Error in err, or nil.
func AsError(err error) *Error {
	var found *Error
	if errors.As(err, &found) {
		return found
	}
	return nil
}

// IsAbsent reports whether an error says that there is no such resource at the BMC, or none that can be read.
func IsAbsent(err error) bool {
	said := AsError(err)
	return said != nil && slices.Contains([]int{http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed,
		http.StatusNotImplemented}, said.Status)
}

// IsPart reports whether an error is about the part that was asked for: the BMC answered, and knows the account.
func IsPart(err error) bool {
	said := AsError(err)
	return said != nil && (said.Kind == Refused || said.Kind == Protocol)
}

// maxDetail bounds how much of a BMC's text goes into an error, in bytes.
const maxDetail = 300

// refusalError makes the error for a refusing answer.
func (c *Conn) refusalError(doing string, got answer) *Error {
	e := &Error{Kind: Refused, Doing: doing, Host: c.base.Host, Status: got.status}
	var said []string
	for _, m := range parseMessages(got.body) {
		if e.MessageID == "" {
			e.MessageID = m.id()
		}
		said = append(said, m.text())
		e.related = append(e.related, m.RelatedProperties...)
		for _, argument := range m.MessageArgs {
			e.related = append(e.related, fmt.Sprint(argument))
		}
	}
	e.Detail = c.scrubText(strings.Join(said, " "))
	e.Temporary = isTemporary(got.status, string(got.body))
	e.Hint = hintFor(e)
	return e
}

// notNow are words by which BMCs say that the same request may succeed later.
var notNow = []string{
	"UnableToModifyDuringSystemPOST", "InvalidOperationForSystemState", "ServiceTemporarilyUnavailable",
	"ServiceInUnknownState",
	"ActionParameterValueConflict", "ResourceInUse", "ResourceInStandby", "SYS518", "SYS446", "not ready",
	"SessionLimitExceeded",
}

func isTemporary(status int, body string) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	for _, word := range notNow {
		if strings.Contains(body, word) {
			return true
		}
	}
	return false
}

func hintFor(e *Error) string {
	switch {
	case e.Temporary:
		return "it is tried again"
	case e.MessageID == "PasswordChangeRequired":
		return "log in at the BMC with this account, change its password, and put the new one into the Secret that " +
			"spec.bmc.credentials names"
	case e.Status == http.StatusForbidden:
		return "give the account the privileges ConfigureComponents and ConfigureManager, or check the BMC's licence"
	case e.Status == http.StatusNotFound:
		return "check the path in spec.bmc.address with `ingot bmc check`"
	default:
		return "see what the BMC offers with `ingot bmc check`"
	}
}

// NamesProperty reports whether the BMC's error is about a property or parameter.
func (e *Error) NamesProperty(property string) bool {
	if strings.Contains(e.Detail, property) {
		return true
	}
	for _, related := range e.related {
		if strings.HasSuffix(related, property) {
			return true
		}
	}
	return false
}

// NamedBelow is the path below another that the BMC's error names, or empty.
func (e *Error) NamedBelow(path string) string {
	for _, related := range e.related {
		if strings.HasPrefix(related, path+"/") {
			return related
		}
	}
	return ""
}

// scrubText shortens a BMC's text and removes our secrets, which the BMC may echo.
func (c *Conn) scrubText(said string) string {
	c.mu.Lock()
	token := c.session.token
	c.mu.Unlock()
	for _, hidden := range []string{c.config.Password.Reveal(), token} {
		if hidden != "" {
			said = strings.ReplaceAll(said, hidden, "***")
		}
	}
	said = strings.Join(strings.Fields(said), " ")
	if len(said) > maxDetail {
		said = said[:maxDetail] + "…"
	}
	return strings.ToValidUTF8(said, "?")
}
