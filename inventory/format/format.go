// Package format writes and reads what outlives a version of ingot: journal records, the hub's documents, status pages. Marshal writes a value, Unmarshal reads
// one. Both are for JSON; a page in YAML goes through them as JSON. Pure.
//
// Three rules make a format last:
//
//   - A reader keeps the members that it does not know, and writes them back. They travel in a field of the type Unknown, `json:"-"`, of the struct that stands
//     for their object: they go where that struct goes, and end with it. A struct without such a field loses them, as does a list of such structs.
//   - A writer raises the member minReader of the whole value when something is in it that a reader must know to decide well: a field with the tag `minReader:"2"`
//     that is not zero, or a value whose method MinReader says so. A value without minReader is for every reader.
//   - A reader refuses a value whose minReader is higher than Reader: ErrNewer.
//
// Values that no struct lists, as a stage that this version does not have, are not this package's: who reads a format checks them.
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

// Reader is the version of this reader. It is raised together with the first field or value that needs it.
const Reader = 1

// minReader is the member that says which reader a value needs.
const minReader = "minReader"

// ErrNewer says that a newer ingot wrote what this one must not read.
var ErrNewer = errors.New("a newer ingot wrote it")

// Unknown are the members of one object that this ingot does not know: JSON of an object with sorted names, "" when there are none. It is a value: it is
// copied and compared with its struct. Numbers of more than 64 bits lose digits in a page, as all do in YAML.
type Unknown string

// With gives the members of both; where both have one, that of other.
func (u Unknown) With(other Unknown) Unknown {
	switch {
	case u == "" || u == other:
		return other
	case other == "":
		return u
	}
	all := members([]byte(u))
	maps.Copy(all, members([]byte(other)))
	return unknown(all)
}

// Marshal gives a value's JSON with the members that a reader did not know: the same value, the same bytes. Without such members, and with nothing that
// raises minReader, these are the bytes of json.Marshal; else the names are sorted.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	has := inspect(reflect.ValueOf(v))
	if has.unknown {
		data = merge(data, reflect.ValueOf(v))
	}
	if has.reader > 1 {
		all := members(data)
		all[minReader] = json.RawMessage(strconv.Itoa(has.reader))
		data = object(all)
	}
	return data, nil
}

// CheckReader is ErrNewer when what a value says of its reader, nothing or a number in JSON, is more than this one.
func CheckReader(needed []byte) error {
	if len(needed) == 0 {
		return nil
	}
	if reader, err := strconv.Atoi(string(needed)); err != nil || reader > Reader {
		return fmt.Errorf("%w: its minReader is %s, this ingot reads up to %d: install the ingot that wrote it, or a newer one", ErrNewer, needed, Reader)
	}
	return nil
}

// Unmarshal reads one value's JSON over whatever a pointer holds, and whatever is not known of it into the Unknown fields. The error is ErrNewer when a newer ingot wrote it
// and says that this one must not read it.
func Unmarshal(data []byte, into any) error {
	value := reflect.ValueOf(into).Elem()
	value.SetZero()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil // nothing is unknown: no more is to be done
		}
		return errors.New("there is more than one value")
	}
	all := members(data)
	if err := CheckReader(all[minReader]); err != nil {
		return err
	}
	delete(all, minReader) // what is written says anew which reader it needs
	value.SetZero()
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	collect(all, value)
	return nil
}

// members are those of a JSON object; none when it is none.
func members(data []byte) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &all); err != nil || all == nil {
		return map[string]json.RawMessage{}
	}
	return all
}

// object is the JSON of an object, with sorted names.
func object(all map[string]json.RawMessage) json.RawMessage {
	data, err := json.Marshal(all)
	if err != nil {
		panic("format: " + err.Error()) // the members were read from JSON
	}
	return data
}

// unknown gives members in the one form that they have.
func unknown(all map[string]json.RawMessage) Unknown {
	if len(all) == 0 {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(object(all)))
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

// fields are a struct's by their names in JSON; those of an embedded struct count as its own.
func fields(t reflect.Type) map[string][]int {
	all := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && f.Tag.Get("json") != "-" {
			if name == "" {
				name = f.Name
			}
			all[name] = f.Index
		}
	}
	return all
}

// named finds the field that encoding/json takes for a name: it ignores case.
func named(all map[string][]int, name string) ([]int, bool) {
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
