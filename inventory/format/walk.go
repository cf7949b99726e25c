package format

import (
	"encoding/json"
	"reflect"
	"strconv"
)

var (
	unknownType   = reflect.TypeFor[Unknown]()
	readerNeeder  = reflect.TypeFor[interface{ MinReader() int }]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]() // such a type encodes itself
)

// findings is the result of inspectValue.
type findings struct {
	unknown bool // there are unknown members
	reader  int  // the highest reader that a part needs
}

func (f findings) combine(o findings) findings {
	return findings{f.unknown || o.unknown, max(f.reader, o.reader)}
}

// inspectValue looks through a value.
func inspectValue(v reflect.Value) (f findings) {
	if !v.IsValid() {
		return f
	}
	if t := v.Type(); t.PkgPath() != "" && t.Implements(readerNeeder) && v.CanInterface() {
		f.reader = v.Interface().(interface{ MinReader() int }).MinReader()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return f.combine(inspectValue(v.Elem()))
	case reflect.Slice, reflect.Array:
		for i := 0; mayNest(v.Type().Elem()) && i < v.Len(); i++ {
			f = f.combine(inspectValue(v.Index(i)))
		}
	case reflect.Struct:
		return f.combine(inspectFields(v))
	}
	return f
}

func inspectFields(v reflect.Value) (f findings) {
	t := v.Type()
	if t.Implements(jsonMarshaler) {
		return f
	}
	for i := range t.NumField() {
		field, value := t.Field(i), v.Field(i)
		switch tag := field.Tag.Get("minReader"); {
		case !field.IsExported():
		case field.Type == unknownType:
			f.unknown = f.unknown || value.Len() > 0
		case tag != "" && !value.IsZero():
			reader, err := strconv.Atoi(tag)
			if err != nil {
				panic("format: " + t.String() + "." + field.Name + ": the tag minReader is no number")
			}
			f = f.combine(findings{reader: reader}).combine(inspectValue(value))
		default:
			f = f.combine(inspectValue(value))
		}
	}
	return f
}

// mayNest reports whether a value of a type may hold unknown members or need a reader.
func mayNest(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array:
		return true
	default:
		return t.Implements(readerNeeder)
	}
}

// older is a pointer to a struct that reads an older form of the struct.
type older interface {
	ReadOlder(unknown Unknown) (Unknown, error)
}

// collectUnknown puts members without a field into the Unknown field of a struct, and goes on with the struct's fields.
// The struct reads its older form after its fields.
func collectUnknown(members map[string]json.RawMessage, v reflect.Value) error {
	known, rest := listFields(v.Type()), map[string]json.RawMessage{}
	for name, member := range members {
		index, ok := findField(known, name)
		if !ok {
			rest[name] = member
			continue
		}
		if field, err := v.FieldByIndexErr(index); err == nil {
			if err := collectBelow(member, field); err != nil {
				return err
			}
		}
	}
	left := encodeUnknown(rest)
	if reads, ok := v.Addr().Interface().(older); ok {
		var err error
		if left, err = reads.ReadOlder(left); err != nil {
			return err
		}
	}
	if field := v.FieldByName("Unknown"); field.IsValid() && field.Type() == unknownType {
		field.Set(reflect.ValueOf(left))
	}
	return nil
}

func collectBelow(data json.RawMessage, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Struct && !v.Type().Implements(jsonMarshaler):
		return collectUnknown(parseMembers(data), v)
	case v.Kind() == reflect.Slice:
		var items []json.RawMessage
		if json.Unmarshal(data, &items) != nil {
			return nil // no list but bytes, as base64
		}
		for i := range min(len(items), v.Len()) {
			if err := collectBelow(items[i], v.Index(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeUnknown adds the members of Unknown fields to the JSON of a value. Members with a field of the same name are
// left out.
func mergeUnknown(data json.RawMessage, v reflect.Value) json.RawMessage {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Struct && !v.Type().Implements(jsonMarshaler):
		return mergeStruct(data, v)
	case v.Kind() == reflect.Slice && mayNest(v.Type().Elem()):
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return data // bytes, as base64
		}
		for i := range items {
			items[i] = mergeUnknown(items[i], v.Index(i))
		}
		if list, err := json.Marshal(items); err == nil && items != nil {
			return list
		}
	}
	return data
}

func mergeStruct(data json.RawMessage, v reflect.Value) json.RawMessage {
	if !inspectValue(v).unknown {
		return data
	}
	members, known := parseMembers(data), listFields(v.Type())
	for name, index := range known {
		if field, err := v.FieldByIndexErr(index); err == nil && members[name] != nil {
			members[name] = mergeUnknown(members[name], field)
		}
	}
	if field := v.FieldByName("Unknown"); field.IsValid() && field.Type() == unknownType {
		for name, member := range parseMembers([]byte(field.String())) {
			if _, ours := findField(known, name); !ours {
				members[name] = member
			}
		}
	}
	return encodeMembers(members)
}
