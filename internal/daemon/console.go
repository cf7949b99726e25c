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
)

// HostHistory is what the daemon tells about one host beside the host's document: the timeline with the output of jobs, and the serial console.
type HostHistory struct {
	timeline.Timeline
	Serial consoles.Serial `json:"serial"`
}

// addConsoles adds what is told of single hosts: their stories, and their serial consoles as text.
func (d *Daemon) addConsoles(api *http.ServeMux) {
	api.HandleFunc("GET /v1/hosts/{host}/story", d.ofHost(func(w http.ResponseWriter, h reconcile.HostView) error {
		told := HostHistory{Timeline: d.timelines.ReadTimeline(h.ID, h.Document)}
		d.consoles.ExtendLease(h.ID, time.Now())
		var err error
		if told.Serial, err = d.consoles.ReadSerial(h); err != nil {
			return err
		}
		writeJSON(w, told)
		return nil
	}))
	api.HandleFunc("GET /v1/hosts/{host}/console", d.ofHost(func(w http.ResponseWriter, h reconcile.HostView) error {
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

// ofHost answers about a host that is known. An error is one of reading, before anything was written.
func (d *Daemon) ofHost(answer func(http.ResponseWriter, reconcile.HostView) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, known := d.loop.Find(r.PathValue("host"))
		host, there := d.loop.Host(id)
		if !known || !there {
			http.Error(w, "no such host is known", http.StatusNotFound)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)) // not all writers have deadlines
		if err := answer(w, host); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// maxConsole is the most that is read of what is kept of a console, or of a story, in bytes.
const maxConsole = 4 << 20

// Serial asks how a host's serial console is read.
func (c *Client) Serial(ctx context.Context, host string) (consoles.Serial, error) {
	body, err := c.ofHost(ctx, host, "story")
	if err != nil {
		return consoles.Serial{}, err
	}
	var told HostHistory
	if err := json.Unmarshal(body, &told); err != nil {
		return consoles.Serial{}, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return told.Serial, nil
}

// Console asks for all that is kept of a host's serial console.
func (c *Client) Console(ctx context.Context, host string) (string, error) {
	body, err := c.ofHost(ctx, host, "console")
	return string(body), err
}

// consoleEvery is how often a console that is followed is asked for.
const consoleEvery = 500 * time.Millisecond

// FollowConsole hands on what is kept of a host's serial console, then what comes, until ctx ends or the daemon does not answer.
func (c *Client) FollowConsole(ctx context.Context, host string, take func(text string) error) error {
	tick := time.NewTicker(consoleEvery)
	defer tick.Stop()
	for before := ""; ; {
		now, err := c.Console(ctx, host)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = take(since(before, now))
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

// since is what a console said between two readings. Its beginning may be gone meanwhile, and its last line, which had not ended, may read otherwise: that
// is told again.
func since(before, now string) string {
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

func (c *Client) ofHost(ctx context.Context, host, what string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	response, err := c.get(ctx, "/v1/hosts/"+url.PathEscape(host)+"/"+what)
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
