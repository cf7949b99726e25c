package proposal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gitmetal/ingot/schemas"
)

// writeHost writes a Host file: comments, then the document with one line for each field of spec. Every value is a
// stranger's: texts are quoted in ASCII unless they are plain names.
func writeHost(host schemas.Host, comments []string) ([]byte, error) {
	body, err := json.Marshal(host)
	if err != nil {
		return nil, fmt.Errorf("write a host: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("write a host: %w", err)
	}
	var out bytes.Buffer
	for _, comment := range comments {
		out.WriteString("# " + oneLine(comment, maxComment) + "\n")
	}
	fmt.Fprintf(&out, "apiVersion: %s\nkind: %s\nmetadata: ", host.APIVersion, host.Kind)
	writeFlow(&out, tree["metadata"], reflect.TypeFor[schemas.Metadata]())
	spec, _ := tree["spec"].(map[string]any)
	fields := sortFields(spec, reflect.TypeFor[schemas.HostSpec]())
	fields = slices.DeleteFunc(fields, func(name string) bool { return isEmpty(spec[name]) })
	if len(fields) == 0 {
		out.WriteString("\nspec: {}\n")
		return out.Bytes(), nil
	}
	out.WriteString("\nspec:\n")
	for _, name := range fields {
		out.WriteString("  " + name + ": ")
		writeFlow(&out, spec[name], childType(reflect.TypeFor[schemas.HostSpec](), name))
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// isEmpty reports a value that says nothing.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, item := range v {
			if !isEmpty(item) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	default:
		return value == nil
	}
}

// writeFlow writes a value in flow style, mappings in the order of their types.
func writeFlow(out *bytes.Buffer, value any, t reflect.Type) {
	switch v := value.(type) {
	case map[string]any:
		out.WriteByte('{')
		separator := ""
		for _, name := range sortFields(v, t) {
			if isEmpty(v[name]) {
				continue
			}
			out.WriteString(separator + writeText(name) + ": ")
			writeFlow(out, v[name], childType(t, name))
			separator = ", "
		}
		out.WriteByte('}')
	case []any:
		out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				out.WriteString(", ")
			}
			writeFlow(out, item, childType(t, ""))
		}
		out.WriteByte(']')
	case string:
		out.WriteString(writeText(v))
	case bool:
		out.WriteString(strconv.FormatBool(v))
	case json.Number:
		out.WriteString(v.String())
	}
}

// childType is the type of a field, or of the items of a list or a mapping; nil where it does not matter.
func childType(t reflect.Type, name string) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		return t.Elem()
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if fieldName(t.Field(i)) == name {
				return t.Field(i).Type
			}
		}
	}
	return nil
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// sortFields sorts the names of a mapping: in the order of a type's fields, or by name.
func sortFields(m map[string]any, t reflect.Type) []string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var names []string
	if t != nil && t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if name := fieldName(t.Field(i)); m[name] != nil {
				names = append(names, name)
			}
		}
		return names
	}
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// plain are texts that every YAML reader takes for a text, in flow style, too.
var plain = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_./]*$`)

// words are texts that some YAML reader takes for a truth value or for nothing.
var words = []string{"y", "n", "yes", "no", "true", "false", "off", "null", "on"}

// writeText writes a text, in quotes unless the text is plain (YAML 1.2.2, 5.7: \x, \u and \U take 2, 4 and 8 hex
// digits).
func writeText(text string) string {
	if plain.MatchString(text) && !slices.Contains(words, strings.ToLower(text)) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(text, "?") {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Limits of what a stranger may say, in characters.
const (
	maxComment = 400
	maxWord    = 64
)

// oneLine is a text as one line of printable characters. A back quote, which could end a block of Markdown, is
// replaced, too; so are characters that change the direction of a text.
func oneLine(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return '\''
		case r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r):
			return '?'
		default:
			return r
		}
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// word is a stranger's text within a comment.
func word(text string) string { return oneLine(strings.TrimSpace(text), maxWord) }
