package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory/format"
)

// Accepted gives the accepted commit; the zero value when none was ever accepted.
func (j *Journal) Accepted(ctx context.Context) (Accepted, error) {
	accepted, _, err := j.accepted(ctx)
	return accepted, err
}

// accepted gives the accepted commit, and the revision to replace it with.
func (j *Journal) accepted(ctx context.Context) (Accepted, int64, error) {
	value, revision, err := j.read(ctx, acceptedKey)
	if err != nil {
		return Accepted{}, 0, fmt.Errorf("read the accepted commit: %w", err)
	}
	if revision == 0 {
		return Accepted{}, 0, nil
	}
	accepted, err := DecodeAccepted(value)
	return accepted, revision, err
}

// DecodeAccepted reads the bytes of the accepted commit. Its error says what to do: for a commit that only a newer ingot
// must read it is format.ErrNewer.
func DecodeAccepted(value []byte) (Accepted, error) {
	var accepted Accepted
	err := format.Unmarshal(value, &accepted)
	switch {
	case errors.Is(err, format.ErrNewer):
		return Accepted{}, fmt.Errorf("the journal's accepted commit: %w", err)
	case err == nil && accepted.Commit == "":
		err = errors.New("it names none")
		fallthrough
	case err != nil:
		return Accepted{}, fmt.Errorf("the journal's accepted commit is not readable: %w: "+
			"restore the state directory, or move it away to rebuild it from the status branch", err)
	}
	return accepted, nil
}

// Accept keeps the accepted commit, and what a newer ingot wrote beside the commit before. A call that had no answer
// may be applied later, but never over the commit of a later call: then it changes nothing. ErrConflict says that such
// an earlier call was applied meanwhile; Accept may be called again.
func (j *Journal) Accept(ctx context.Context, accepted Accepted) error {
	before, revision, err := j.accepted(ctx)
	var value []byte
	if err == nil {
		accepted.Unknown = before.Unknown.With(accepted.Unknown)
		value, err = format.Marshal(accepted)
	}
	if err == nil {
		_, err = j.write(ctx, acceptedKey, value, unchanged(acceptedKey, revision))
	}
	return wrap("write the accepted commit", err)
}

// No tag's name begins with a colon (git-check-ref-format): such a member of the stored tags is a newer ingot's, and this one says which reader they need.
const (
	beside       = ":"
	tagsNeedThis = beside + "minReader"
)

// Tags gives the tags that were seen, by name, and what they named; none when none ever were.
func (j *Journal) Tags(ctx context.Context) (map[string]string, error) {
	stored, _, err := j.tags(ctx)
	if err != nil || stored == nil {
		return nil, err
	}
	tags := map[string]string{}
	for name, value := range stored {
		if strings.HasPrefix(name, beside) {
			continue
		}
		var named string
		if err := json.Unmarshal(value, &named); err != nil {
			return nil, fmt.Errorf("the journal's tag %s is not readable: %w: restore the state directory", name, err)
		}
		tags[name] = named
	}
	return tags, nil
}

// tags gives the journal's tags with what else is there, and the revision to replace them with.
func (j *Journal) tags(ctx context.Context) (map[string]json.RawMessage, int64, error) {
	value, revision, err := j.read(ctx, tagsKey)
	if err != nil || revision == 0 {
		return nil, 0, wrap("read the tags that were seen", err)
	}
	var stored map[string]json.RawMessage
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, 0, fmt.Errorf("the journal's tags are not readable: %w: restore the state directory", err)
	}
	return stored, revision, wrap("the journal's tags", format.CheckReader(stored[tagsNeedThis]))
}

// KeepTags keeps the tags, and what a newer ingot wrote beside the tags before. A call that had no answer never
// replaces the tags of a later call, as with Accept.
func (j *Journal) KeepTags(ctx context.Context, tags map[string]string) error {
	stored, revision, err := j.tags(ctx)
	if err != nil {
		return err
	}
	all := map[string]any{}
	for name, value := range stored {
		if strings.HasPrefix(name, beside) && name != tagsNeedThis {
			all[name] = value
		}
	}
	for name, named := range tags {
		all[name] = named
	}
	value, err := json.Marshal(all)
	if err == nil {
		_, err = j.write(ctx, tagsKey, value, unchanged(tagsKey, revision))
	}
	return wrap("write the tags that were seen", err)
}
