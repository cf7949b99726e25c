package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/gitmetal/ingot/agent/wire"
)

// schemaName is the name of a plug-in's schema for package jsonschema.
const schemaName = "plug-in:args"

// checkArguments checks the arguments of a step against the plug-in's own schema: JSON Schema 2020-12, of type object,
// closed unless the schema says otherwise, and whole: nothing is loaded. No value is in the error.
func checkArguments(schema map[string]any, run wire.Run) error {
	args := []byte("{}")
	if len(run.Args) > 0 {
		args = run.Args
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(args))
	if err != nil {
		return errors.New("the arguments of the step are no JSON") // the error could hold a value
	}
	if schema == nil {
		schema = map[string]any{"type": "object"}
	}
	compiled, err := compile(schema)
	if err != nil {
		return fmt.Errorf("its schema of the arguments cannot be used: %w", err)
	}
	var found *jsonschema.ValidationError
	if err := compiled.Validate(value); errors.As(err, &found) {
		return errors.New("its schema refuses the arguments: " + strings.Join(listRefused(found, run.Secrets), "; "))
	}
	return nil
}

// compile compiles the schema of a plug-in.
func compile(schema map[string]any) (*jsonschema.Schema, error) {
	if schema["type"] != "object" {
		return nil, errors.New("it is not of type object")
	}
	closed := maps.Clone(schema)
	if _, said := closed["additionalProperties"]; !said {
		closed["additionalProperties"] = false
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(schemaName, closed); err != nil {
		return nil, err
	}
	return compiler.Compile(schemaName)
}

// noLoader loads nothing.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) {
	return nil, errors.New("schemas are not loaded from elsewhere")
}

// printer words the messages of package jsonschema.
var printer = message.NewPrinter(language.English)

// listRefused says what of the arguments is refused, each once. Of an argument that is a secret, or holds secrets, only
// the name is said.
func listRefused(found *jsonschema.ValidationError, secrets []string) (lines []string) {
	if len(found.Causes) == 0 {
		at := strings.Join(found.InstanceLocation, ".")
		if len(found.InstanceLocation) > 0 && slices.Contains(secrets, found.InstanceLocation[0]) {
			return []string{found.InstanceLocation[0] + " is refused"}
		}
		return []string{strings.TrimPrefix(at+": "+found.ErrorKind.LocalizedString(printer), ": ")}
	}
	for _, cause := range found.Causes {
		for _, line := range listRefused(cause, secrets) {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
