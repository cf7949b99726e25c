package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/internal/daemon/timeline"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/cause"
)

// HostHistory is what the daemon tells about a host beside the host's document: the timeline with the output of jobs,
// and the serial console.
type HostHistory struct {
	timeline.Timeline
	Serial consoles.Serial  `json:"serial"`
	Logs   []cause.Evidence `json:"logs,omitempty"` // collected texts of the operation
}

// addHostRoutes adds the routes of single hosts: the history and the Why as JSON, and the serial
// console as text.
func (d *Daemon) addHostRoutes(api *http.ServeMux) {
	d.addWhyRoute(api)
	api.HandleFunc("GET /v1/hosts/{host}/story", d.handleHost(func(w http.ResponseWriter, h reconcile.HostView) error {
		told := HostHistory{Timeline: d.timelines.ReadTimeline(h.ID, h.Document), Logs: d.logs.Evidence(h)}
		d.consoles.ExtendLease(h.ID, time.Now())
		var err error
		if told.Serial, err = d.consoles.ReadSerial(h); err != nil {
			return err
		}
		writeJSON(w, told)
		return nil
	}))
	api.HandleFunc("GET /v1/hosts/{host}/console",
		d.handleHost(func(w http.ResponseWriter, h reconcile.HostView) error {
			d.consoles.ExtendLease(h.ID, time.Now())
			text, err := d.consoles.ReadText(h.ID)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, text) // the reader went away
			return nil
		}))
}

// handleHost answers requests about a known host. An error of answer comes before the first byte is written.
func (d *Daemon) handleHost(answer func(http.ResponseWriter, reconcile.HostView) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, known := d.loop.FindHost(r.PathValue("host"))
		host, there := d.loop.ViewHost(id)
		if !known || !there {
			http.Error(w, "no such host is known", http.StatusNotFound)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)) // not every writer has deadlines
		if err := answer(w, host); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// maxConsole bounds the answer of a host's route, in bytes.
const maxConsole = 4 << 20

// ReadSerial asks how a host's serial console is read.
func (c *Client) ReadSerial(ctx context.Context, host string) (consoles.Serial, error) {
	body, err := c.getHost(ctx, host, "story")
	if err != nil {
		return consoles.Serial{}, err
	}
	var told HostHistory
	if err := json.Unmarshal(body, &told); err != nil {
		return consoles.Serial{}, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return told.Serial, nil
}

// ReadConsole asks for the kept text of a host's serial console.
func (c *Client) ReadConsole(ctx context.Context, host string) (string, error) {
	body, err := c.getHost(ctx, host, "console")
	return string(body), err
}

// consoleEvery is the pause between two reads of a followed console.
const consoleEvery = 500 * time.Millisecond

// FollowConsole passes the kept text of a host's serial console to take, then new text, until ctx ends or the daemon
// does not answer.
func (c *Client) FollowConsole(ctx context.Context, host string, take func(text string) error) error {
	tick := time.NewTicker(consoleEvery)
	defer tick.Stop()
	for before := ""; ; {
		now, err := c.ReadConsole(ctx, host)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = take(newText(before, now))
		}
		if err != nil {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// newText gives the text that came between two readings of a console. The beginning of the first reading may be gone
// meanwhile. An unfinished last line may have changed, and is then given again.
func newText(before, now string) string {
	if more, ok := strings.CutPrefix(now, before); ok {
		return more
	}
	ended := before[:strings.LastIndexByte(before, '\n')+1]
	again := strings.Repeat("\n", min(1, len(before)-len(ended)))
	for anchor := ended[max(0, len(ended)-4096):]; anchor != ""; {
		if i := strings.LastIndex(now, anchor); i >= 0 {
			return again + now[i+len(anchor):]
		}
		_, anchor, _ = strings.Cut(anchor, "\n")
	}
	return again + now
}

func (c *Client) getHost(ctx context.Context, host, what string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	response, err := c.sendGet(ctx, "/v1/hosts/"+url.PathEscape(host)+"/"+what)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxConsole))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the daemon's answer: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("the daemon knows no host %q: `ingot status --config FILE` lists them", host)
	case response.StatusCode != http.StatusOK:
		return nil, errors.New("the daemon answers " + response.Status + ": " + strings.TrimSpace(string(body)))
	}
	return body, nil
}
