package daemon

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gitmetal/ingot/internal/page"
	"github.com/gitmetal/ingot/inventory/webhook"
)

// webHandler serves the page and its API. The API changes nothing and tells no secrets. Access control is the task of a
// proxy in front.
func (d *Daemon) webHandler() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /v1/view", d.answerView)
	api.HandleFunc("GET /v1/events", d.streamEvents)
	d.addHostRoutes(api)
	return page.NewHandler(api)
}

func (d *Daemon) serveWeb(ctx context.Context) error {
	if d.web == nil {
		return nil
	}
	d.log.Info("page", "url", "http://"+d.web.Addr().String()+"/")
	return serveHTTP(ctx, d.web, d.webHandler())
}

func (d *Daemon) serveWebhook(ctx context.Context) error {
	if d.webhook == nil {
		return nil
	}
	key, err := readSecret(d.config.Webhook.SecretFile)
	if err != nil {
		return fmt.Errorf("webhook.secretFile: %w", err)
	}
	return serveHTTP(ctx, d.webhook, webhook.NewHandler(key, d.loop.RefreshSource))
}
