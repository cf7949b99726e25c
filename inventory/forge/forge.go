// Package forge tells a forge the status of a commit, and opens and follows pull requests: GitHub, GitLab, and Gitea
// with Forgejo. Make a Client with New and call PostStatus, or OpenPull and ReadPull. Do not decide here what a
// commit's status is: package reconcile/notices does.
package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// Kind of a forge.
type Kind string

// Kinds.
const (
	GitHub Kind = "GitHub"
	GitLab Kind = "GitLab"
	Gitea  Kind = "Gitea" // Forgejo too
)

// Kinds are all kinds.
var Kinds = []Kind{GitHub, GitLab, Gitea}

// Config names a repository on a forge.
type Config struct {
	Kind Kind
	// URL is the forge as people open it, such as https://github.com.
	URL        string
	Repository string // owner/name; GitLab: with all groups
	Token      secret.Value
	TargetURL  string        // where a status leads to; "" for nowhere
	CA         []byte        // PEM of further authorities; nil for none
	Timeout    time.Duration // of a request; default httppost.DefaultTimeout
	Mask       func(string) string
}

// Client is a client of one repository. Safe for concurrent use.
type Client struct {
	config Config
	http   *httppost.Client
}

// New makes a client; it contacts nobody.
func New(c Config) (*Client, error) {
	client, err := httppost.New(httppost.Config{CA: c.CA, Timeout: c.Timeout, Mask: c.Mask})
	return &Client{config: c, http: client}, err
}

// PostStatus has the forge show a status. A status that the forge shows already is taken.
func (c *Client) PostStatus(ctx context.Context, s notices.CommitStatus) httppost.Answer {
	r, err := c.newRequest(s)
	if err != nil {
		return httppost.Answer{Err: err}
	}
	answer := c.http.Post(ctx, r)
	if c.config.Kind == GitLab && answer.Status == http.StatusBadRequest &&
		strings.Contains(answer.Said, "Cannot transition status") {
		// GitLab refuses a status with the state that the commit has, whatever its description
		return httppost.Answer{Status: answer.Status}
	}
	return answer
}

// newRequest writes the request of each forge:
//
//	GitHub  POST /repos/{owner}/{repo}/statuses/{sha}, "Create a commit status"
//	GitLab  POST /projects/{id}/statuses/{sha}, "Set commit pipeline status"
//	Gitea   POST /repos/{owner}/{repo}/statuses/{sha}, "repoCreateStatus"
func (c *Client) newRequest(s notices.CommitStatus) (httppost.Request, error) {
	body := map[string]string{"state": c.stateName(s.State), "description": s.Description}
	if c.config.TargetURL != "" {
		body["target_url"] = c.config.TargetURL
	}
	name := "context"
	if c.config.Kind == GitLab {
		name = "name"
	}
	body[name] = s.Context
	text, err := json.Marshal(body)
	if err != nil {
		return httppost.Request{}, fmt.Errorf("a status: %w", err)
	}
	return c.request(http.MethodPost, "/statuses/"+s.Commit, text)
}

// request is a request about the repository, by the path of the API behind the repository.
func (c *Client) request(method, path string, body []byte) (httppost.Request, error) {
	header := map[string]secret.Value{"Accept": secret.New("application/json")}
	token, repository := c.config.Token.Reveal(), "/repos/"+c.config.Repository
	switch c.config.Kind {
	case GitHub:
		header["Authorization"] = secret.New("Bearer " + token)
		header["Accept"], header["X-GitHub-Api-Version"] = secret.New("application/vnd.github+json"), secret.New("2022-11-28")
	case GitLab:
		header["PRIVATE-TOKEN"] = secret.New(token)
		repository = "/projects/" + url.PathEscape(c.config.Repository)
	case Gitea:
		header["Authorization"] = secret.New("token " + token)
	default:
		return httppost.Request{}, fmt.Errorf("forge.kind %q is not known", c.config.Kind)
	}
	return httppost.Request{Method: method, URL: secret.New(c.apiURL() + repository + path), Header: header, Body: body}, nil
}

// apiURL is where the API of a forge is, by the URL that people open.
func (c *Client) apiURL() string {
	base := strings.TrimSuffix(c.config.URL, "/")
	u, err := url.Parse(base)
	switch {
	case c.config.Kind == GitLab:
		return base + "/api/v4"
	case c.config.Kind == Gitea:
		return base + "/api/v1"
	case err == nil && (u.Host == "github.com" || u.Host == "www.github.com"):
		return "https://api.github.com"
	case err == nil && strings.HasSuffix(u.Host, ".ghe.com"):
		return u.Scheme + "://api." + u.Host
	default: // GitHub Enterprise Server
		return base + "/api/v3"
	}
}

// stateName is a state in the words of a forge. Only GitLab has one for a commit that was superseded; elsewhere such a
// commit stays pending, and the description says why.
func (c *Client) stateName(s notices.State) string {
	words := map[notices.State]string{notices.StatePending: "pending", notices.StateSuccess: "success",
		notices.StateFailure: "failure", notices.StateSuperseded: "pending"}
	if c.config.Kind == GitLab {
		words[notices.StateFailure], words[notices.StateSuperseded] = "failed", "canceled"
	}
	return words[s]
}
