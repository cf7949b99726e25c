package gitrepo_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// TestAStuckProposalHoldsNobody: while the server does not answer the push or the fetch of a proposal, the trunk is read and
// status pages are pushed.
func TestAStuckProposalHoldsNobody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path string // of the request that the server does not answer
		call func(context.Context, *gitrepo.Repo) error
	}{
		"a push": {"/git-receive-pack", func(ctx context.Context, repo *gitrepo.Repo) error {
			_, err := repo.Propose(ctx, gitrepo.Change{Name: proposed, Files: map[string][]byte{"hosts/web-1.yaml": []byte("one\n")}, Message: "m\n"})
			return err
		}},
		"a fetch": {"/git-upload-pack", func(ctx context.Context, repo *gitrepo.Repo) error {
			_, _, err := repo.ReadProposal(ctx, "left", "a")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := overHTTP(t)
			trunk := r.commit(t, "main", "", map[string]node{"a": text("a\n")})
			r.commit(t, "ingot/proposals/left", trunk, map[string]node{"a": text("b\n")})
			repo := open(t, r.config)
			latest(t, repo)
			stuck, goOn := make(chan struct{}), make(chan struct{})
			var armed atomic.Bool
			armed.Store(true)
			r.before = func(_ http.ResponseWriter, q *http.Request) bool {
				if !strings.HasSuffix(q.URL.Path, test.path) || !armed.CompareAndSwap(true, false) {
					return false
				}
				body, err := io.ReadAll(q.Body)
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				q.Body = io.NopCloser(bytes.NewReader(body))
				close(stuck)
				<-goOn
				return false
			}
			ended := make(chan error, 1)
			go func() { ended <- test.call(t.Context(), repo) }()
			<-stuck
			second := r.commit(t, "main", trunk, map[string]node{"a": text("c\n")})
			others := make(chan error, 1)
			go func() {
				_, err := repo.Publish(t.Context(), map[string][]byte{"hosts/web-1.yaml": []byte("page\n")}, "status")
				if err == nil {
					_, err = repo.Latest(t.Context())
				}
				others <- err
			}()
			select {
			case err := <-others:
				if err != nil || repo.AcceptedCommit() != second {
					t.Errorf("meanwhile: %v, accepted %s, want %s", err, repo.AcceptedCommit(), second)
				}
			case <-time.After(time.Minute):
				t.Error("a status push or a look at the trunk waits for the proposal")
			}
			close(goOn)
			if err := <-ended; err != nil {
				t.Errorf("at last: %v", err)
			}
		})
	}
}
