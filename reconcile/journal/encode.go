package journal

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
)

// recordVersion is the version of the encoding; a different version is refused.
const recordVersion = 1

// storedRecord never gets another member: new members go into the record.
type storedRecord struct {
	Version int              `json:"version"`
	Record  inventory.Record `json:"record"`
	Unknown format.Unknown   `json:"-"`
}

// Encode gives the journal's bytes of a record. The same record gives the same bytes.
func Encode(record inventory.Record) ([]byte, error) {
	return format.Marshal(storedRecord{Version: recordVersion, Record: record})
}

// Same compares two records by their stored content, without life and revision.
func Same(a, b inventory.Record) bool {
	a.Life, a.Revision = b.Life, b.Revision
	if reflect.DeepEqual(a, b) { // as after most looks: nothing needs to be encoded
		return true
	}
	dropEqualParts(&a, &b)
	left, errLeft := format.Marshal(a)
	right, errRight := format.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// dropEqualParts empties the parts that two records have alike: only the others have to be encoded.
func dropEqualParts(a, b *inventory.Record) {
	left, right := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range left.NumField() {
		if reflect.DeepEqual(left.Field(i).Interface(), right.Field(i).Interface()) {
			left.Field(i).SetZero()
			right.Field(i).SetZero()
		}
	}
}

// errUnknown marks a record that only a newer ingot can decide about.
var errUnknown = errors.New("install the ingot that wrote it, or a newer one")

// Decode reads the journal's bytes of a host's record. The error says what to do; a record for a newer ingot gives
// format.ErrNewer.
func Decode(id inventory.MachineID, value []byte) (inventory.Record, error) {
	var stored storedRecord
	err := format.Unmarshal(value, &stored)
	switch {
	case err != nil:
	case stored.Version != recordVersion:
		err = fmt.Errorf("version %d is not known to this ingot", stored.Version)
	case stored.Unknown != "":
		err = fmt.Errorf("beside the record it has %s", stored.Unknown)
	case stored.Record.ID != id:
		err = fmt.Errorf("it speaks of %q", stored.Record.ID)
	default:
		if err = stored.Record.CheckValues(); err == nil {
			return stored.Record.FromOlder(), nil
		}
		err = fmt.Errorf("%w: %w", err, errUnknown)
	}
	if errors.Is(err, format.ErrNewer) || errors.Is(err, errUnknown) {
		return inventory.Record{}, fmt.Errorf("the journal's record of %s: %w", id, err)
	}
	return inventory.Record{},
		fmt.Errorf("the journal's record of %s is not readable: %w: restore the state directory", id, err)
}
