package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// Forge is the forge that shows on each commit how far its hosts are.
type Forge struct {
	Kind string `json:"kind"` // GitHub, GitLab, or Gitea, which is Forgejo too
	URL  string `json:"url"`  // as people open it, such as https://github.com
	// Repository is owner/name; on GitLab with all groups.
	Repository string `json:"repository"`
	TokenFile  string `json:"tokenFile"` // may write commit statuses
	CA         string `json:"ca,omitempty"`
	TargetURL  string `json:"targetURL,omitempty"` // where a status leads to
}

// Notify is a webhook that takes notifications.
type Notify struct {
	Name string `json:"name"` // in the log and the metrics
	// URL is where notifications are sent. A URL that is itself a secret stands in URLFile instead.
	URL        string   `json:"url,omitempty"`
	URLFile    string   `json:"urlFile,omitempty"`
	SecretFile string   `json:"secretFile,omitempty"` // key of the signature; without it there is none
	Events     []string `json:"events,omitempty"`     // held, failed, stopped; default all
	CA         string   `json:"ca,omitempty"`
}

// Tells reports whether people outside are told anything.
func (c *Config) Tells() bool { return c.Forge != nil || len(c.Notify) > 0 }

// repositoryName is a repository with its owner, or with all groups.
var repositoryName = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$`)

// receiverName is the name of a receiver: a label of metrics.
var receiverName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// noticePaths gives the paths of files that notices need.
func (c *Config) noticePaths() (paths []*string) {
	if c.Forge != nil {
		paths = append(paths, &c.Forge.TokenFile, &c.Forge.CA)
	}
	for i := range c.Notify {
		n := &c.Notify[i]
		paths = append(paths, &n.URLFile, &n.SecretFile, &n.CA)
	}
	return paths
}

// checkNotices checks what a forge tells the daemon with, and what people outside are told with.
func (c *Config) checkNotices(p *problems) {
	if c.Listen.Webhook != "" {
		p.requireField("webhook.secretFile", c.Webhook.SecretFile,
			"listen.webhook needs the secret that the forge proves itself with")
	}
	if c.Forge != nil {
		c.Forge.checkFields(p)
	}
	for i, n := range c.Notify {
		field := func(name string) string { return fmt.Sprintf("notify[%d].%s", i, name) }
		p.requireField(field("name"), n.Name, "a word for the log and the metrics, such as ops")
		if n.Name != "" && !receiverName.MatchString(n.Name) {
			p.addBad(field("name"), "want small letters, digits and -", "such as ops-chat")
		}
		if slices.ContainsFunc(c.Notify[:i], func(other Notify) bool { return other.Name == n.Name && n.Name != "" }) {
			p.addBad(field("name"), "another receiver has this name", "")
		}
		switch {
		case n.URL == "" && n.URLFile == "":
			p.requireField(field("url"), "", "where notifications are sent, or urlFile, a file with that")
		case n.URL != "" && n.URLFile != "":
			p.addBad(field("urlFile"), "url is written too", "leave one of the two out")
		case n.URL != "" && !IsWebURL(n.URL):
			p.addBad(field("url"), "want an https or http URL", "")
		}
		for _, kind := range n.Events {
			if !slices.Contains(notices.Kinds, notices.Kind(kind)) {
				p.addBad(field("events"), "there is no such event", "held, failed, stopped; without the field, all")
			}
		}
	}
}

func (f Forge) checkFields(p *problems) {
	kinds := make([]string, len(forge.Kinds))
	for i, kind := range forge.Kinds {
		kinds[i] = string(kind)
	}
	p.requireField("forge.kind", f.Kind, strings.Join(kinds, ", "))
	if f.Kind != "" && !slices.Contains(kinds, f.Kind) {
		p.addBad("forge.kind", "there is no such kind", strings.Join(kinds, ", ")+" (Forgejo is a Gitea)")
	}
	p.requireField("forge.url", f.URL, "the forge as people open it, such as https://github.com")
	if f.URL != "" && !IsWebURL(f.URL) {
		p.addBad("forge.url", "want an https or http URL without a user", "such as https://github.com")
	}
	p.requireField("forge.repository", f.Repository, "owner/name")
	if f.Repository != "" && (!repositoryName.MatchString(f.Repository) || strings.Contains("/"+f.Repository+"/", "/../")) {
		p.addBad("forge.repository", "want owner/name", "such as infra/fleet, without the forge's address")
	}
	p.requireField("forge.tokenFile", f.TokenFile, "a file with a token that may write commit statuses")
	if f.TargetURL != "" && !IsWebURL(f.TargetURL) {
		p.addBad("forge.targetURL", "want an https or http URL", "")
	}
}

// IsWebURL reports whether a text is a URL of a web server, without an account.
func IsWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}
