package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
)

// LastLife is the last life of a daemon with this journal that was claimed on the status branch.
type LastLife struct {
	Life inventory.Life `json:"life,omitzero"`
	// Another says why no daemon with this journal may act: another daemon runs the fleet. "" when a daemon may act.
	Another string `json:"another,omitempty" minReader:"2"`
	// Unknown are members that a newer ingot wrote; KeepLife writes them back.
	Unknown format.Unknown `json:"-"`
}

// LastLife gives what the last KeepLife wrote; the zero value before the first.
func (j *Journal) LastLife(ctx context.Context) (LastLife, error) {
	last, _, err := j.readLife(ctx)
	return last, err
}

func (j *Journal) readLife(ctx context.Context) (LastLife, int64, error) {
	value, revision, err := j.readKey(ctx, lifeKey)
	if err != nil {
		return LastLife{}, 0, fmt.Errorf("read the last life: %w", err)
	}
	if revision == 0 {
		return LastLife{}, 0, nil
	}
	last, err := DecodeLife(value)
	return last, revision, err
}

// DecodeLife reads the journal's bytes of the last life. The error says what to do; a life for a newer ingot gives
// format.ErrNewer.
func DecodeLife(value []byte) (LastLife, error) {
	var last LastLife
	err := format.Unmarshal(value, &last)
	if err == nil || errors.Is(err, format.ErrNewer) {
		return last, wrapError("the journal's last life", err)
	}
	return LastLife{}, fmt.Errorf("the journal's last life is not readable: %w: "+
		"restore the state directory, or move it away: the status branch rebuilds it", err)
}

// KeepLife writes the last life, with the members that a newer ingot wrote beside the life before. As with Accept, a
// call without an answer never replaces a later call's life.
func (j *Journal) KeepLife(ctx context.Context, last LastLife) error {
	before, revision, err := j.readLife(ctx)
	var value []byte
	if err == nil {
		last.Unknown = before.Unknown.With(last.Unknown)
		value, err = format.Marshal(last)
	}
	if err == nil {
		_, err = j.writeKey(ctx, lifeKey, value, compareRevision(lifeKey, revision))
	}
	return wrapError("write the last life", err)
}
