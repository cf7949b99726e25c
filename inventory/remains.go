package inventory

import (
	"encoding/json"
	"maps"
	"slices"
)

// maxCount is the highest epoch, revision and number of a life that is taken from bytes which cannot be read as a
// whole: nobody counts so far, and the next one fits.
const maxCount = 1 << 48

// Remains gives what can be read of a record or a page, as JSON, whose rest cannot be read: life, revision, epoch,
// and the consents that count as spent, among them those of an operation under way. All these only forbid something,
// so they are taken even where nobody vouches for the bytes.
func Remains(data []byte) Record {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	var r Record
	read := func(name string, into any) bool { return json.Unmarshal(members[name], into) == nil }
	if !read("life", &r.Life) || r.Life.Number > maxCount {
		r.Life = Life{}
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
	r.Spent = append(r.Spent, consents(operation)...)
	return r
}

// consents are the texts under the name consent, anywhere in a value that was read from JSON.
func consents(value any) (found []string) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			found = append(found, consents(item)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if text, is := value[name].(string); is && name == "consent" && text != "" {
				found = append(found, text)
				continue
			}
			found = append(found, consents(value[name])...)
		}
	}
	return found
}
