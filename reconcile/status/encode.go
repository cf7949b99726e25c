package status

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/inventory/format"
)

// encodeDocument gives the bytes of a document, in the order of the field names: the same value gives the same bytes.
// Machines may report any text: characters that YAML does not allow are escaped, and read back unchanged.
func encodeDocument(document any) []byte {
	body, err := format.Marshal(document)
	if err == nil {
		body, err = yaml.JSONToYAML([]byte(escapeJSON(string(body))))
	}
	if err != nil {
		panic("status: " + err.Error()) // our own structs of strings, numbers and times
	}
	return body
}

// decodeDocument reads the bytes of a document, and keeps unknown members. A member that is there twice is refused.
func decodeDocument(data []byte, into any) error {
	strict := yaml.UnmarshalStrict(data, into)
	if strict == nil {
		return nil
	}
	body, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return strict
	}
	return format.Unmarshal(body, into)
}

// escapeJSON escapes the characters that JSON allows in strings and YAML 1.1 (section 5.1) does not allow in a file.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 0x7f && r < 0xa0, r == 0xfeff, r == 0xfffe, r == 0xffff:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
