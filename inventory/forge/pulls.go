package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitmetal/ingot/internal/httppost"
)

// PullState is the state of a pull request.
type PullState string

// States.
const (
	PullOpen   PullState = "Open"
	PullMerged PullState = "Merged"
	PullClosed PullState = "Closed" // not merged
)

// Pull is a pull request of one branch of the repository into another; on GitLab a merge request.
type Pull struct {
	Number int // as people see it
	State  PullState
	Head   string // commit of the branch
	Branch string
	URL    string // where people open it
}

// PullText is what a pull request says. Body is Markdown.
type PullText struct{ Title, Body string }

// maxPulls is the most bytes of an answer about pull requests.
const maxPulls = 4 << 20

// OpenPull opens a pull request from one branch into another. An open one of the same branch is taken.
func (c *Client) OpenPull(ctx context.Context, branch, into string, text PullText) (Pull, httppost.Answer) {
	body := map[string]any{"title": text.Title, "body": text.Body, "head": branch, "base": into}
	path := "/pulls"
	if c.config.Kind == GitLab {
		body = map[string]any{"title": text.Title, "description": text.Body, "source_branch": branch, "target_branch": into}
		path = "/merge_requests"
	}
	pull, answer := c.callPull(ctx, http.MethodPost, path, body)
	// GitHub says 422, Gitea and GitLab 409
	if answer.Status == http.StatusConflict || answer.Status == http.StatusUnprocessableEntity {
		if found, there, listed := c.FindPull(ctx, branch, into); listed.Err == nil && there {
			return found, listed
		}
	}
	return pull, answer
}

// ReadPull reads a pull request.
func (c *Client) ReadPull(ctx context.Context, number int) (Pull, httppost.Answer) {
	return c.callPull(ctx, http.MethodGet, c.pullPath(number), nil)
}

// UpdatePull changes what a pull request says.
func (c *Client) UpdatePull(ctx context.Context, number int, text PullText) httppost.Answer {
	body := map[string]any{"title": text.Title, "body": text.Body}
	if c.config.Kind == GitLab {
		body = map[string]any{"title": text.Title, "description": text.Body}
	}
	_, answer := c.callPull(ctx, c.changeMethod(), c.pullPath(number), body)
	return answer
}

// ClosePull closes a pull request that is not to be merged.
func (c *Client) ClosePull(ctx context.Context, number int) httppost.Answer {
	body := map[string]any{"state": "closed"}
	if c.config.Kind == GitLab {
		body = map[string]any{"state_event": "close"}
	}
	_, answer := c.callPull(ctx, c.changeMethod(), c.pullPath(number), body)
	return answer
}

// Comment adds a comment to a pull request.
func (c *Client) Comment(ctx context.Context, number int, text string) httppost.Answer {
	path := fmt.Sprintf("/issues/%d/comments", number)
	if c.config.Kind == GitLab {
		path = c.pullPath(number) + "/notes"
	}
	return c.call(ctx, http.MethodPost, path, map[string]any{"body": text})
}

// MergePull merges a pull request whose branch is at a commit. With another commit the forge refuses.
func (c *Client) MergePull(ctx context.Context, number int, head string) httppost.Answer {
	path := c.pullPath(number) + "/merge"
	switch c.config.Kind {
	case Gitea:
		return c.call(ctx, http.MethodPost, path, map[string]any{"Do": "merge", "head_commit_id": head})
	case GitHub:
		return c.call(ctx, http.MethodPut, path, map[string]any{"merge_method": "merge", "sha": head})
	default:
		return c.call(ctx, http.MethodPut, path, map[string]any{"sha": head})
	}
}

// Bounds of a list of pull requests.
const (
	pullsAPage = 50
	pullPages  = 20
)

// FindPull finds the open pull request of a branch.
func (c *Client) FindPull(ctx context.Context, branch, into string) (Pull, bool, httppost.Answer) {
	query := url.Values{"state": {"open"}, "limit": {fmt.Sprint(pullsAPage)}, "per_page": {fmt.Sprint(pullsAPage)}}
	path := "/pulls"
	switch owner, _, _ := strings.Cut(c.config.Repository, "/"); c.config.Kind {
	case GitHub:
		query.Set("head", owner+":"+branch)
		query.Set("base", into)
	case GitLab:
		path = "/merge_requests"
		query.Set("state", "opened")
		query.Set("source_branch", branch)
		query.Set("target_branch", into)
	}
	for page := 1; page <= pullPages; page++ {
		query.Set("page", fmt.Sprint(page))
		answer := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil)
		if answer.Err != nil {
			return Pull{}, false, answer
		}
		var list []pullDocument
		if err := json.Unmarshal(answer.Body, &list); err != nil {
			answer.Err = fmt.Errorf("the forge's list of pull requests cannot be read: %w", err)
			return Pull{}, false, answer
		}
		for _, d := range list {
			if pull := d.read(); pull.Branch == branch && d.target() == into && pull.State == PullOpen {
				return pull, true, answer
			}
		}
		if len(list) < pullsAPage {
			return Pull{}, false, answer
		}
	}
	return Pull{}, false, httppost.Answer{}
}

func (c *Client) pullPath(number int) string {
	if c.config.Kind == GitLab {
		return fmt.Sprintf("/merge_requests/%d", number)
	}
	return fmt.Sprintf("/pulls/%d", number)
}

func (c *Client) changeMethod() string {
	if c.config.Kind == GitLab {
		return http.MethodPut
	}
	return http.MethodPatch
}

// call sends a request and keeps the answer's body.
func (c *Client) call(ctx context.Context, method, path string, body map[string]any) httppost.Answer {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return httppost.Answer{Err: fmt.Errorf("a request to the forge: %w", err)}
		}
	}
	r, err := c.request(method, path, text)
	if err != nil {
		return httppost.Answer{Err: err}
	}
	r.Most = maxPulls
	return c.http.Post(ctx, r)
}

// callPull is call for requests that are answered with a pull request.
func (c *Client) callPull(ctx context.Context, method, path string, body map[string]any) (Pull, httppost.Answer) {
	answer := c.call(ctx, method, path, body)
	if answer.Err != nil {
		return Pull{}, answer
	}
	var d pullDocument
	if err := json.Unmarshal(answer.Body, &d); err != nil || d.read().Number == 0 {
		answer.Err = fmt.Errorf("the forge's pull request cannot be read (%w): check forge.kind and forge.url", err)
	}
	return d.read(), answer
}

// pullDocument is a pull request as the forges write it: GitHub and Gitea ("pulls"), GitLab ("merge_requests").
type pullDocument struct {
	Number   int       `json:"number"`
	IID      int       `json:"iid"` // GitLab's number
	State    string    `json:"state"`
	Merged   bool      `json:"merged"`    // Gitea; GitHub for a single one
	MergedAt *string   `json:"merged_at"` // GitHub
	HTMLURL  string    `json:"html_url"`
	WebURL   string    `json:"web_url"` // GitLab
	Head     branchRef `json:"head"`
	Base     branchRef `json:"base"`
	Source   string    `json:"source_branch"` // GitLab
	Target   string    `json:"target_branch"`
	SHA      string    `json:"sha"` // GitLab: of the source branch
}

type branchRef struct {
	Ref string `json:"ref"`
	SHA string `json:"sha"`
}

func (d pullDocument) target() string {
	if d.IID != 0 {
		return d.Target
	}
	return d.Base.Ref
}

func (d pullDocument) read() Pull {
	p := Pull{Number: d.Number, Head: d.Head.SHA, Branch: d.Head.Ref, URL: d.HTMLURL, State: PullOpen}
	if d.IID != 0 {
		p.Number, p.Head, p.Branch, p.URL = d.IID, d.SHA, d.Source, d.WebURL
	}
	switch {
	case d.State == "merged" || d.Merged || d.MergedAt != nil && *d.MergedAt != "" && d.State == "closed":
		p.State = PullMerged
	case d.State == "closed": // GitLab's "locked" is a merge that is under way
		p.State = PullClosed
	}
	return p
}
