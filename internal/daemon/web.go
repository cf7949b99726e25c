package daemon

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/inventory/webhook"
)

// page is the read-only page: it asks for the same view and events as the command line does.
//
//go:embed page
var page embed.FS

// webHandler serves the page. It changes nothing, and has no secrets to tell; who may see a fleet's state is for the proxy in front to say.
func (d *Daemon) webHandler() (http.Handler, error) {
	files, err := fs.Sub(page, "page")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /v1/view", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.view()) })
	mux.HandleFunc("GET /v1/events", d.events)
	mux.HandleFunc("GET /v1/hosts/{host}/story", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, d.stories.of(r.PathValue("host"))) })
	return guarded(mux), nil
}

func (d *Daemon) serveWeb(ctx context.Context) error {
	if d.web == nil {
		return nil
	}
	handler, err := d.webHandler()
	if err != nil {
		return err
	}
	d.log.Info("page", "url", "http://"+d.web.Addr().String()+"/")
	return serve(ctx, d.web, handler)
}

func (d *Daemon) serveWebhook(ctx context.Context) error {
	if d.webhook == nil {
		return nil
	}
	key, err := readSecret(d.config.Webhook.SecretFile)
	if err != nil {
		return fmt.Errorf("webhook.secretFile: %w", err)
	}
	return serve(ctx, d.webhook, webhook.Handler(key, d.loop.Refresh))
}

// guarded has browsers load nothing from elsewhere, and put the page into no other.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// Story is what happened to a host since the daemon started, and what its jobs said, as far as it is kept.
type Story struct {
	Steps   []StoryStep `json:"steps"`
	Console []string    `json:"console"`
}

// StoryStep is one change of a host's phase, or of what it does or waits for.
type StoryStep struct {
	At    time.Time `json:"at"`
	Phase string    `json:"phase"`
	Text  string    `json:"text"`
}

// How much of a host's story is kept.
const (
	keptSteps = 200
	keptLines = 500
)

// stories keeps every host's.
type stories struct {
	mu    sync.Mutex
	hosts map[string]*Story
}

func newStories() *stories { return &stories{hosts: map[string]*Story{}} }

func (s *stories) of(host string) Story {
	s.mu.Lock()
	defer s.mu.Unlock()
	story := s.hosts[host]
	if story == nil {
		return Story{Steps: []StoryStep{}, Console: []string{}}
	}
	return Story{Steps: slices.Clone(story.Steps), Console: slices.Clone(story.Console)}
}

// story gives a host's; the caller holds the lock.
func (s *stories) story(host string) *Story {
	if s.hosts[host] == nil {
		s.hosts[host] = &Story{Steps: []StoryStep{}, Console: []string{}}
	}
	return s.hosts[host]
}

// step adds what a host does now, unless it is what it did before.
func (s *stories) step(v HostView, now time.Time) {
	text := v.NextWhy
	switch {
	case v.Hold != nil:
		text = v.Hold.Message
	case v.Trouble != "":
		text = v.Trouble
	case text == "" && v.Waits != "":
		text = "waits for " + v.Waits
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	story := s.story(v.Metadata.Name)
	step := StoryStep{At: now, Phase: string(v.Phase), Text: text}
	if n := len(story.Steps); n > 0 && story.Steps[n-1].Phase == step.Phase && story.Steps[n-1].Text == step.Text {
		return
	}
	story.Steps = last(append(story.Steps, step), keptSteps)
}

func (s *stories) said(p hub.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	story := s.story(p.Host)
	story.Console = last(append(story.Console, p.Progress.Lines...), keptLines)
}

func last[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }

// follow writes the stories down until ctx ends.
func (d *Daemon) follow(ctx context.Context) error {
	news := d.loop.Watch()
	defer news.Stop()
	progress, stopProgress := d.hub.Subscribe()
	defer stopProgress()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news.Some():
			for _, name := range news.Take() {
				if h, ok := d.loop.Host(name); ok {
					d.stories.step(hostView(h), time.Now())
				}
			}
		case p := <-progress:
			d.stories.said(p)
		}
	}
}
