package status

import (
	"bytes"
	"encoding/json"
	"strconv"

	yamlv2 "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/inventory/format"
)

// Encode gives the bytes of a document of the status branch.
func Encode(document any) []byte { return encodeDocument(document) }

// Decode reads the bytes of a document of the status branch, and keeps unknown members.
func Decode(data []byte, into any) error { return decodeDocument(data, into) }

// encodeDocument gives the bytes of a document, in the order of the field names: the same value gives the same bytes.
func encodeDocument(document any) []byte {
	body, err := format.Marshal(document)
	if err == nil {
		body, err = encodeYAML(body)
	}
	if err != nil {
		panic("status: " + err.Error()) // our own structs of strings, numbers and times
	}
	return body
}

// encodeYAML gives JSON as YAML: the same bytes as sigs.k8s.io/yaml.JSONToYAML, which reads the JSON as YAML and takes
// twice as long.
func encodeYAML(body []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	value, err := readNumbers(value)
	if err != nil {
		return nil, err
	}
	return yamlv2.Marshal(value)
}

// readNumbers gives a value of JSON with its numbers as YAML reads them: whole ones as integers.
func readNumbers(value any) (_ any, err error) {
	switch v := value.(type) {
	case json.Number:
		if whole, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return whole, nil
		}
		if whole, err := strconv.ParseUint(string(v), 10, 64); err == nil {
			return whole, nil
		}
		return v.Float64()
	case map[string]any:
		for name := range v {
			if v[name], err = readNumbers(v[name]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = readNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
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
