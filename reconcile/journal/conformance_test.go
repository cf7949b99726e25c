package journal_test

import (
	"bytes"
	"context"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/journal/journaltest"
)

// TestJournalConforms runs the suite on the embedded node, whose writes fail before they are proposed to it, and on a
// cluster behind a network, whose writes fail when they reached its server.
func TestJournalConforms(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		journaltest.Run(t, func(t *testing.T) journaltest.Subject {
			j, writes := owned(t, journal.Config{Dir: t.TempDir()}), &journaltest.Writes{}
			journal.Intercept(j, func(ctx context.Context, commit journal.Commit) (*clientv3.TxnResponse, error) {
				return journaltest.Send(ctx, writes, commit)
			})
			return subject(j, writes)
		})
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		journaltest.Run(t, func(t *testing.T) journaltest.Subject {
			writes := &journaltest.Writes{}
			return subject(owned(t, cluster(t, grpc.ChainUnaryInterceptor(through(writes)))), writes)
		})
	})
}

// TestDocumentsConform runs the suite of the agents' documents on both kinds of journal.
func TestDocumentsConform(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		journaltest.RunDocuments(t, func(t *testing.T) (journaltest.Subject, journaltest.Documents) {
			j, writes := owned(t, journal.Config{Dir: t.TempDir()}), &journaltest.Writes{}
			journal.Intercept(j, func(ctx context.Context, commit journal.Commit) (*clientv3.TxnResponse, error) {
				return journaltest.Send(ctx, writes, commit)
			})
			return subject(j, writes), j
		})
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		journaltest.RunDocuments(t, func(t *testing.T) (journaltest.Subject, journaltest.Documents) {
			writes := &journaltest.Writes{}
			j := owned(t, cluster(t, grpc.ChainUnaryInterceptor(through(writes))))
			return subject(j, writes), j
		})
	})
}

func subject(j *journal.Journal, writes *journaltest.Writes) journaltest.Subject {
	return journaltest.Subject{
		Journal: j, Writes: writes,
		WriteRaw: func(t *testing.T, key, value string) {
			t.Helper()
			journal.WriteRaw(t, j, key, value)
		},
		TakeOver: func(t *testing.T) {
			t.Helper()
			journal.TakeOver(t, j)
		},
	}
}

// through has the transactions that a server was sent meet their fates, but for those that are about ownership.
func through(writes *journaltest.Writes) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		txn, ok := request.(*etcdserverpb.TxnRequest)
		if !ok || len(txn.Success) != 1 || bytes.HasSuffix(txn.Success[0].GetRequestPut().GetKey(), []byte("/owner")) {
			return handle(ctx, request)
		}
		return journaltest.Send(ctx, writes, func(ctx context.Context) (any, error) { return handle(ctx, request) })
	}
}
