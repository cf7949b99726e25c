package schemas

import (
	"encoding/json"
	"fmt"
	"strings"
)

// MaxConsents is how many consents a host may have.
const MaxConsents = 64

// EraseConsents are the consents of a host, at most one per disk. A single consent is written as a text, several as a
// list.
type EraseConsents []string

// UnmarshalText reads a single consent; "" is no consent.
func (e *EraseConsents) UnmarshalText(text []byte) error {
	if *e = nil; len(text) > 0 {
		*e = EraseConsents{string(text)}
	}
	return nil
}

// UnmarshalJSON reads a single consent, or a list.
func (e *EraseConsents) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		return e.UnmarshalText([]byte(one))
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("want a text or a list of texts: %w", err)
	}
	*e = list
	return nil
}

// MarshalJSON writes a single consent as a text.
func (e EraseConsents) MarshalJSON() ([]byte, error) {
	if len(e) == 1 {
		return json.Marshal(e[0])
	}
	return json.Marshal([]string(e))
}

// String is the value as a host's file has the value: "a", or ["a", "b"].
func (e EraseConsents) String() string {
	if len(e) == 1 {
		return fmt.Sprintf("%q", e[0])
	}
	quoted := make([]string, len(e))
	for i, consent := range e {
		quoted[i] = fmt.Sprintf("%q", consent)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// MinReader is the reader of a status page that has several consents in one value.
func (e EraseConsents) MinReader() int {
	if len(e) > 1 {
		return 3
	}
	return 0
}
