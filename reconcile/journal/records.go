package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/remains"
)

// Keys.
const (
	prefix      = "ingot/v1/"
	recordKeys  = prefix + "records/" // + id of the machine
	agentKeys   = prefix + "agents/"  // + id of the machine
	ageKeys     = prefix + "ages/"    // + id of the machine
	profileKeys = prefix + "bmcs/"    // + id of the machine
	acceptedKey = prefix + "accepted"
	tagsKey     = prefix + "tags"
	lifeKey     = prefix + "life"
	noticesKey  = prefix + "notices"
	batchKeys   = prefix + "batches/" // + path of a document
)

// pageSize is how many records are listed per call.
const pageSize = 500

// Entry is a record and the revision for its next write.
type Entry struct {
	Record   inventory.Record
	Revision int64
}

// Accepted is the newest commit whose fleet the daemon works on.
type Accepted struct {
	Commit string    `json:"commit"`
	At     time.Time `json:"at"`
	// Resumed are the times of operators' `ingot resume`, by admit.SharedInputs of the stopped workload.
	Resumed map[string]time.Time `json:"resumed,omitempty"`
	// Unknown are members that a newer ingot wrote; Accept writes them back.
	Unknown format.Unknown `json:"-"`
}

// keepResumes is how long a resume is kept.
const keepResumes = 90 * 24 * time.Hour

// Resume gives the document with a resume of each of the inputs, and without those of long ago.
func (a Accepted) Resume(inputs []string, at time.Time) Accepted {
	kept := map[string]time.Time{}
	for one, when := range a.Resumed {
		if at.Sub(when) <= keepResumes {
			kept[one] = when
		}
	}
	for _, one := range inputs {
		kept[one] = at
	}
	a.Resumed = kept
	return a
}

// Get gives a host's record and revision; a host without a record gives an empty record with the id, and revision 0.
// An unreadable record has Record.Unreadable set.
func (j *Journal) Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error) {
	value, revision, err := j.readKey(ctx, recordKeys+string(id))
	if err != nil {
		return inventory.Record{}, 0, fmt.Errorf("read the record of %s: %w", id, err)
	}
	if revision == 0 {
		return inventory.Record{ID: id}, 0, nil
	}
	return ReadRecord(id, value), revision, nil
}

// ReadRecord reads a host's record from its bytes. An unreadable record has Unreadable set, and keeps what remains.
func ReadRecord(id inventory.MachineID, value []byte) inventory.Record {
	record, err := Decode(id, value)
	if err == nil {
		return record
	}
	var stored struct {
		Record json.RawMessage `json:"record"`
	}
	_ = json.Unmarshal(value, &stored) // after an error nothing remains
	record = remains.Read(stored.Record)
	record.ID, record.Unreadable = id, err.Error()
	return record
}

// List gives every record by id. An unreadable record has Record.Unreadable set, and spoils no other host's record.
func (j *Journal) List(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	from, end := recordKeys, clientv3.GetPrefixRangeEnd(recordKeys)
	for {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		response, err := j.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(pageSize))
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list the records: %w", err)
		}
		for _, kv := range response.Kvs {
			id := inventory.MachineID(strings.TrimPrefix(string(kv.Key), recordKeys))
			entries = append(entries, Entry{Record: ReadRecord(id, kv.Value), Revision: kv.ModRevision})
		}
		if !response.More {
			return entries, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// Put writes a record whose stored revision is the given revision (0: no record yet), and gives the new revision.
// Another stored revision gives ErrConflict, and a daemon without ownership gets ErrNotOwner. After any further error
// the record may be written or not.
func (j *Journal) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	switch {
	case record.ID == "":
		return 0, errors.New("write a record: it names no host")
	case record.Unreadable != "":
		return 0, fmt.Errorf("write the record of %s: it is not known", record.ID)
	}
	value, err := Encode(record)
	if err != nil {
		return 0, fmt.Errorf("write the record of %s: %w", record.ID, err)
	}
	key := recordKeys + string(record.ID)
	revision, err = j.writeKey(ctx, key, value, compareRevision(key, revision))
	if err != nil {
		return 0, fmt.Errorf("write the record of %s: %w", record.ID, err)
	}
	return revision, nil
}

// Load gives the hub's document of a host; nil without a document.
func (j *Journal) Load(ctx context.Context, host string) ([]byte, error) {
	value, revision, err := j.readKey(ctx, agentKeys+host)
	if err != nil || revision == 0 {
		return nil, err
	}
	return value, nil
}

// Save keeps the hub's document of a host. As with Accept, a call without an answer never replaces a later call's
// document.
func (j *Journal) Save(ctx context.Context, host string, document []byte) error {
	key := agentKeys + host
	_, revision, err := j.readKey(ctx, key)
	if err == nil {
		_, err = j.writeKey(ctx, key, document, compareRevision(key, revision))
	}
	return err
}

// LoadAges gives the document with a host's attended time; nil without a document.
func (j *Journal) LoadAges(ctx context.Context, id inventory.MachineID) ([]byte, error) {
	value, revision, err := j.readKey(ctx, ageKeys+string(id))
	if err != nil || revision == 0 {
		return nil, wrapError("read the attended time", err)
	}
	return value, nil
}

// SaveAges keeps the document with a host's attended time. No decision that erases rests on the document.
func (j *Journal) SaveAges(ctx context.Context, id inventory.MachineID, document []byte) error {
	_, err := j.writeKey(ctx, ageKeys+string(id), document)
	return wrapError("keep the attended time", err)
}

// LoadProfile gives the document with what was learned of a host's BMC; nil for a host without a document.
func (j *Journal) LoadProfile(ctx context.Context, id inventory.MachineID) ([]byte, error) {
	value, revision, err := j.readKey(ctx, profileKeys+string(id))
	if err != nil || revision == 0 {
		return nil, wrapError("read the profile of a BMC", err)
	}
	return value, nil
}

// SaveProfile keeps the document with what was learned of a host's BMC. No decision rests on the document.
func (j *Journal) SaveProfile(ctx context.Context, id inventory.MachineID, document []byte) error {
	_, err := j.writeKey(ctx, profileKeys+string(id), document)
	return wrapError("keep the profile of a BMC", err)
}

func wrapError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (j *Journal) readKey(ctx context.Context, key string) ([]byte, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := j.client.Get(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	for _, kv := range response.Kvs {
		return kv.Value, kv.ModRevision, nil
	}
	return nil, 0, nil
}

// compareRevision holds while a key has a revision; 0 means a missing key.
func compareRevision(key string, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", revision)
}

// writeKey puts a value if this daemon is the owner and every condition holds.
func (j *Journal) writeKey(ctx context.Context, key string, value []byte, conditions ...clientv3.Cmp) (int64, error) {
	if len(value) > MaxValue {
		return 0, fmt.Errorf("%d bytes are more than the %d the journal takes", len(value), MaxValue)
	}
	mine, err := j.currentOwnership()
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil { // the embedded node may execute a call after its context ended
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result, err := j.client.Txn(ctx).
		If(append(conditions, mine.compareFence())...).
		Then(clientv3.OpPut(key, string(value))).
		Else(clientv3.OpGet(ownerKey)).Commit()
	if err != nil {
		return 0, err
	}
	if result.Succeeded {
		return result.Header.Revision, nil
	}
	for _, kv := range result.Responses[0].GetResponseRange().Kvs {
		if kv.CreateRevision == mine.revision {
			return 0, ErrConflict
		}
	}
	return 0, ErrNotOwner
}
