package conn

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// message is an entry of @Message.ExtendedInfo; real BMCs omit any of the fields.
type message struct {
	MessageID         string `json:"MessageId"`
	Message           string
	MessageArgs       []any
	RelatedProperties []string
}

// extendedInfo ends the names of members that hold messages; a property's name may stand before it.
const extendedInfo = "@Message.ExtendedInfo"

// parseMessages finds a BMC's messages in every place where BMCs put them: in error's ExtendedInfo, in ExtendedInfo
// beside or without error, in the ExtendedInfo of a property (NVIDIA), or bare in error or in the document. The more
// exact places are looked at first, and the first that has messages counts.
func parseMessages(body []byte) []message {
	var doc map[string]json.RawMessage
	if json.NewDecoder(bytes.NewReader(body)).Decode(&doc) != nil {
		return nil
	}
	var inError map[string]json.RawMessage
	_ = json.Unmarshal(doc["error"], &inError) // an error that is a text is read as a bare message below
	for _, place := range []map[string]json.RawMessage{inError, doc} {
		if list := extendedMessages(place); len(list) > 0 {
			return list
		}
	}
	for _, bare := range []json.RawMessage{inError["message"], doc["error"], doc["message"], doc["Message"]} {
		text := textOf(bare)
		if text != "" {
			return []message{{MessageID: textOf(inError["code"]), Message: text}}
		}
	}
	if code := textOf(inError["code"]); code != "" {
		return []message{{MessageID: code}}
	}
	return nil
}

func textOf(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text) // a member that is no text counts as empty
	return text
}

// extendedMessages reads the members of a document that hold messages: each a list, or a single object (iDRAC).
func extendedMessages(doc map[string]json.RawMessage) []message {
	var found []message
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		property, holds := strings.CutSuffix(name, extendedInfo)
		if !holds {
			continue
		}
		var list []message
		if json.Unmarshal(doc[name], &list) != nil {
			var single message
			if json.Unmarshal(doc[name], &single) != nil {
				continue
			}
			list = []message{single}
		}
		for _, m := range list {
			if property != "" {
				m.RelatedProperties = append(m.RelatedProperties, property)
			}
			if m.MessageID != "" || m.Message != "" {
				found = append(found, m)
			}
		}
	}
	return found
}

// id is the message's identifier without its registry and version.
func (m message) id() string { return m.MessageID[strings.LastIndex(m.MessageID, ".")+1:] }

// sentences are the texts of DMTF's Base registry for messages that BMCs send without a text; %1 and %2 stand for the
// arguments.
var sentences = map[string]string{
	"AccessDenied":                    "the account has no access to %1",
	"ActionNotSupported":              "the action %1 is not supported",
	"ActionParameterMissing":          "the action %1 needs the parameter %2",
	"ActionParameterNotSupported":     "the parameter %1 of the action %2 is not supported",
	"ActionParameterUnknown":          "the action %1 does not know the parameter %2",
	"ActionParameterValueFormatError": "the value %1 of the parameter %2 has a form that is not accepted",
	"ActionParameterValueNotInList":   "the value %1 of the parameter %2 is not in the list of accepted values",
	"InsufficientPrivilege":           "the account's privileges are not enough",
	"PasswordChangeRequired":          "the account's password must be changed first (%1)",
	"PropertyMissing":                 "the property %1 is required",
	"PropertyNotWritable":             "the property %1 is read-only",
	"PropertyUnknown":                 "the property %1 is not known",
	"PropertyValueFormatError":        "the value %1 of the property %2 has a form that is not accepted",
	"PropertyValueNotInList":          "the value %1 of the property %2 is not in the list of accepted values",
	"PropertyValueTypeError":          "the value %1 of the property %2 has a type that is not accepted",
	"ResourceInUse":                   "the resource is in use",
	"ResourceMissingAtURI":            "there is no resource at %1",
	"ServiceTemporarilyUnavailable":   "the service is not available now, and wants to be asked again after %1 s",
	"SessionLimitExceeded":            "the limit of sessions is reached",
}

// text is what the BMC says, or a sentence made of identifier and arguments where the BMC sends no text.
func (m message) text() string {
	if m.Message != "" || m.MessageID == "" {
		return m.Message
	}
	arguments := make([]string, 0, len(m.MessageArgs))
	for _, argument := range m.MessageArgs {
		arguments = append(arguments, fmt.Sprint(argument))
	}
	said, known := sentences[m.id()]
	if !known {
		said = m.id()
		if about := cmp.Or(strings.Join(arguments, ", "), strings.Join(m.RelatedProperties, ", ")); about != "" {
			said += " (" + about + ")"
		}
		return said
	}
	arguments = append(arguments, m.RelatedProperties...) // where arguments are missing, the properties say something
	for i, place := range []string{"%1", "%2"} {
		value := "?"
		if i < len(arguments) {
			value = arguments[i]
		}
		said = strings.ReplaceAll(said, place, value)
	}
	return said
}
