package daemon

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/gitmetal/ingot/internal/page"
	"github.com/gitmetal/ingot/inventory/webhook"
)

// webHandler serves the page and what it reads. It changes nothing, and has no secrets to tell; who may see a fleet's state is for the proxy in front to say.
func (d *Daemon) webHandler() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /v1/view", d.answerView)
	api.HandleFunc("GET /v1/events", d.events)
	api.HandleFunc("GET /v1/hosts/{host}/story", func(w http.ResponseWriter, r *http.Request) {
		host, known := d.loop.Host(r.PathValue("host"))
		if !known {
			http.Error(w, "no such host is known", http.StatusNotFound)
			return
		}
		told := d.stories.Of(host.Document)
		var err error
		if told.Serial, err = d.consoles.Of(host); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, told)
	})
	api.HandleFunc("GET /v1/hosts/{host}/console", d.console)
	return page.Handler(api)
}

// console gives all that is kept of a host's serial console.
func (d *Daemon) console(w http.ResponseWriter, r *http.Request) {
	host, known := d.loop.Host(r.PathValue("host"))
	if !known {
		http.Error(w, "no such host is known", http.StatusNotFound)
		return
	}
	text, err := d.consoles.Text(host.Name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // the reader went away
}

func (d *Daemon) serveWeb(ctx context.Context) error {
	if d.web == nil {
		return nil
	}
	d.log.Info("page", "url", "http://"+d.web.Addr().String()+"/")
	return serve(ctx, d.web, d.webHandler())
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
