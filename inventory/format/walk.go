package format

import (
	"encoding/json"
	"reflect"
	"strconv"
)

var (
	carrier = reflect.TypeFor[Unknown]()
	needs   = reflect.TypeFor[interface{ MinReader() int }]()
	codes   = reflect.TypeFor[json.Marshaler]() // such a type has a form of its own
)

// found is what inspect finds.
type found struct {
	unknown bool // some member that is not known
	reader  int  // the highest that something needs
}

func (f found) and(o found) found {
	return found{f.unknown || o.unknown, max(f.reader, o.reader)}
}

// inspect looks through a value.
func inspect(v reflect.Value) (f found) {
	if !v.IsValid() {
		return f
	}
	if t := v.Type(); t.PkgPath() != "" && t.Implements(needs) && v.CanInterface() {
		f.reader = v.Interface().(interface{ MinReader() int }).MinReader()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return f.and(inspect(v.Elem()))
	case reflect.Slice, reflect.Array:
		for i := 0; nests(v.Type().Elem()) && i < v.Len(); i++ {
			f = f.and(inspect(v.Index(i)))
		}
	case reflect.Struct:
		return f.and(inspectFields(v))
	}
	return f
}

func inspectFields(v reflect.Value) (f found) {
	t := v.Type()
	if t.Implements(codes) {
		return f
	}
	for i := range t.NumField() {
		field, value := t.Field(i), v.Field(i)
		switch tag := field.Tag.Get("minReader"); {
		case !field.IsExported():
		case field.Type == carrier:
			f.unknown = f.unknown || value.Len() > 0
		case tag != "" && !value.IsZero():
			reader, err := strconv.Atoi(tag)
			if err != nil {
				panic("format: " + t.String() + "." + field.Name + ": the tag minReader is no number")
			}
			f = f.and(found{reader: reader}).and(inspect(value))
		default:
			f = f.and(inspect(value))
		}
	}
	return f
}

// nests reports whether a value of a type may hold something that inspect looks for.
func nests(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array:
		return true
	default:
		return t.Implements(needs)
	}
}

// collect puts the members that a struct has no field for into its Unknown field, and does the same for what its fields hold.
func collect(all map[string]json.RawMessage, v reflect.Value) {
	known, rest := fields(v.Type()), map[string]json.RawMessage{}
	for name, member := range all {
		index, ok := named(known, name)
		if !ok {
			rest[name] = member
			continue
		}
		if below, err := v.FieldByIndexErr(index); err == nil {
			descend(member, below)
		}
	}
	if field := v.FieldByName("Unknown"); field.IsValid() && field.Type() == carrier {
		field.Set(reflect.ValueOf(unknown(rest)))
	}
}

func descend(data json.RawMessage, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Struct && !v.Type().Implements(codes):
		collect(members(data), v)
	case v.Kind() == reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return // no list: bytes, as base64
		}
		for i := range min(len(items), v.Len()) {
			descend(items[i], v.Index(i))
		}
	}
}

// merge puts the members in the Unknown fields of a value into its JSON. A member whose name the struct has a field for is never put over that.
func merge(data json.RawMessage, v reflect.Value) json.RawMessage {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Struct && !v.Type().Implements(codes):
		return mergeFields(data, v)
	case v.Kind() == reflect.Slice && nests(v.Type().Elem()):
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return data // bytes, as base64
		}
		for i := range items {
			items[i] = merge(items[i], v.Index(i))
		}
		if list, err := json.Marshal(items); err == nil && items != nil {
			return list
		}
	}
	return data
}

func mergeFields(data json.RawMessage, v reflect.Value) json.RawMessage {
	if !inspect(v).unknown {
		return data
	}
	all, known := members(data), fields(v.Type())
	for name, index := range known {
		if below, err := v.FieldByIndexErr(index); err == nil && all[name] != nil {
			all[name] = merge(all[name], below)
		}
	}
	if field := v.FieldByName("Unknown"); field.IsValid() && field.Type() == carrier {
		for name, member := range members([]byte(field.String())) {
			if _, ours := named(known, name); !ours {
				all[name] = member
			}
		}
	}
	return object(all)
}
