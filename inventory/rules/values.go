package rules

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Kind is the type of a value that an expression computes.
type Kind int

// Kinds of values.
const (
	Text Kind = iota
	Truth
	Number
	Texts // a list of texts; a single text is a list of one
)

// Limits of a computed value.
const (
	maxText  = 1024 // bytes of a text
	maxTexts = 64   // texts of a list
)

// types of the results of each kind: a value of an unknown type is checked when it is computed.
var typesOf = map[Kind][]*cel.Type{
	Text:   {cel.StringType, cel.DynType},
	Truth:  {cel.BoolType, cel.DynType},
	Number: {cel.IntType, cel.DynType},
	Texts:  {cel.ListType(cel.StringType), cel.ListType(cel.DynType), cel.StringType, cel.DynType},
}

var kindNames = map[Kind]string{Text: "a text", Truth: "true or false", Number: "a whole number", Texts: "a list of texts"}

// Value is a compiled expression that computes a value.
type Value struct {
	program cel.Program
	kind    Kind
}

// CompileValue compiles an expression that gives a value of a kind, or says why the expression cannot be used.
func (c *Compiler) CompileValue(text string, kind Kind) (Value, *Mistake) {
	program, given, mistake := c.program(text)
	if mistake != nil {
		return Value{}, mistake
	}
	for _, t := range typesOf[kind] {
		if given.IsExactType(t) {
			return Value{program, kind}, nil
		}
	}
	return Value{}, &Mistake{Line: 1, Column: 1,
		Message: fmt.Sprintf("the expression gives %s, want %s", given, kindNames[kind])}
}

// Compute computes the value on a machine: a string, bool, int64 or []string by the kind. why is "" where there is a
// value. Texts are valid UTF-8, not empty, and bounded.
func (v Value) Compute(m Machine) (value any, why string) {
	result, _, err := v.program.Eval(m.variables())
	if err != nil {
		return nil, explainError(err)
	}
	switch v.kind {
	case Texts:
		return readTexts(result)
	case Truth:
		if b, is := result.Value().(bool); is {
			return b, ""
		}
	case Number:
		if n, is := result.Value().(int64); is {
			return n, ""
		}
	default:
		if text, is := result.Value().(string); is {
			if text, why = readText(text); why == "" {
				return text, ""
			}
			return nil, why
		}
	}
	return nil, fmt.Sprintf("the expression gives %s, want %s", result.Type().TypeName(), kindNames[v.kind])
}

// readText checks a text.
func readText(text string) (checked, why string) {
	switch text = strings.ToValidUTF8(text, "?"); {
	case text == "":
		return "", "the expression gives an empty text"
	case len(text) > maxText:
		return "", fmt.Sprintf("the expression gives a text of %d bytes, at most %d are taken", len(text), maxText)
	default:
		return text, ""
	}
}

func readTexts(result ref.Val) (any, string) {
	list, is := result.(traits.Lister)
	if !is {
		if text, is := result.Value().(string); is {
			value, why := readText(text)
			if why != "" {
				return nil, why
			}
			return []string{value}, ""
		}
		return nil, "the expression gives " + result.Type().TypeName() + ", want a list of texts"
	}
	texts := []string{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		text, is := it.Next().Value().(string)
		if !is {
			return nil, "the expression gives a list with other things than texts"
		}
		if _, why := readText(text); why != "" {
			return nil, why
		}
		texts = append(texts, strings.ToValidUTF8(text, "?"))
	}
	switch {
	case len(texts) == 0:
		return nil, "the expression gives an empty list"
	case len(texts) > maxTexts:
		return nil, fmt.Sprintf("the expression gives a list of %d texts, at most %d are taken", len(texts), maxTexts)
	default:
		return texts, ""
	}
}
