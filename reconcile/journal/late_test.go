package journal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// TestACallThatIsOverWritesNothing: the daemon gave up before the call, so that nobody will look whether it was done.
func TestACallThatIsOverWritesNothing(t *testing.T) {
	t.Parallel()
	j := owned(t, journal.Config{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 50 {
		record := inventory.Record{ID: inventory.MachineID(fmt.Sprintf("host-%d", i))}
		if _, err := j.Put(ctx, record, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want the context's error", err)
		}
	}
	if _, err := j.Put(t.Context(), inventory.Record{ID: "last"}, 0); err != nil { // whatever was proposed comes before
		t.Fatal(err)
	}
	if entries, err := j.List(t.Context()); err != nil || len(entries) != 1 {
		t.Errorf("List = %d records, %v, want the last one only", len(entries), err)
	}
}

// TestALateCommitReplacesNoLaterOne has the first write of the accepted commit, of the tags, and of an agent's document,
// applied after the second one: a daemon that starts then takes no older history for the accepted one.
func TestALateCommitReplacesNoLaterOne(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write func(j *journal.Journal, commit string) error
		read  func(j *journal.Journal) (string, error)
	}{
		"accepted": {
			func(j *journal.Journal, c string) error { return j.Accept(t.Context(), journal.Accepted{Commit: c}) },
			func(j *journal.Journal) (string, error) {
				accepted, err := j.Accepted(t.Context())
				return accepted.Commit, err
			},
		},
		"tags": {
			func(j *journal.Journal, c string) error { return j.KeepTags(t.Context(), map[string]string{"v1": c}) },
			func(j *journal.Journal) (string, error) {
				tags, err := j.Tags(t.Context())
				return tags["v1"], err
			},
		},
		"agent": {
			func(j *journal.Journal, c string) error { return j.Save(t.Context(), "web-03", []byte(c)) },
			func(j *journal.Journal) (string, error) {
				document, err := j.Load(t.Context(), "web-03")
				return string(document), err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := owned(t, journal.Config{Dir: t.TempDir()})
			var late journal.Commit
			journal.Intercept(j, func(ctx context.Context, commit journal.Commit) (*clientv3.TxnResponse, error) {
				if late == nil {
					late = commit
					return nil, errors.New("no answer")
				}
				return commit(ctx)
			})
			if err := test.write(j, "1"); err == nil || errors.Is(err, journal.ErrConflict) {
				t.Fatalf("the write without an answer: %v", err)
			}
			if err := test.write(j, "2"); err != nil {
				t.Fatal(err)
			}
			if _, err := late(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, err := test.read(j); err != nil || got != "2" {
				t.Errorf("the journal has %q, %v, want the later one, 2", got, err)
			}
		})
	}
}
