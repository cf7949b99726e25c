package forge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// request is what a forge got.
type request struct {
	Method, Path, Auth string
	Body               map[string]string
}

// TestPostStatus wants the request that each forge documents.
func TestPostStatus(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind   forge.Kind
		target string
		state  notices.State
		want   request
	}{
		"GitHub": {forge.GitHub, "https://ingot.example.com", notices.StateFailure, request{"POST", "/api/v3/repos/infra/fleet/statuses/1a2b", "Bearer s3cret",
			map[string]string{"state": "failure", "context": "ingot/canary", "description": "1 of 2 done", "target_url": "https://ingot.example.com"}}},
		"GitHub, superseded": {forge.GitHub, "", notices.StateSuperseded, request{"POST", "/api/v3/repos/infra/fleet/statuses/1a2b", "Bearer s3cret",
			map[string]string{"state": "pending", "context": "ingot/canary", "description": "1 of 2 done"}}},
		"GitLab": {forge.GitLab, "https://ingot.example.com", notices.StateFailure, request{"POST", "/api/v4/projects/infra%2Ffleet/statuses/1a2b", "s3cret",
			map[string]string{"state": "failed", "name": "ingot/canary", "description": "1 of 2 done", "target_url": "https://ingot.example.com"}}},
		"GitLab, superseded": {forge.GitLab, "", notices.StateSuperseded, request{"POST", "/api/v4/projects/infra%2Ffleet/statuses/1a2b", "s3cret",
			map[string]string{"state": "canceled", "name": "ingot/canary", "description": "1 of 2 done"}}},
		"Gitea": {forge.Gitea, "", notices.StateSuccess, request{"POST", "/api/v1/repos/infra/fleet/statuses/1a2b", "token s3cret",
			map[string]string{"state": "success", "context": "ingot/canary", "description": "1 of 2 done"}}},
	} {
		var got request
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = request{r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization") + r.Header.Get("PRIVATE-TOKEN"), nil}
			body, _ := io.ReadAll(r.Body)
			if err := json.Unmarshal(body, &got.Body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.WriteHeader(http.StatusCreated)
		}))
		client, err := forge.New(forge.Config{Kind: test.kind, URL: server.URL + "/", Repository: "infra/fleet", Token: secret.New("s3cret"), TargetURL: test.target})
		if err != nil {
			t.Fatal(err)
		}
		answer := client.PostStatus(t.Context(), notices.CommitStatus{Commit: "1a2b", Context: "ingot/canary", State: test.state, Description: "1 of 2 done"})
		server.Close()
		if diff := cmp.Diff(test.want, got); diff != "" || answer.Err != nil {
			t.Errorf("%s: %v %s", name, answer.Err, diff)
		}
	}
}

// TestGitLabHasTheStateAlready takes GitLab's refusal of a status with the state that the commit has, and no other one.
func TestGitLabHasTheStateAlready(t *testing.T) {
	t.Parallel()
	for said, taken := range map[string]bool{
		`{"message":"Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via \"enqueue\")"}`: true,
		`{"message":{"name":["is too long"]}}`: false,
	} {
		for _, kind := range forge.Kinds {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, said, http.StatusBadRequest)
			}))
			client, err := forge.New(forge.Config{Kind: kind, URL: server.URL, Repository: "infra/fleet"})
			if err != nil {
				t.Fatal(err)
			}
			answer := client.PostStatus(t.Context(), notices.CommitStatus{Commit: "1a2b", State: notices.StatePending})
			server.Close()
			if (answer.Err == nil) != (taken && kind == forge.GitLab) {
				t.Errorf("%s: %s is taken as %v", kind, said, answer.Err)
			}
		}
	}
}

// TestAPIURL wants the API by the URL that people open.
func TestAPIURL(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]forge.Config{
		"https://api.github.com":             {Kind: forge.GitHub, URL: "https://github.com"},
		"https://api.octocorp.ghe.com":       {Kind: forge.GitHub, URL: "https://octocorp.ghe.com/"},
		"https://github.example.com/api/v3":  {Kind: forge.GitHub, URL: "https://github.example.com"},
		"https://gitlab.com/api/v4":          {Kind: forge.GitLab, URL: "https://gitlab.com/"},
		"https://example.com/gitlab/api/v4":  {Kind: forge.GitLab, URL: "https://example.com/gitlab"},
		"https://codeberg.org/api/v1":        {Kind: forge.Gitea, URL: "https://codeberg.org"},
		"http://[::1]:3000/gitea/sub/api/v1": {Kind: forge.Gitea, URL: "http://[::1]:3000/gitea/sub/"},
	} {
		if got := forge.APIURL(c); got != want {
			t.Errorf("%s %s: %s, want %s", c.Kind, c.URL, got, want)
		}
	}
}
