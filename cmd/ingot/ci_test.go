package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/internal/lab/program"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

const recipes = "../../examples/ci"

// forges are the recipes, and who comments there with the token that they use.
var forges = map[string]string{"github": "github-actions[bot]", "gitea": "gitea-actions", "gitlab": "project_42_bot"}

// TestCIRecipes runs the shell of each recipe against a forge's API. On a pull request that grows there is one comment, which is kept up to date, and
// what other people write is not touched, even if it looks like ours.
func TestCIRecipes(t *testing.T) {
	t.Parallel()
	for kind := range forges {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f, c := newForge(t, kind), newPullRequest(t)
			f.comments = append(f.comments, comment{ID: 1, Body: review.Marker + "\nPlan: nothing to see here", by: "mallory"})
			for i := range 150 {
				f.comments = append(f.comments, comment{ID: i + 2, Body: "looks good", by: "jo"})
			}
			others := slices.Clone(f.comments)

			out, code := f.pullRequest(c)
			f.want(t, "held", code, 3, 1, 0, "2 to install, 3 held, 0 other, 0 unchanged", "waits for its consent")
			if strings.Contains(out, f.token) {
				t.Errorf("the job's log holds the token:\n%s", out)
			}
			c.run(nil, "ingot", "consent", "web-1", "web-2", "db-1")
			c.commit("consent")
			_, code = f.pullRequest(c)
			f.want(t, "consented", code, 0, 1, 1, "3 to erase and reinstall", "What merging "+c.git("rev-parse", "HEAD"))

			c.replace("hosts/web-1.yaml", "workload: web", "worklod: web")
			c.commit("broken")
			out, code = f.pullRequest(c)
			f.want(t, "broken", code, 1, 1, 2, "There is no plan", "    hosts/web-1.yaml:10:3: error: spec.worklod")
			f.annotated(t, c, out)
			if got := f.comments[:len(others)]; !slices.Equal(got, others) {
				t.Errorf("others' comments were changed: %v", got)
			}
		})
	}
}

// TestCIWithoutComment has pull requests that are checked although nothing can be written: from a fork there is no token, or one that may not.
func TestCIWithoutComment(t *testing.T) {
	t.Parallel()
	for kind := range forges {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f, c := newForge(t, kind), newPullRequest(t)
			f.fork = true
			out, code := f.pullRequest(c)
			if code != 3 || len(f.requests) > 0 || !strings.Contains(out, "3 held") {
				t.Errorf("without a token: exit code %d, requests %v:\n%s", code, f.requests, out)
			}
			if _, code := f.pullRequest(c, "INGOT_HELD=pass"); code != 0 {
				t.Errorf("what is held may pass: exit code %d, want 0", code)
			}
			f.fork, f.readOnly = false, true
			out, code = f.pullRequest(c, "INGOT_HELD=pass")
			if code != 0 || len(f.comments) > 0 || len(f.requests) == 0 || !strings.Contains(out, "the comment could not be posted") {
				t.Errorf("with a token that may not write: exit code %d, %d requests, %d comments:\n%s", code, len(f.requests), len(f.comments), out)
			}
		})
	}
}

// TestCIComments has what comments say in other cases, on one of the forges.
func TestCIComments(t *testing.T) {
	t.Parallel()
	f, c := newForge(t, "github"), newPullRequest(t)
	c.git("checkout", "--quiet", "main")
	_, code := f.pullRequest(c)
	f.want(t, "nothing", code, 0, 1, 0, "No machine is touched.")

	c.git("checkout", "--quiet", "-b", "conflict", "base")
	c.replace("hosts/new-1.yaml", "fra1", "ber1") // main has ams1 there
	c.commit("conflict")
	_, code = f.pullRequest(c)
	f.want(t, "conflict", code, 1, 1, 1, "This does not merge")

	c.git("checkout", "--quiet", "-b", "many", "base")
	for i := range 1000 {
		c.write(fmt.Sprintf("hosts/%s-%d.yaml", strings.Repeat("long", 40), i), "apiVersion: ingot.dev/v1alpha1\nkind: Host\n")
	}
	c.commit("many findings")
	_, code = f.pullRequest(c)
	f.want(t, "many findings", code, 1, 1, 2, "There is no plan")

	bin := t.TempDir()
	if err := program.Write(filepath.Join(bin, "ingot"), "#!/bin/sh\n[ \"$1\" = validate ] || { echo '"+review.Marker+"'; yes '🟡 ä' | head -n 20000; exit 2; }\n"); err != nil {
		t.Fatal(err)
	}
	_, code = f.pullRequest(c, "PATH="+bin+":"+os.Getenv("PATH"))
	f.want(t, "a plan that is too long", code, 0, 1, 3, "…cut.")

	if err := program.Write(filepath.Join(bin, "ingot"), "#!/bin/sh\n[ \"$1\" = validate ] || { echo '"+review.Marker+"'; echo '1 UNKNOWN'; exit 1; }\n"); err != nil {
		t.Fatal(err)
	}
	_, code = f.pullRequest(c, "INGOT_HELD=pass", "PATH="+bin+":"+os.Getenv("PATH"))
	f.want(t, "a plan without one of its hosts", code, 1, 1, 4, "1 UNKNOWN", "This plan is incomplete")
}

// newPullRequest is a clone on a branch that changes the image, behind a main that changed something else.
func newPullRequest(t *testing.T) *clone {
	t.Helper()
	c := newClone(t)
	for name, text := range base {
		c.write(name, text)
	}
	script, err := os.ReadFile(filepath.Join(recipes, "pull-request.sh"))
	if err != nil {
		t.Fatal(err)
	}
	c.write(".ci/pull-request.sh", string(script))
	c.commit("base")
	c.git("tag", "base")
	c.status("base", schemas.Scope{}, func(h inventory.Desired) *status.Document {
		if h.Name == "new-1" {
			return nil
		}
		d := seen(h, inventory.Content{Signature: "aaaaaaaaaaaaaaaa", Summary: "data"})
		return &d
	})
	c.replace("hosts/new-1.yaml", "fra1", "ams1")
	c.write("hosts/late-1.yaml", baseHost("late-1", "05")) // which the branch does not know, and does not take away
	c.commit("main: another site, another host")
	c.git("update-ref", "refs/remotes/origin/main", "main")
	c.git("checkout", "--quiet", "-b", "image", "base")
	c.replace("workloads/web.yaml", strings.Repeat("a", 64), strings.Repeat("b", 64))
	c.commit("another image")
	return c
}

type comment struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
	by   string
}

// forge is the part of a forge's API that comments need.
type forge struct {
	*httptest.Server
	kind, token string
	fork        bool // the recipe gets no token
	readOnly    bool
	mu          sync.Mutex
	comments    []comment
	requests    []string
	posted      int
	changed     int
}

func newForge(t *testing.T, kind string) *forge {
	f := &forge{kind: kind, token: "canary-" + kind}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// paths are those of comments, and of one, by the kind of forge.
var paths = map[string][2]string{
	"github": {"/repos/infra/fleet/issues/7/comments", "/repos/infra/fleet/issues/comments/"},
	"gitea":  {"/repos/infra/fleet/issues/7/comments", "/repos/infra/fleet/issues/comments/"},
	"gitlab": {"/projects/42/merge_requests/7/notes", "/projects/42/merge_requests/7/notes/"},
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	all, one := paths[f.kind][0], paths[f.kind][1]
	authorization := map[bool]string{true: r.Header.Get("Private-Token"), false: strings.TrimPrefix(r.Header.Get("Authorization"), "token ")}[f.kind == "gitlab"]
	change := map[bool]string{true: http.MethodPut, false: http.MethodPatch}[f.kind == "gitlab"]
	switch {
	case authorization != f.token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodGet && r.URL.Path == "/user" && f.kind == "gitlab":
		f.answer(w, map[string]string{"username": forges[f.kind]})
	case r.Method == http.MethodGet && r.URL.Path == all:
		f.answer(w, f.page(r))
	case f.readOnly:
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodPost && r.URL.Path == all:
		f.posted++
		f.comments = append(f.comments, comment{ID: len(f.comments) + 1, by: forges[f.kind]})
		f.keep(w, r, len(f.comments))
	case r.Method == change && strings.HasPrefix(r.URL.Path, one):
		f.changed++
		id, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, one))
		if err != nil || id < 1 || id > len(f.comments) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		f.keep(w, r, id)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// page is a page of the comments; Gitea knows no pages here.
func (f *forge) page(r *http.Request) []map[string]any {
	comments := f.comments
	if f.kind != "gitea" {
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		number, _ := strconv.Atoi(r.URL.Query().Get("page"))
		comments = comments[min(len(comments), (number-1)*size):min(len(comments), number*size)]
	}
	listed := []map[string]any{}
	for _, c := range comments {
		by := map[string]any{"user": map[string]string{"login": c.by}}
		if f.kind == "gitlab" {
			by = map[string]any{"author": map[string]string{"username": c.by}}
		}
		by["id"], by["body"] = c.ID, c.Body
		listed = append(listed, by)
	}
	return listed
}

// keep takes a comment's text, if it is none too long.
func (f *forge) keep(w http.ResponseWriter, r *http.Request, id int) {
	var sent comment
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || len(sent.Body) > 65536 || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	f.comments[id-1].Body = sent.Body
	f.answer(w, f.comments[id-1])
}

func (f *forge) answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err)
	}
}

// want looks at the exit code, at how often a comment was made and changed, and at what ours, the last, says.
func (f *forge) want(t *testing.T, what string, code, wantCode, posted, changed int, texts ...string) {
	t.Helper()
	if code != wantCode || f.posted != posted || f.changed != changed {
		t.Fatalf("%s: exit code %d, %d comments made, %d changed; want %d, %d, %d; requests %v", what, code, f.posted, f.changed, wantCode, posted, changed, f.requests)
	}
	got := f.comments[len(f.comments)-1].Body
	for _, text := range append(texts, review.Marker+"\n") {
		if !strings.Contains(got, text) {
			t.Errorf("%s: the comment lacks %q:\n%.3000s", what, text, got)
		}
	}
}

// annotated looks for the finding where the forge shows it at its line.
func (f *forge) annotated(t *testing.T, c *clone, out string) {
	t.Helper()
	got, want := out, "hosts/web-1.yaml:10:3: error: spec.worklod"
	switch f.kind {
	case "github":
		want = "::error file=hosts/web-1.yaml,line=10,col=3::spec.worklod"
	case "gitlab":
		got, want = c.read("gl-code-quality-report.json"), `"path": "hosts/web-1.yaml"`
	}
	if !strings.Contains(got, want) {
		t.Errorf("no annotation %q in:\n%s", want, got)
	}
}

// pullRequest runs the recipe's shell as the forge's runner does, on what is checked out.
func (f *forge) pullRequest(c *clone, env ...string) (string, int) {
	c.t.Helper()
	script, own := f.recipe(c)
	c.git("clean", "--quiet", "--force")
	return c.run(append(own, env...), "sh", "-e", "-c", script)
}

// recipe reads the shell and the environment of a recipe.
func (f *forge) recipe(c *clone) (script string, env []string) {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(recipes, f.kind+".yml"))
	if err != nil {
		c.t.Fatal(err)
	}
	if f.kind == "gitlab" {
		return f.gitlab(c, data)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(data, &workflow); err != nil {
		c.t.Fatal(err)
	}
	steps := workflow.Jobs["plan"].Steps
	last := steps[len(steps)-1]
	for name, value := range last.Env {
		env = append(env, name+"="+f.evaluate(c.t, value))
	}
	return last.Run, env
}

var expression = regexp.MustCompile(`\$\{\{ (.*?) \}\}`)

// evaluate replaces the expressions that the recipes use by what they are here.
func (f *forge) evaluate(t *testing.T, value string) string {
	values := map[string]string{
		"github.base_ref": "main", "github.api_url": f.URL, "github.repository": "infra/fleet", "github.event.pull_request.number": "7",
		"github.event.pull_request.head.repo.full_name == github.repository && github.token || ''": map[bool]string{false: f.token}[f.fork],
	}
	return expression.ReplaceAllStringFunc(value, func(found string) string {
		replaced, known := values[expression.FindStringSubmatch(found)[1]]
		if !known {
			t.Fatalf("the recipe uses %s, which is not known here", found)
		}
		return replaced
	})
}

func (f *forge) gitlab(c *clone, data []byte) (script string, env []string) {
	var pipeline map[string]struct {
		Variables map[string]string
		Script    []string
	}
	if err := yaml.Unmarshal(data, &pipeline); err != nil {
		c.t.Fatal(err)
	}
	predefined := map[string]string{
		"CI_API_V4_URL": f.URL, "CI_MERGE_REQUEST_PROJECT_ID": "42", "CI_MERGE_REQUEST_IID": "7",
		"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_COMMIT_SHA": c.git("rev-parse", "HEAD"), "INGOT_TOKEN": map[bool]string{false: f.token}[f.fork],
	}
	for name, value := range predefined {
		env = append(env, name+"="+value)
	}
	for name, value := range pipeline["ingot"].Variables {
		env = append(env, name+"="+os.Expand(value, func(variable string) string { return predefined[variable] }))
	}
	return strings.Join(pipeline["ingot"].Script, "\n"), env
}
