package forge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/forge"
)

const pullBranch = "ingot/proposals/7f3a9c21e0b4"

// Answers of each forge, in the shape of its documentation: "Get a pull request", "Get single MR", "repoGetPullRequest".
var openPulls = map[forge.Kind]string{
	forge.GitHub: `{"number":7,"state":"open","merged_at":null,"merged":false,"html_url":"https://f/7","head":{"ref":"` + pullBranch + `","sha":"abc"},"base":{"ref":"main"}}`,
	forge.GitLab: `{"id":99,"iid":7,"state":"opened","sha":"abc","source_branch":"` + pullBranch + `","target_branch":"main","web_url":"https://f/7"}`,
	forge.Gitea:  `{"number":7,"state":"open","merged":false,"html_url":"https://f/7","head":{"ref":"` + pullBranch + `","sha":"abc"},"base":{"ref":"main"}}`,
}

// forgeServer answers every request with the next of these answers, and keeps the requests.
func forgeServer(t *testing.T, kind forge.Kind, answers ...string) (*forge.Client, *[]string) {
	t.Helper()
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := r.Method + " " + r.URL.RequestURI()
		if len(body) > 0 {
			var value map[string]any
			if err := json.Unmarshal(body, &value); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			sorted, _ := json.Marshal(value)
			text += " " + string(sorted)
		}
		seen = append(seen, text)
		answer := answers[min(len(seen), len(answers))-1]
		code := http.StatusOK
		if _, err := fmt.Sscanf(answer, "%d ", &code); err == nil {
			answer = answer[4:]
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	client, err := forge.New(forge.Config{Kind: kind, URL: server.URL, Repository: "infra/fleet", Token: secret.New("s3cret")})
	if err != nil {
		t.Fatal(err)
	}
	return client, &seen
}

// TestPulls wants the requests that each forge documents.
func TestPulls(t *testing.T) {
	t.Parallel()
	want := map[forge.Kind][]string{
		forge.GitHub: {
			`POST /api/v3/repos/infra/fleet/pulls {"base":"main","body":"text","head":"` + pullBranch + `","title":"Discovered: web-1"}`,
			`GET /api/v3/repos/infra/fleet/pulls/7`,
			`PATCH /api/v3/repos/infra/fleet/pulls/7 {"body":"b","title":"t"}`,
			`POST /api/v3/repos/infra/fleet/issues/7/comments {"body":"c"}`,
			`PUT /api/v3/repos/infra/fleet/pulls/7/merge {"merge_method":"merge","sha":"abc"}`,
			`PATCH /api/v3/repos/infra/fleet/pulls/7 {"state":"closed"}`,
		},
		forge.GitLab: {
			`POST /api/v4/projects/infra%2Ffleet/merge_requests {"description":"text","source_branch":"` + pullBranch + `","target_branch":"main","title":"Discovered: web-1"}`,
			`GET /api/v4/projects/infra%2Ffleet/merge_requests/7`,
			`PUT /api/v4/projects/infra%2Ffleet/merge_requests/7 {"description":"b","title":"t"}`,
			`POST /api/v4/projects/infra%2Ffleet/merge_requests/7/notes {"body":"c"}`,
			`PUT /api/v4/projects/infra%2Ffleet/merge_requests/7/merge {"sha":"abc"}`,
			`PUT /api/v4/projects/infra%2Ffleet/merge_requests/7 {"state_event":"close"}`,
		},
		forge.Gitea: {
			`POST /api/v1/repos/infra/fleet/pulls {"base":"main","body":"text","head":"` + pullBranch + `","title":"Discovered: web-1"}`,
			`GET /api/v1/repos/infra/fleet/pulls/7`,
			`PATCH /api/v1/repos/infra/fleet/pulls/7 {"body":"b","title":"t"}`,
			`POST /api/v1/repos/infra/fleet/issues/7/comments {"body":"c"}`,
			`POST /api/v1/repos/infra/fleet/pulls/7/merge {"Do":"merge","head_commit_id":"abc"}`,
			`PATCH /api/v1/repos/infra/fleet/pulls/7 {"state":"closed"}`,
		},
	}
	for _, kind := range forge.Kinds {
		client, seen := forgeServer(t, kind, openPulls[kind])
		ctx := t.Context()
		opened, first := client.OpenPull(ctx, pullBranch, "main", forge.PullText{Title: "Discovered: web-1", Body: "text"})
		read, second := client.ReadPull(ctx, 7)
		pull := forge.Pull{Number: 7, State: forge.PullOpen, Head: "abc", Branch: pullBranch, URL: "https://f/7"}
		if opened != pull || read != pull {
			t.Errorf("%s: opened %+v, read %+v", kind, opened, read)
		}
		for i, a := range []httppost.Answer{first, second, client.UpdatePull(ctx, 7, forge.PullText{Title: "t", Body: "b"}),
			client.Comment(ctx, 7, "c"), client.MergePull(ctx, 7, "abc"), client.ClosePull(ctx, 7)} {
			if a.Err != nil {
				t.Errorf("%s: request %d: %v", kind, i, a.Err)
			}
		}
		if diff := cmp.Diff(want[kind], *seen); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// TestStatesOfPulls reads what the forges say of requests that ended.
func TestStatesOfPulls(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		kind  forge.Kind
		state forge.PullState
	}{
		`{"number":7,"state":"closed","merged":true,"merged_at":"2026-11-29T04:12:00Z"}`: {forge.GitHub, forge.PullMerged},
		`{"number":7,"state":"closed","merged":false,"merged_at":null}`:                  {forge.GitHub, forge.PullClosed},
		`{"number":7,"state":"closed","merged":true}`:                                    {forge.Gitea, forge.PullMerged},
		`{"number":7,"state":"closed","merged":false}`:                                   {forge.Gitea, forge.PullClosed},
		`{"iid":7,"state":"merged"}`:                                                     {forge.GitLab, forge.PullMerged},
		`{"iid":7,"state":"closed"}`:                                                     {forge.GitLab, forge.PullClosed},
		`{"iid":7,"state":"opened"}`:                                                     {forge.GitLab, forge.PullOpen},
	} {
		client, _ := forgeServer(t, want.kind, answer)
		if pull, a := client.ReadPull(t.Context(), 7); a.Err != nil || pull.State != want.state {
			t.Errorf("%s: %s, %v, want %s", answer, pull.State, a.Err, want.state)
		}
	}
	for _, answer := range []string{`<html>`, `{}`, `[]`} {
		client, _ := forgeServer(t, forge.Gitea, answer)
		if _, a := client.ReadPull(t.Context(), 7); a.Err == nil {
			t.Errorf("%s is a pull request", answer)
		}
	}
}

// TestAPullThatIsThere takes the open request of the branch where the forge opens no second one.
func TestAPullThatIsThere(t *testing.T) {
	t.Parallel()
	for kind, refusal := range map[forge.Kind]string{forge.GitHub: "422 {}", forge.GitLab: "409 {}", forge.Gitea: "409 {}"} {
		other := `{"number":3,"iid":3,"state":"open","source_branch":"x","target_branch":"main","head":{"ref":"x"},"base":{"ref":"main"}}`
		client, seen := forgeServer(t, kind, refusal, "["+other+","+openPulls[kind]+"]")
		pull, a := client.OpenPull(t.Context(), pullBranch, "main", forge.PullText{})
		if a.Err != nil || pull.Number != 7 || len(*seen) != 2 {
			t.Errorf("%s: %+v, %v after %v", kind, pull, a.Err, *seen)
		}
		client, _ = forgeServer(t, kind, refusal, "["+other+"]")
		if _, a := client.OpenPull(t.Context(), pullBranch, "main", forge.PullText{}); a.Err == nil {
			t.Errorf("%s: a refusal is taken for a pull request", kind)
		}
	}
}
