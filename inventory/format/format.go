// Package format writes and reads data that outlives a version of ingot: journal records, the hub's documents, status
// pages. Marshal writes a value, Unmarshal reads one; a page in YAML goes through both as JSON. Do not use
// encoding/json for such data: members of a newer version would be lost. The package is pure.
//
// Three rules make a format last:
//
//   - A reader keeps unknown members, and writes them back. Unknown members travel in a field of the type Unknown,
//     `json:"-"`, of the struct for their object, and live as long as the struct. A struct without such a field loses
//     unknown members, as does a list of such structs.
//   - A writer raises the member minReader of the whole value when the value holds a member that a reader must know to
//     decide well: a non-zero field with the tag `minReader:"2"`, or a value whose method MinReader says so. A value
//     without minReader is for every reader.
//   - A reader refuses a value with a minReader above Reader: ErrNewer.
//
// A struct whose form changed reads the older form in a method ReadOlder: Unmarshal gives ReadOlder the members without
// a field, and keeps the members that ReadOlder gives back.
//
// Values that no struct lists, such as a stage that this version does not have, are checked by the reader of each
// format.
package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strconv"
	"strings"
)

// Reader is the version of this reader. Raise Reader together with the first field or value for newer readers.
const Reader = 11

// minReader is the member for the lowest reader of a value.
const minReader = "minReader"

// ErrNewer means: a newer ingot wrote a value for newer readers only.
var ErrNewer = errors.New("a newer ingot wrote it")

// Unknown holds the unknown members of one object: JSON of an object with sorted names, "" without members. It is a
// value, copied and compared with its struct. Numbers of more than 64 bits lose digits in a page, as in all YAML.
type Unknown string

// Take gives the JSON of the member with a name, "" if there is none, and the members without it.
func (u Unknown) Take(name string) (member string, rest Unknown) {
	all := parseMembers([]byte(u))
	value, there := all[name]
	if !there {
		return "", u
	}
	delete(all, name)
	return string(value), encodeUnknown(all)
}

// With gives the members of both. Where both have a member, other's counts.
func (u Unknown) With(other Unknown) Unknown {
	switch {
	case u == "" || u == other:
		return other
	case other == "":
		return u
	}
	members := parseMembers([]byte(u))
	maps.Copy(members, parseMembers([]byte(other)))
	return encodeUnknown(members)
}

// Marshal gives a value's JSON with the unknown members: the same bytes for the same value. Without unknown members,
// and without a raised minReader, these are the bytes of json.Marshal; otherwise the names are sorted.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	found := inspectValue(reflect.ValueOf(v))
	if found.unknown {
		data = mergeUnknown(data, reflect.ValueOf(v))
	}
	if found.reader > 1 {
		members := parseMembers(data)
		members[minReader] = json.RawMessage(strconv.Itoa(found.reader))
		data = encodeMembers(members)
	}
	return data, nil
}

// CheckReader is ErrNewer when needed, a number in JSON or nothing, is above Reader.
func CheckReader(needed []byte) error {
	if len(needed) == 0 {
		return nil
	}
	if reader, err := strconv.Atoi(string(needed)); err != nil || reader > Reader {
		return fmt.Errorf("%w: its minReader is %s, this ingot reads up to %d: "+
			"install the ingot that wrote it, or a newer one", ErrNewer, needed, Reader)
	}
	return nil
}

// Unmarshal overwrites the value behind a pointer with the JSON, and collects unknown members in Unknown fields.
// ErrNewer means that a newer ingot wrote the JSON and that this ingot must not read it.
func Unmarshal(data []byte, into any) error {
	value := reflect.ValueOf(into).Elem()
	value.SetZero()
	rest, needed := cutMinReader(data)
	if err := CheckReader(needed); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(rest))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil // no unknown members
		}
		return errors.New("there is more than one value")
	}
	members := parseMembers(data)
	if err := CheckReader(members[minReader]); err != nil { // written in a form that cutMinReader does not know
		return err
	}
	delete(members, minReader) // Marshal determines minReader anew
	value.SetZero()
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	return collectUnknown(members, value)
}

// TakeInto reads the members with a field of a struct into a pointer to the struct, and gives the other members back.
func (u Unknown) TakeInto(into any) (rest Unknown, err error) {
	all, taken := parseMembers([]byte(u)), map[string]json.RawMessage{}
	known := listFields(reflect.TypeOf(into).Elem())
	for name, member := range all {
		if _, ok := findField(known, name); ok {
			taken[name] = member
			delete(all, name)
		}
	}
	if err := Unmarshal(encodeMembers(taken), into); err != nil {
		return u, err
	}
	return encodeUnknown(all), nil
}

// parseMembers gives the members of a JSON object, none for any other JSON.
func parseMembers(data []byte) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &all); err != nil || all == nil {
		return map[string]json.RawMessage{}
	}
	return all
}

// encodeMembers gives the JSON of an object, with sorted names.
func encodeMembers(all map[string]json.RawMessage) json.RawMessage {
	data, err := json.Marshal(all)
	if err != nil {
		panic("format: " + err.Error()) // the members were read from JSON
	}
	return data
}

// encodeUnknown gives members in their one form.
func encodeUnknown(all map[string]json.RawMessage) Unknown {
	if len(all) == 0 {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(encodeMembers(all)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		panic("format: " + err.Error()) // the members were read from JSON
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic("format: " + err.Error())
	}
	return Unknown(data)
}

// listFields gives a struct's fields by their names in JSON, with those of embedded structs.
func listFields(t reflect.Type) map[string][]int {
	fields := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && f.Tag.Get("json") != "-" {
			if name == "" {
				name = f.Name
			}
			fields[name] = f.Index
		}
	}
	return fields
}

// findField finds the field that encoding/json takes for a name, in any case.
func findField(all map[string][]int, name string) ([]int, bool) {
	if index, known := all[name]; known {
		return index, true
	}
	for known, index := range all {
		if strings.EqualFold(known, name) {
			return index, true
		}
	}
	return nil, false
}
