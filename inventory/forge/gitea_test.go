//go:build e2e

package forge_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/gitea"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// server is a real Gitea with one user, which ends with the test.
type server struct{ *gitea.Server }

// startGitea runs the Gitea of scripts/gitea.sh until the test ends.
func startGitea(t *testing.T) server {
	t.Helper()
	script := exec.CommandContext(t.Context(), "../../scripts/gitea.sh")
	script.Stderr = os.Stderr
	out, err := script.Output()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	g, err := gitea.Start(ctx, strings.TrimSpace(string(out)), t.TempDir())
	t.Cleanup(func() {
		cancel()
		if g != nil && t.Failed() {
			t.Logf("gitea: %s", g.Words())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return server{g}
}

// token makes a token with scopes.
func (g server) token(t *testing.T, name, scopes string) secret.Value {
	t.Helper()
	token, err := g.Token(t.Context(), name, scopes)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call calls the API, and reads the answer into a value.
func (g server) call(t *testing.T, token secret.Value, c gitea.Call, into any) {
	t.Helper()
	if err := g.Call(t.Context(), token, c, into); err != nil {
		t.Fatal(err)
	}
}

// TestRealGitea posts the statuses of a release to a real Gitea and reads them back. A proxy in front of it sees every
// request of ours. Tokens with too few rights and another repository are refusals, not outages.
func TestRealGitea(t *testing.T) {
	t.Parallel()
	g := startGitea(t)
	owner := g.token(t, "owner", "write:repository,write:user")
	var repository struct {
		Name string `json:"full_name"`
	}
	g.call(t, owner, gitea.Call{Method: http.MethodPost, Path: "/user/repos", Body: `{"name":"fleet","auto_init":true,"default_branch":"main"}`}, &repository)
	var branch struct {
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
	}
	g.call(t, owner, gitea.Call{Method: http.MethodGet, Path: "/repos/" + repository.Name + "/branches/main"}, &branch)
	commit := branch.Commit.ID

	var mu sync.Mutex
	var seen []string
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.URL.Path)
		mu.Unlock()
		front.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	open := func(token secret.Value, name string) *forge.Client {
		client, err := forge.New(forge.Config{Kind: forge.Gitea, URL: proxy.URL, Repository: name, Token: token, TargetURL: "https://ingot.example.com/board"})
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	client := open(g.token(t, "statuses", "write:repository"), repository.Name)
	for _, s := range []notices.CommitStatus{
		{Commit: commit, Context: "ingot/canary", State: notices.StatePending, Description: "0 of 2 done"},
		{Commit: commit, Context: "ingot/broad", State: notices.StateFailure, Description: "38 of 40 done, 2 held: web-3, web-7"},
		{Commit: commit, Context: "ingot/trunk/fleets/fra1", State: notices.StateSuperseded, Description: "superseded by 1a2b: 1 of 2 done"},
		{Commit: commit, Context: "ingot/canary", State: notices.StateSuccess, Description: "2 of 2 done"},
	} {
		if answer := client.PostStatus(t.Context(), s); answer.Err != nil || answer.Status != http.StatusCreated {
			t.Errorf("PostStatus(%+v) = %+v", s, answer)
		}
	}
	type shown struct {
		Context     string `json:"context"`
		State       string `json:"status"`
		Description string `json:"description"`
		Target      string `json:"target_url"`
	}
	var combined struct {
		Statuses []shown `json:"statuses"`
	}
	g.call(t, owner, gitea.Call{Method: http.MethodGet, Path: "/repos/" + repository.Name + "/commits/" + commit + "/status"}, &combined)
	slices.SortFunc(combined.Statuses, func(a, b shown) int { return strings.Compare(a.Context, b.Context) })
	const board = "https://ingot.example.com/board"
	if diff := cmp.Diff([]shown{{"ingot/broad", "failure", "38 of 40 done, 2 held: web-3, web-7", board},
		{"ingot/canary", "success", "2 of 2 done", board},
		{"ingot/trunk/fleets/fra1", "pending", "superseded by 1a2b: 1 of 2 done", board}}, combined.Statuses); diff != "" {
		t.Errorf("Gitea shows: %s", diff)
	}

	status := notices.CommitStatus{Commit: commit, Context: "ingot/canary", State: notices.StatePending}
	unknown := status
	unknown.Commit = strings.Repeat("0123456789", 4)
	if answer := client.PostStatus(t.Context(), unknown); answer.Err == nil || answer.Status != http.StatusInternalServerError {
		t.Errorf("an unknown commit: %+v, want the 500 of Gitea 1.26", answer)
	}
	for name, answer := range map[string]error{
		"a token that may only read": refusal(t, open(g.token(t, "reader", "read:repository"), repository.Name), status),
		"no token":                   refusal(t, open(secret.New("0000000000000000000000000000000000000000"), repository.Name), status),
		"another repository":         refusal(t, open(owner, "infra/other"), status),
	} {
		t.Logf("%s: %v", name, answer)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, request := range seen {
		if !strings.HasPrefix(request, "POST /api/v1/repos/infra/") || !strings.Contains(request, "/statuses/") {
			t.Errorf("Gitea also got %s", request)
		}
	}
	if len(seen) != 8 {
		t.Errorf("Gitea got %d requests, want 8: %v", len(seen), seen)
	}
}

// TestRealPulls opens, changes, closes and merges pull requests on a real Gitea.
func TestRealPulls(t *testing.T) {
	t.Parallel()
	g := startGitea(t)
	owner := g.token(t, "owner", "write:repository,write:user,write:issue")
	var repository struct {
		Name string `json:"full_name"`
	}
	g.call(t, owner, gitea.Call{Method: http.MethodPost, Path: "/user/repos", Body: `{"name":"fleet","auto_init":true,"default_branch":"main"}`}, &repository)
	client, err := forge.New(forge.Config{Kind: forge.Gitea, URL: g.URL, Repository: repository.Name, Token: owner})
	if err != nil {
		t.Fatal(err)
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	propose := func(branch, file string) {
		g.call(t, owner, gitea.Call{Method: http.MethodPost, Path: "/repos/" + repository.Name + "/contents/" + file,
			Body: fmt.Sprintf(`{"branch":"main","new_branch":%q,"message":"m","content":"eA=="}`, branch)}, &struct{}{})
	}
	ctx := t.Context()
	if _, a := client.OpenPull(ctx, "ingot/proposals/none", "main", forge.PullText{Title: "x"}); a.Err == nil || a.Down {
		t.Errorf("a branch that is not there: %+v", a)
	}
	const first, second = "ingot/proposals/7f3a9c21e0b4", "ingot/proposals/0123456789ab"
	propose(first, "hosts/discovered/a.yaml")
	propose(second, "hosts/discovered/b.yaml")
	declined, a := client.OpenPull(ctx, first, "main", forge.PullText{Title: "Discovered: a", Body: "```\nx\n```"})
	must("open", a.Err)
	again, a := client.OpenPull(ctx, first, "main", forge.PullText{Title: "Discovered: a"})
	must("open again", a.Err)
	if again != declined || declined.State != forge.PullOpen || declined.Branch != first || declined.Head == "" || declined.URL == "" {
		t.Errorf("opened %+v, then %+v", declined, again)
	}
	must("update", client.UpdatePull(ctx, declined.Number, forge.PullText{Title: "Discovered: a-2", Body: "new"}).Err)
	must("comment", client.Comment(ctx, declined.Number, "the machine has another disk now").Err)
	must("close", client.ClosePull(ctx, declined.Number).Err)
	merged, a := client.OpenPull(ctx, second, "main", forge.PullText{Title: "Discovered: b"})
	must("open", a.Err)
	if a := client.MergePull(ctx, merged.Number, strings.Repeat("0", 40)); a.Err == nil {
		t.Error("another commit was merged")
	}
	// Gitea looks for conflicts first, and answers 405 until it has
	deadline, tick := time.After(time.Minute), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for a = client.MergePull(ctx, merged.Number, merged.Head); a.Err != nil; a = client.MergePull(ctx, merged.Number, merged.Head) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(a.Err)
		}
	}
	for number, want := range map[int]forge.PullState{declined.Number: forge.PullClosed, merged.Number: forge.PullMerged} {
		if pull, a := client.ReadPull(ctx, number); a.Err != nil || pull.State != want {
			t.Errorf("#%d is %+v, %v, want %s", number, pull, a.Err, want)
		}
	}
	if _, there, a := client.FindPull(ctx, first, "main"); a.Err != nil || there {
		t.Errorf("a closed request is found: %v %v", there, a.Err)
	}
	var shown struct {
		Title, Body string
		Comments    int
	}
	g.call(t, owner, gitea.Call{Method: http.MethodGet, Path: fmt.Sprintf("/repos/%s/pulls/%d", repository.Name, declined.Number)}, &shown)
	if shown.Title != "Discovered: a-2" || shown.Body != "new" || shown.Comments != 1 {
		t.Errorf("Gitea shows %+v", shown)
	}
}

// refusal wants a status refused, as no outage.
func refusal(t *testing.T, client *forge.Client, s notices.CommitStatus) error {
	t.Helper()
	answer := client.PostStatus(t.Context(), s)
	if answer.Err == nil || answer.Down {
		t.Errorf("PostStatus(%+v) = %+v, want a refusal", s, answer)
	}
	return answer.Err
}
