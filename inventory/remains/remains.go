// Package remains reads what is left of a record or a page that cannot be read whole. Call Read with its JSON. Do not
// decide anything else from such a record: the parts that are read only forbid actions.
package remains

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
)

// maxCount is the highest epoch, revision and number of a life that is taken from partly readable bytes: no real count
// is so high, and the next number fits.
const maxCount = 1 << 48

// Read gives the readable part of a record or a page whose JSON cannot be read completely: life, revision, epoch,
// and the consents that count as spent, including the consents of an operation under way. These parts only forbid
// actions, so they are taken even from bytes without a trusted source.
func Read(data []byte) inventory.Record {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	var r inventory.Record
	read := func(name string, into any) bool { return json.Unmarshal(members[name], into) == nil }
	if !read("life", &r.Life) || r.Life.Number > maxCount {
		r.Life = inventory.Life{}
	}
	if !read("revision", &r.Revision) || r.Revision > maxCount {
		r.Revision = 0
	}
	if !read("epoch", &r.Epoch) || r.Epoch > maxCount {
		r.Epoch = 0
	}
	read("spent", &r.Spent)
	var operation any
	read("operation", &operation)
	r.Spent = append(r.Spent, collectConsents(operation)...)
	return r
}

// collectConsents gives the texts of all members named consent, at any depth of a decoded JSON value.
func collectConsents(value any) (found []string) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			found = append(found, collectConsents(item)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if text, is := value[name].(string); is && name == "consent" && text != "" {
				found = append(found, text)
				continue
			}
			found = append(found, collectConsents(value[name])...)
		}
	}
	return found
}
