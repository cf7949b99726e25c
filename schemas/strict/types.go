package strict

import (
	"reflect"
	"strings"
)

// nameType names a type for people.
func nameType(t reflect.Type) string {
	if t.Kind() == reflect.Slice && reflect.PointerTo(t).Implements(unmarshalsText) {
		return "a text or a list"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "a mapping"
	}
}

// describeShape says how a value of a type is written; "" for a scalar.
func describeShape(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "such as [a, b]"
	case reflect.Map:
		return "such as {name: value}"
	case reflect.Pointer:
		return describeShape(t.Elem())
	case reflect.Struct:
		names := fieldNames(t)
		return "with the fields " + strings.Join(names[:min(len(names), mostShown)], ", ")
	default:
		return ""
	}
}

// mostShown is how many fields of a mapping a hint names.
const mostShown = 6

// fieldType is the type of a mapping's field, nil for an unknown field.
func fieldType(t reflect.Type, name string) reflect.Type {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Interface:
		return t
	}
	for i := range t.NumField() {
		if jsonName(t.Field(i)) == name {
			return t.Field(i).Type
		}
	}
	return nil
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		names = append(names, jsonName(t.Field(i)))
	}
	return names
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
