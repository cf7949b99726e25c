package gitrepo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// TestAServerThatDemandsMultiAck emulates Azure DevOps, which answers 400 to a request without multi_ack: everything is
// fetched all the same, also what is new, and pushed. The server is git's own behind that rule.
func TestAServerThatDemandsMultiAck(t *testing.T) {
	t.Parallel()
	for _, demanded := range []string{"multi_ack", "multi_ack_detailed"} {
		t.Run(demanded, func(t *testing.T) {
			t.Parallel()
			r := overHTTP(t)
			c := r.history(t, 3)
			refused := 0
			r.before = func(w http.ResponseWriter, q *http.Request) bool {
				if q.Method != http.MethodPost || !strings.HasSuffix(q.URL.Path, "/git-upload-pack") {
					return false
				}
				body, err := io.ReadAll(q.Body)
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				q.Body = io.NopCloser(bytes.NewReader(body))
				wants, _, _ := bytes.Cut(body, []byte("\n"))
				if bytes.Contains(append(wants, ' '), []byte(" "+demanded+" ")) {
					return false
				}
				refused++
				http.Error(w, "Bad Request", http.StatusBadRequest)
				return true
			}
			git(t, r.bare, "-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "-m", "one", "prod-1", c[1])
			repo := open(t, r.config)
			runs(t, repo, "prod-1", c[1], "")
			first := refused
			next := c[2]
			for i := range 3 {
				next = r.version(t, next, fmt.Sprint("new ", i))
				got, err := repo.Latest(t.Context())
				if err != nil || got.Trunk.Commit != next {
					t.Fatalf("Latest = %.12s, %v, want %.12s", got.Trunk.Commit, err, next)
				}
			}
			if first == 0 || refused != first {
				t.Errorf("the server refused %d requests, then %d more: want it known after the first", first, refused-first)
			}
			if _, err := repo.Publish(t.Context(), map[string][]byte{"a": []byte("b")}, "status"); err != nil {
				t.Errorf("Publish = %v", err)
			}
		})
	}
}

// A server that redirects elsewhere gets no credentials there: the error names the other server, and no credentials.
func TestARedirectToAnotherServer(t *testing.T) {
	t.Parallel()
	elsewhere := overHTTP(t)
	elsewhere.history(t, 1)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.config.URL+"/info/refs?service=git-upload-pack", http.StatusFound))
	t.Cleanup(server.Close)
	c := elsewhere.config
	c.URL = server.URL + "/fleet.git"
	_, err := open(t, c).Latest(t.Context())
	want := fmt.Sprintf("fetch main from %s/fleet.git: it redirects to another server, %s, which is sent no credentials: "+
		"write that server's address into fleet.url", server.URL, strings.TrimSuffix(elsewhere.config.URL, "/fleet.git"))
	if err == nil || err.Error() != want {
		t.Errorf("Latest = %v, want %q", err, want)
	}
	c.URL = elsewhere.config.URL
	if _, err := open(t, c).Latest(t.Context()); err != nil {
		t.Errorf("Latest without the redirect = %v", err)
	}
}

// A server keeps its port in every error.
func TestErrorsKeepThePort(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://127.0.0.1:1/fleet.git", "https://127.0.0.1:1/fleet.git", "http://[::1]:1/fleet.git"} {
		_, err := open(t, gitrepo.Config{URL: address, Branch: "main", StatusBranch: "s"}).Latest(t.Context())
		if err == nil || !strings.Contains(err.Error(), "from "+address+":") {
			t.Errorf("Latest = %v, want %s in it", err, address)
		}
	}
}

// A repository with SHA-256 object ids is refused as such.
func TestARepositoryOfSHA256(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main", "--object-format=sha256", ".")
	git(t, dir, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one")
	_, err := open(t, gitrepo.Config{URL: dir, Branch: "main", StatusBranch: "s"}).Latest(t.Context())
	if err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("Latest = %v, want it named", err)
	}
	empty := t.TempDir() // the status branch comes first
	git(t, empty, "init", "-q", "--bare", "--object-format=sha256", ".")
	_, err = open(t, gitrepo.Config{URL: empty, Branch: "main", StatusBranch: "s"}).Publish(t.Context(), map[string][]byte{"README.md": []byte("board\n")}, "status")
	if err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("Publish = %v, want it named", err)
	}
}
