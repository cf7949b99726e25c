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
	accepted, _, err := j.readAccepted(ctx)
	return accepted, err
}

// readAccepted gives the accepted commit, and the revision to replace it with.
func (j *Journal) readAccepted(ctx context.Context) (Accepted, int64, error) {
	value, revision, err := j.readKey(ctx, acceptedKey)
	if err != nil {
		return Accepted{}, 0, fmt.Errorf("read the accepted commit: %w", err)
	}
	if revision == 0 {
		return Accepted{}, 0, nil
	}
	accepted, err := DecodeAccepted(value)
	return accepted, revision, err
}

// DecodeAccepted reads the journal's bytes of the accepted commit. The error says what to do; a commit for a newer
// ingot gives format.ErrNewer.
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
			"restore the state directory, or move it away: the status branch rebuilds it", err)
	}
	return accepted, nil
}

// Accept writes the accepted commit, with the members that a newer ingot wrote beside the commit before. A call
// without an answer may still be applied later, but never over a later call's commit. ErrConflict says that an earlier
// call was applied meanwhile: call Accept again.
func (j *Journal) Accept(ctx context.Context, accepted Accepted) error {
	before, revision, err := j.readAccepted(ctx)
	var value []byte
	if err == nil {
		accepted.Unknown = before.Unknown.With(accepted.Unknown)
		value, err = format.Marshal(accepted)
	}
	if err == nil {
		_, err = j.writeKey(ctx, acceptedKey, value, compareRevision(acceptedKey, revision))
	}
	return wrapError("write the accepted commit", err)
}

// A Git tag never begins with a colon (git-check-ref-format): a stored member with a colon is a newer ingot's.
// tagsNeedThis names the reader that the tags need.
const (
	newerPrefix  = ":"
	tagsNeedThis = newerPrefix + "minReader"
)

// Tags gives the seen tags by name with their objects; nil before the first KeepTags.
func (j *Journal) Tags(ctx context.Context) (map[string]string, error) {
	stored, _, err := j.readTags(ctx)
	if err != nil || stored == nil {
		return nil, err
	}
	tags := map[string]string{}
	for name, value := range stored {
		if strings.HasPrefix(name, newerPrefix) {
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

// readTags gives the stored tags with a newer ingot's members, and the revision to replace.
func (j *Journal) readTags(ctx context.Context) (map[string]json.RawMessage, int64, error) {
	value, revision, err := j.readKey(ctx, tagsKey)
	if err != nil || revision == 0 {
		return nil, 0, wrapError("read the tags that were seen", err)
	}
	var stored map[string]json.RawMessage
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, 0, fmt.Errorf("the journal's tags are not readable: %w: restore the state directory", err)
	}
	return stored, revision, wrapError("the journal's tags", format.CheckReader(stored[tagsNeedThis]))
}

// KeepTags writes the tags, with the members that a newer ingot wrote beside the tags before. As with Accept, a call
// without an answer never replaces a later call's tags.
func (j *Journal) KeepTags(ctx context.Context, tags map[string]string) error {
	stored, revision, err := j.readTags(ctx)
	if err != nil {
		return err
	}
	all := map[string]any{}
	for name, value := range stored {
		if strings.HasPrefix(name, newerPrefix) && name != tagsNeedThis {
			all[name] = value
		}
	}
	for name, named := range tags {
		all[name] = named
	}
	value, err := json.Marshal(all)
	if err == nil {
		_, err = j.writeKey(ctx, tagsKey, value, compareRevision(tagsKey, revision))
	}
	return wrapError("write the tags that were seen", err)
}
