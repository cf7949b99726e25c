package steps

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Mistake is a mistake in a schema or in arguments. Field is relative to the schema or to the arguments, such as
// .files[0].path; "" is the whole.
type Mistake struct{ Field, Message, Hint string }

// Schema is the schema of a Step's arguments. The zero Schema takes no arguments.
type Schema struct {
	source   map[string]any
	compiled *jsonschema.Schema
}

const draft = "https://json-schema.org/draft/2020-12/schema"

// secretKeyword says that a value is a secret.
const secretKeyword = "x-ingot-secret"

// secretsKeyword with secretsAllowed says that a value, and every value in it, may be a secret.
const (
	secretsKeyword = "x-ingot-secrets"
	secretsAllowed = "allowed"
)

// refusedKeywords would make a schema depend on other documents, or on the order of documents.
var refusedKeywords = []string{"$ref", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor", "$vocabulary"}

// Compile compiles the schema of a Step's arguments; a nil source takes no arguments. With mistakes the Schema takes
// none.
func Compile(source map[string]any) (Schema, []Mistake) {
	if source == nil {
		return Schema{}, nil
	}
	if mistakes := findRefused("", source); len(mistakes) > 0 {
		return Schema{}, mistakes
	}
	if said, ok := source["$schema"]; ok && said != draft {
		return Schema{}, []Mistake{{".$schema", "only JSON Schema 2020-12 is read", "leave it out"}}
	}
	if source["type"] != "object" {
		return Schema{}, []Mistake{{".type", "the schema of arguments is of another type", "write type: object"}}
	}
	closed := maps.Clone(source)
	if _, said := closed["additionalProperties"]; !said {
		closed["additionalProperties"] = false
	}
	document, err := toJSON(closed)
	if err != nil {
		return Schema{}, []Mistake{{"", "cannot be written as JSON: " + err.Error(), ""}}
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noLoader{})
	const name = "ingot:args"
	if err := compiler.AddResource(name, document); err != nil {
		return Schema{}, explainSchema(document, err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return Schema{}, explainSchema(document, err)
	}
	s := Schema{source: closed, compiled: compiled}
	return s, s.checkDefaults()
}

// noLoader loads nothing: a schema is whole.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) {
	return nil, errors.New("schemas are not loaded from elsewhere")
}

// findRefused finds keywords that a schema may not have, and misspelt keywords of ingot. A property may not have the
// name of a refused keyword.
func findRefused(field string, value any) []Mistake {
	var mistakes []Mistake
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := field + "." + key
			switch {
			case slices.Contains(refusedKeywords, key):
				mistakes = append(mistakes, Mistake{at, key + " is not read", "write the schema where it is used"})
			case key == secretKeyword && v[key] != true && v[key] != false:
				mistakes = append(mistakes, Mistake{at, "want true or false", ""})
			case key == secretsKeyword && v[key] != secretsAllowed:
				mistakes = append(mistakes, Mistake{at, "want " + secretsAllowed, ""})
			case strings.HasPrefix(key, "x-ingot-") && key != secretKeyword && key != secretsKeyword:
				mistakes = append(mistakes, Mistake{at, "there is no such keyword", "ingot knows " + secretKeyword})
			}
			mistakes = append(mistakes, findRefused(at, v[key])...)
		}
	case []any:
		for i, item := range v {
			mistakes = append(mistakes, findRefused(fmt.Sprintf("%s[%d]", field, i), item)...)
		}
	}
	return mistakes
}

// checkDefaults finds defaults that the schema itself refuses.
func (s Schema) checkDefaults() []Mistake {
	var mistakes []Mistake
	properties, _ := s.source["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, _ := properties[name].(map[string]any)
		value, given := property["default"]
		at := ".properties." + name + ".default"
		if part := s.compiled.Properties[name]; given && part != nil {
			if document, err := toJSON(value); err != nil || part.Validate(document) != nil {
				mistakes = append(mistakes, Mistake{at, "the schema refuses this value", ""})
			}
		}
		if given && property[secretKeyword] == true {
			mistakes = append(mistakes, Mistake{at, "a secret has no default", "leave it out"})
		}
	}
	return mistakes
}

// explainSchema gives the mistakes behind an error of the compiler.
func explainSchema(document any, err error) []Mistake {
	var invalid *jsonschema.SchemaValidationError
	var found *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &found) {
		return listMistakes(document, found)
	}
	return []Mistake{{"", "not a JSON Schema: " + err.Error(), ""}}
}

// printer words the messages of package jsonschema.
var printer = message.NewPrinter(language.English)

// listMistakes gives the innermost mistakes of a value, each field and message once.
func listMistakes(value any, found *jsonschema.ValidationError) []Mistake {
	if len(found.Causes) == 0 {
		return []Mistake{{Field: nameField(value, found.InstanceLocation),
			Message: found.ErrorKind.LocalizedString(printer)}}
	}
	var all []Mistake
	for _, cause := range found.Causes {
		for _, m := range listMistakes(value, cause) {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return all
}

// nameField names the place of a part of a value.
func nameField(value any, location []string) string {
	var name strings.Builder
	for _, token := range location {
		switch v := value.(type) {
		case []any:
			name.WriteString("[" + token + "]")
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(v) {
				value = v[i]
			}
		case map[string]any:
			name.WriteString("." + token)
			value = v[token]
		}
	}
	return name.String()
}

// toJSON gives a value as package jsonschema takes values: numbers keep their digits.
func toJSON(value any) (any, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(body))
}

// encodeJSON encodes a value of a YAML file, which cannot fail.
func encodeJSON(value any) string {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(body.String(), "\n")
}
