package journal_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

func open(t *testing.T, config journal.Config) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return j
}

func owned(t *testing.T, config journal.Config) *journal.Journal {
	t.Helper()
	j := open(t, config)
	if err := j.Own(t.Context()); err != nil {
		t.Fatalf("Own: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// cluster starts an etcd that listens, as a user's own cluster does.
func cluster(t *testing.T, options ...grpc.ServerOption) journal.Config {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.ListenPeerUrls = nil
	c.ListenClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.TickMs, c.ElectionMs = 10, 100
	c.GRPCAdditionalServerOptions = options
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatalf("start etcd: %v", err)
	}
	t.Cleanup(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(2 * time.Minute):
		t.Fatal("etcd did not get ready")
	}
	return journal.Config{Endpoints: []string{server.Clients[0].Addr().String()}, LeaseTTL: 2 * time.Second}
}

// both runs a test on the embedded node and on a cluster: they are one code path.
func both(t *testing.T, test func(*testing.T, journal.Config)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, journal.Config{Dir: t.TempDir()})
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		test(t, cluster(t))
	})
}

func TestPutComparesAndSwaps(t *testing.T) {
	both(t, func(t *testing.T, config journal.Config) {
		j := owned(t, config)
		record, revision, err := j.Get(t.Context(), "web-03")
		if err != nil || revision != 0 || record.ID != "web-03" {
			t.Fatalf("Get of a new host = %v, %d, %v, want an empty record of it at 0", record, revision, err)
		}
		record.Epoch = 1
		first, err := j.Put(t.Context(), record, 0)
		if err != nil || first == 0 {
			t.Fatalf("Put at 0 = %d, %v", first, err)
		}
		if _, err := j.Put(t.Context(), record, 0); !errors.Is(err, journal.ErrConflict) {
			t.Errorf("second Put at 0 = %v, want ErrConflict", err)
		}
		record.Epoch = 2
		second, err := j.Put(t.Context(), record, first)
		if err != nil || second <= first {
			t.Fatalf("Put at %d = %d, %v", first, second, err)
		}
		record.Epoch = 9
		if _, err := j.Put(t.Context(), record, first); !errors.Is(err, journal.ErrConflict) {
			t.Errorf("Put at an old revision = %v, want ErrConflict", err)
		}
		got, revision, err := j.Get(t.Context(), "web-03")
		if err != nil || revision != second || got.Epoch != 2 {
			t.Errorf("Get = epoch %d at %d, %v, want epoch 2 at %d", got.Epoch, revision, err, second)
		}
	})
}

func TestListGivesEveryRecord(t *testing.T) {
	t.Parallel()
	j := owned(t, journal.Config{Dir: t.TempDir()})
	const hosts = 1101 // three pages
	want := map[inventory.MachineID]inventory.Epoch{}
	for i := range hosts {
		record := inventory.Record{ID: inventory.MachineID(fmt.Sprintf("host-%04d", i)), Epoch: inventory.Epoch(i)}
		want[record.ID] = record.Epoch
		if _, err := j.Put(t.Context(), record, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Save(t.Context(), "host-0000", []byte("not a record")); err != nil {
		t.Fatal(err)
	}
	entries, err := j.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[inventory.MachineID]inventory.Epoch{}
	for _, e := range entries {
		got[e.Record.ID] = e.Record.Epoch
		if e.Revision == 0 {
			t.Errorf("%s has no revision", e.Record.ID)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	t.Parallel()
	config := journal.Config{Dir: t.TempDir()}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	want := inventory.Record{
		ID: "web-03", Epoch: 7, Spent: []string{"a/b"},
		Operation: &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Working, Started: at, Disks: []inventory.OperationDisk{{Content: inventory.ContentBlank, Disk: inventory.DiskID{WWN: "5000"}}}},
		Boot:      &inventory.Boot{ID: "boot", Target: inventory.FromRamdisk, Epoch: 7, Stage: inventory.Running, Opened: at},
		Facts:     &inventory.Facts{At: at, Disks: []inventory.Disk{{Name: "sda", Content: inventory.Content{Blank: true}}}},
	}
	first := open(t, config)
	if err := first.Own(t.Context()); err != nil {
		t.Fatal(err)
	}
	revision, err := first.Put(t.Context(), want, 0)
	if err != nil {
		t.Fatal(err)
	}
	accepted := journal.Accepted{Commit: "abc", At: at}
	if err := errors.Join(first.Accept(t.Context(), accepted), first.Save(t.Context(), "web-03", []byte(`{"x":1}`)),
		first.KeepTags(t.Context(), map[string]string{"v1": "abc"}),
		first.SaveAges(t.Context(), "web-03", []byte(`{}`)), first.Close()); err != nil {
		t.Fatal(err)
	}

	second := owned(t, config)
	got, again, err := second.Get(t.Context(), "web-03")
	if err != nil || again != revision {
		t.Fatalf("Get = revision %d, %v, want %d", again, err, revision)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if got, err := second.Accepted(t.Context()); err != nil || !reflect.DeepEqual(got, accepted) {
		t.Errorf("Accepted = %v, %v, want %v", got, err, accepted)
	}
	if got, err := second.Tags(t.Context()); err != nil || got["v1"] != "abc" || len(got) != 1 {
		t.Errorf("Tags = %v, %v", got, err)
	}
	if got, err := second.Load(t.Context(), "web-03"); err != nil || string(got) != `{"x":1}` {
		t.Errorf("Load = %s, %v", got, err)
	}
	if got, err := second.LoadAges(t.Context(), "web-03"); err != nil || string(got) != `{}` {
		t.Errorf("LoadAges = %s, %v", got, err)
	}
	if got, err := second.LoadAges(t.Context(), "web-04"); err != nil || got != nil {
		t.Errorf("LoadAges of a host without a document = %s, %v, want nil", got, err)
	}
	if err := second.SaveProfile(t.Context(), "web-03", []byte(`{"p":1}`)); err != nil {
		t.Error(err)
	}
	for id, want := range map[inventory.MachineID]string{"web-03": `{"p":1}`, "web-04": ""} {
		if got, err := second.LoadProfile(t.Context(), id); err != nil || string(got) != want {
			t.Errorf("LoadProfile(%s) = %s, %v, want %q", id, got, err, want)
		}
	}
	if got, err := second.Load(t.Context(), "web-04"); err != nil || got != nil {
		t.Errorf("Load of a host without a document = %s, %v, want nil", got, err)
	}
	if _, err := second.Put(t.Context(), got, again); err != nil {
		t.Errorf("the new owner's Put: %v", err)
	}
}

func TestNobodyWritesWithoutOwnership(t *testing.T) {
	both(t, func(t *testing.T, config journal.Config) {
		j := open(t, config)
		t.Cleanup(func() { _ = j.Close() })
		if _, err := j.Put(t.Context(), inventory.Record{ID: "a"}, 0); !errors.Is(err, journal.ErrNotOwner) {
			t.Errorf("Put = %v, want ErrNotOwner", err)
		}
		if err := j.Save(t.Context(), "a", []byte("{}")); !errors.Is(err, journal.ErrNotOwner) {
			t.Errorf("Save = %v, want ErrNotOwner", err)
		}
		if _, revision, err := j.Get(t.Context(), "a"); err != nil || revision != 0 {
			t.Errorf("Get = revision %d, %v, want nothing written", revision, err)
		}
	})
}

func TestASecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		config := journal.Config{Dir: t.TempDir()}
		owned(t, config)
		_, err := journal.Open(t.Context(), config)
		if !errors.Is(err, journal.ErrOwned) || !strings.Contains(err.Error(), "stop it") {
			t.Errorf("Open = %v, want ErrOwned with what to do", err)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		config := cluster(t)
		config.LeaseTTL = 6 * time.Second // a stalled machine keeps its lease
		config.Owner = "the first"
		first := owned(t, config)
		config.Owner = "the second"
		second := open(t, config)
		t.Cleanup(func() { _ = second.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second) // over two lease lives: the first keeps its own alive
		defer cancel()
		err := second.Own(ctx)
		if !errors.Is(err, journal.ErrOwned) || !strings.Contains(err.Error(), "the first") {
			t.Errorf("Own = %v, want ErrOwned that names the owner", err)
		}
		if _, err := first.Put(t.Context(), inventory.Record{ID: "a"}, 0); err != nil {
			t.Errorf("the owner's Put: %v", err)
		}
	})
}

func TestANewOwnerFencesTheOldOne(t *testing.T) {
	t.Parallel()
	config := cluster(t)
	config.Owner = "the first"
	first := owned(t, config)
	revision, err := first.Put(t.Context(), inventory.Record{ID: "a", Epoch: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	journal.DropLease(t, first)
	select {
	case <-first.Lost():
	case <-time.After(2 * time.Minute):
		t.Error("the old owner never learned that it lost its lease")
	}
	second := owned(t, config)
	if _, err := first.Put(t.Context(), inventory.Record{ID: "a", Epoch: 9}, revision); !errors.Is(err, journal.ErrNotOwner) {
		t.Errorf("the old owner's Put = %v, want ErrNotOwner", err)
	}
	if _, err := second.Put(t.Context(), inventory.Record{ID: "a", Epoch: 2}, revision); err != nil {
		t.Errorf("the new owner's Put: %v", err)
	}
}

func entryRevision(t *testing.T, j *journal.Journal) int64 {
	t.Helper()
	entries, err := j.List(t.Context())
	if err != nil || len(entries) != 1 {
		t.Fatalf("List = %+v, %v", entries, err)
	}
	return entries[0].Revision
}

func TestWhatCannotBeReadIsNeverEmpty(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"no JSON":         "x",
		"empty":           "",
		"another version": `{"version":2,"record":{"host":"a","epoch":1}}`,
		"beside it":       `{"version":1,"record":{"host":"a","epoch":1},"later":true}`,
		"another host":    `{"version":1,"record":{"host":"b","epoch":1}}`,
		"two values":      `{"version":1,"record":{"host":"a","epoch":1}}{}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := owned(t, journal.Config{Dir: t.TempDir()})
			journal.WriteRaw(t, j, "records/a", value)
			record, _, err := j.Get(t.Context(), "a")
			if err != nil || !strings.Contains(record.Unreadable, "restore the state directory") {
				t.Errorf("Get = %v, %v, want a record that says why it is not known, and what to do", record, err)
			}
			if _, err := j.Put(t.Context(), record, entryRevision(t, j)); err == nil {
				t.Error("what is not known was written")
			}
			if entries, err := j.List(t.Context()); err != nil || len(entries) != 1 ||
				entries[0].Record.ID != "a" || entries[0].Revision == 0 || entries[0].Record.Unreadable == "" {
				t.Errorf("List = %+v, %v, want an entry that says why it is not known", entries, err)
			}
			journal.WriteRaw(t, j, "accepted", value)
			if accepted, err := j.Accepted(t.Context()); err == nil {
				t.Errorf("Accepted = %v, want an error", accepted)
			}
		})
	}
}

func TestLargeValuesAreRefused(t *testing.T) {
	t.Parallel()
	j := owned(t, journal.Config{Dir: t.TempDir()})
	record := inventory.Record{ID: "a", Facts: &inventory.Facts{Errors: []string{strings.Repeat("x", 1<<20)}}}
	if _, err := j.Put(t.Context(), record, 0); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("Put of over 1 MiB = %v, want an error that says so", err)
	}
	if _, revision, err := j.Get(t.Context(), "a"); err != nil || revision != 0 {
		t.Errorf("Get = revision %d, %v, want nothing written", revision, err)
	}
}
