package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Client speaks to a running daemon through its control socket.
type Client struct {
	socket string
	http   *http.Client
}

// maxView is the largest answer read, in bytes.
const maxView = 256 << 20

// Connect prepares a client; nothing is dialled yet.
func Connect(socket string) *Client {
	var dialer net.Dialer
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}}}}
}

func (c *Client) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ingot"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.do(request)
}

// do sends a request; its error says what to do when nobody takes it. What is only read is on the status branch, too.
func (c *Client) do(request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err == nil {
		return response, nil
	}
	cause := err
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		cause = failed.Err // without the address of the request, which nobody typed
	}
	branch := ""
	if request.Method == http.MethodGet {
		branch = ", or leave --config out to read the status branch"
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the daemon's socket %s is not open to this user: run this as root or as the daemon's own user%s: %w", c.socket, branch, cause)
	}
	return nil, fmt.Errorf("no daemon answers on %s: start it with `ingot serve`%s: %w", c.socket, branch, cause)
}

// refusal is what the daemon says instead of an answer.
func refusal(response *http.Response) error {
	why, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	return fmt.Errorf("the daemon refuses: %s", cmp.Or(string(bytes.TrimSpace(why)), response.Status))
}

// View asks for everything.
func (c *Client) View(ctx context.Context) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	response, err := c.get(ctx, "/v1/view")
	if err != nil {
		return View{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return View{}, refusal(response)
	}
	var v View
	if err := json.NewDecoder(io.LimitReader(response.Body, maxView)).Decode(&v); err != nil {
		return View{}, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return v, nil
}

// Repin tells the daemon to trace the trunk to a commit; see `ingot trust repin`.
func (c *Client) Repin(ctx context.Context, commit string) error {
	return c.post(ctx, "/v1/repin/"+url.PathEscape(commit))
}

// RepinTag tells the daemon to take a tag for what it is now.
func (c *Client) RepinTag(ctx context.Context, tag string) error {
	return c.post(ctx, "/v1/repin-tag/"+tag)
}

// Retry has a host that was given up, or whose installed system does not call, tried again.
func (c *Client) Retry(ctx context.Context, host string) error {
	return c.post(ctx, "/v1/retry/"+url.PathEscape(host))
}

func (c *Client) post(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ingot"+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := c.do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return refusal(response)
	}
	return nil
}

// Events follows what happens until take returns true, ctx ends, or the daemon stays away: while it is being restarted it is dialled again.
func (c *Client) Events(ctx context.Context, take func(Event) (done bool)) error {
	var last error
	for away := time.Now().Add(time.Minute); time.Now().Before(away); {
		done, came, err := c.follow(ctx, take)
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("gave up waiting: %w", context.Cause(ctx))
		}
		if last = err; came {
			away = time.Now().Add(time.Minute)
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return last
}

func (c *Client) follow(ctx context.Context, take func(Event) bool) (done, came bool, err error) {
	response, err := c.get(ctx, "/v1/events")
	if err != nil {
		return false, false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, false, refusal(response)
	}
	decoder := json.NewDecoder(response.Body)
	for {
		var e Event
		if err := decoder.Decode(&e); err != nil {
			return false, came, errors.Join(errors.New("the daemon went away"), err)
		}
		came = true
		if take(e) {
			return true, true, nil
		}
	}
}
