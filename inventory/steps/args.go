package steps

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gitmetal/ingot/inventory/refs"
)

// Arguments are the arguments of a use, checked, with the schema's defaults.
type Arguments struct {
	// Args hold the text ${secret.name.key} in place of a secret; nil without arguments.
	Args map[string]any
	// Secrets are the secrets by their places in Args, as JSON Pointers (RFC 6901).
	Secrets map[string]refs.Secret
}

// ListSecrets lists the secrets by their places, sorted.
func (a Arguments) ListSecrets() []refs.Secret {
	var all []refs.Secret
	for _, at := range slices.Sorted(maps.Keys(a.Secrets)) {
		all = append(all, a.Secrets[at])
	}
	return all
}

// Open gives the arguments with the secrets that open returns in their places.
func (a Arguments) Open(open func(refs.Secret) (string, error)) (map[string]any, error) {
	var failed error
	whole, _ := walkTexts(place{}, a.Args, func(at place, text string) string {
		ref, secret := a.Secrets[at.pointer]
		if !secret {
			return text
		}
		value, err := open(ref)
		failed = cmp.Or(failed, err)
		return value
	}).(map[string]any)
	return whole, failed
}

// UsesVars reports whether arguments hold a reference to a var. Such arguments can be checked for a host only.
func UsesVars(args map[string]any) bool {
	uses := false
	walkTexts(place{}, args, func(_ place, text string) string {
		for _, ref := range refs.FindReferences(text) {
			uses = uses || ref.Var != ""
		}
		return text
	})
	return uses
}

// Resolve replaces the vars in arguments, fills in the schema's defaults, and checks the result. A missing var is a
// mistake with the error of lookup. References to secrets stay, and count as texts in the check.
func (s Schema) Resolve(args map[string]any, lookup func(name string) (string, error)) (Arguments, []Mistake) {
	r := resolver{lookup: lookup, secrets: map[string]refs.Secret{}}
	given, _ := walkTexts(place{}, args, r.replaceVars).(map[string]any)
	if len(r.mistakes) > 0 {
		return Arguments{}, r.mistakes
	}
	if s.compiled == nil {
		if len(given) > 0 {
			return Arguments{}, []Mistake{{"", "the Step takes no arguments", "say in its spec.args which it takes"}}
		}
		return Arguments{}, nil
	}
	whole := s.fillDefaults(given)
	document, err := toJSON(whole)
	if err != nil {
		return Arguments{}, []Mistake{{"", "cannot be written as JSON: " + err.Error(), ""}}
	}
	var found *jsonschema.ValidationError
	if err := s.compiled.Validate(document); errors.As(err, &found) {
		r.mistakes = listMistakes(document, found)
	}
	r.checkSecrets(place{}, whole, []any{s.source})
	if len(whole) == 0 {
		return Arguments{}, r.mistakes
	}
	return Arguments{Args: whole, Secrets: r.secrets}, r.mistakes
}

// fillDefaults gives arguments with the defaults of the schema's properties.
func (s Schema) fillDefaults(args map[string]any) map[string]any {
	whole := maps.Clone(args)
	if whole == nil {
		whole = map[string]any{}
	}
	properties, _ := s.source["properties"].(map[string]any)
	for name, property := range properties {
		schema, _ := property.(map[string]any)
		if value, has := schema["default"]; has {
			if _, given := whole[name]; !given {
				whole[name] = value
			}
		}
	}
	return whole
}

// resolver resolves the arguments of one use.
type resolver struct {
	lookup   func(name string) (string, error)
	secrets  map[string]refs.Secret // by JSON Pointer
	mistakes []Mistake
}

func (r *resolver) addMistake(at place, message, hint string) {
	r.mistakes = append(r.mistakes, Mistake{at.field, message, hint})
}

// replaceVars replaces the vars in a text, and notes a secret. A var cannot become a secret.
func (r *resolver) replaceVars(at place, text string) string {
	if ref, whole := secretOf(text); whole {
		r.secrets[at.pointer] = ref
		return text
	}
	replaced, err := refs.ReplaceInText(text, func(ref refs.Ref) (string, error) {
		if ref.Var == "" {
			return "", fmt.Errorf("%s is not the whole of the text: put the rest of the text into the script", ref)
		}
		return r.lookup(ref.Var)
	})
	if err != nil {
		r.addMistake(at, err.Error(), "")
	}
	return replaced
}

// place is the place of a value in arguments.
type place struct {
	field   string // as in a Mistake
	pointer string // JSON Pointer
}

// escapePointer escapes a name for a JSON Pointer.
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

func (p place) property(name string) place {
	return place{p.field + "." + name, p.pointer + "/" + escapePointer.Replace(name)}
}

func (p place) item(i int) place {
	return place{fmt.Sprintf("%s[%d]", p.field, i), fmt.Sprintf("%s/%d", p.pointer, i)}
}

// walkTexts gives a value with every text replaced. Names are not replaced.
func walkTexts(at place, value any, replace func(at place, text string) string) any {
	switch v := value.(type) {
	case map[string]any:
		next := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			next[name] = walkTexts(at.property(name), v[name], replace)
		}
		return next
	case []any:
		next := make([]any, len(v))
		for i, item := range v {
			next[i] = walkTexts(at.item(i), item, replace)
		}
		return next
	case string:
		return replace(at, v)
	default:
		return value
	}
}

// secretOf gives the secret that a text refers to as a whole.
func secretOf(text string) (refs.Secret, bool) {
	found := refs.FindReferences(text)
	if len(found) != 1 || found[0].Var != "" || found[0].String() != text {
		return refs.Secret{}, false
	}
	return found[0].Secret, true
}

// checkSecrets finds secrets at places that are not for secrets, and other values at places that are. The schemas are
// those that speak of the value.
func (r *resolver) checkSecrets(at place, value any, schemas []any) {
	if slices.ContainsFunc(spreadSchemas(schemas), func(s map[string]any) bool { return s[secretsKeyword] == secretsAllowed }) {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			r.checkSecrets(at.property(name), v[name], schemasOfProperty(schemas, name))
		}
	case []any:
		for i, item := range v {
			r.checkSecrets(at.item(i), item, schemasOfItem(schemas, i))
		}
	}
	wanted := slices.ContainsFunc(spreadSchemas(schemas), func(s map[string]any) bool { return s[secretKeyword] == true })
	switch ref, is := r.secrets[at.pointer]; {
	case wanted && !is:
		r.addMistake(at, "the value is a secret", "write ${secret.name.key}")
	case is && !wanted:
		r.addMistake(at, fmt.Sprintf("the Step does not say that ${secret.%s.%s} is a secret here", ref.Name, ref.Key),
			"write "+secretKeyword+": true into the Step's schema of the value")
	}
}

// schemasOfProperty gives the schemas that speak of a property of an object that the given schemas speak of.
func schemasOfProperty(schemas []any, name string) (found []any) {
	for _, s := range spreadSchemas(schemas) {
		properties, _ := s["properties"].(map[string]any)
		property, known := properties[name]
		if known {
			found = append(found, property)
		}
		patterns, _ := s["patternProperties"].(map[string]any)
		for pattern, schema := range patterns {
			if match, err := regexp.MatchString(pattern, name); err == nil && match {
				found, known = append(found, schema), true
			}
		}
		if more, ok := s["additionalProperties"].(map[string]any); ok && !known {
			found = append(found, more)
		}
	}
	return found
}

// schemasOfItem gives the schemas that speak of an item of a list that the given schemas speak of.
func schemasOfItem(schemas []any, i int) (found []any) {
	for _, s := range spreadSchemas(schemas) {
		prefix, _ := s["prefixItems"].([]any)
		switch {
		case i < len(prefix):
			found = append(found, prefix[i])
		case s["items"] != nil:
			found = append(found, s["items"])
		}
	}
	return found
}

// spreadSchemas gives schemas with the schemas that apply to the same value.
func spreadSchemas(schemas []any) (all []map[string]any) {
	for _, schema := range schemas {
		s, ok := schema.(map[string]any)
		if !ok {
			continue
		}
		all = append(all, s)
		for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
			list, _ := s[keyword].([]any)
			all = append(all, spreadSchemas(list)...)
		}
		for _, keyword := range []string{"then", "else"} {
			all = append(all, spreadSchemas([]any{s[keyword]})...)
		}
	}
	return all
}
