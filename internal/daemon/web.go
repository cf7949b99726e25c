package daemon

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gitmetal/ingot/internal/page"
	"github.com/gitmetal/ingot/inventory/webhook"
)

// webHandler serves the page and what it reads. It changes nothing, and has no secrets to tell; who may see a fleet's state is for the proxy in front to say.
func (d *Daemon) webHandler() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /v1/view", d.answerView)
	api.HandleFunc("GET /v1/events", d.events)
	d.addConsoles(api)
	return page.Handler(api)
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
	return serve(ctx, d.webhook, webhook.NewHandler(key, d.loop.Refresh))
}
