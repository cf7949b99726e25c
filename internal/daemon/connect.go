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

// Client talks to a running daemon through the control socket.
type Client struct {
	socket string
	http   *http.Client
}

// maxView is the largest view that is read, in bytes.
const maxView = 256 << 20

// Connect prepares a client and dials nothing yet.
func Connect(socket string) *Client {
	var dialer net.Dialer
	return &Client{socket: socket,
		http: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn,
			error) {
			return dialer.DialContext(ctx, "unix", socket)
		}}}}
}

func (c *Client) sendGet(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ingot"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.sendRequest(request)
}

// sendRequest sends a request. The error of an unanswered request says what to do; a request that only reads can be
// replaced by the status branch.
func (c *Client) sendRequest(request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err == nil {
		return response, nil
	}
	cause := err
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		cause = failed.Err // without the request's URL, which no person typed
	}
	branch := ""
	if request.Method == http.MethodGet {
		branch = ", or leave --config out to read the status branch"
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the daemon's socket %s is not open to this user: run this as root or as the daemon's "+
			"own user%s: %w", c.socket, branch, cause)
	}
	return nil, fmt.Errorf("no daemon answers on %s: start it with `ingot serve`%s: %w", c.socket, branch, cause)
}

// refusalError is the error for the daemon's refusal.
func refusalError(response *http.Response) error {
	why, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	return fmt.Errorf("the daemon refuses: %s", cmp.Or(string(bytes.TrimSpace(why)), response.Status))
}

// ReadView reads the state of the fleet and of every host.
func (c *Client) ReadView(ctx context.Context) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	response, err := c.sendGet(ctx, "/v1/view")
	if err != nil {
		return View{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return View{}, refusalError(response)
	}
	var v View
	if err := json.NewDecoder(io.LimitReader(response.Body, maxView)).Decode(&v); err != nil {
		return View{}, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return v, nil
}

// RepinTrunk tells the daemon to trace the trunk to a commit; see `ingot trust repin`.
func (c *Client) RepinTrunk(ctx context.Context, commit string) error {
	return c.sendPost(ctx, "/v1/repin/"+url.PathEscape(commit))
}

// RepinTag tells the daemon to accept a tag's present object.
func (c *Client) RepinTag(ctx context.Context, tag string) error {
	return c.sendPost(ctx, "/v1/repin-tag/"+tag)
}

// RetryHost has a host tried again that was given up, or whose installed system does not call home.
func (c *Client) RetryHost(ctx context.Context, host string) error {
	return c.sendPost(ctx, "/v1/retry/"+url.PathEscape(host))
}

// CancelRuns starts no more runs of a workload's batch; with now those under way are taken back.
func (c *Client) CancelRuns(ctx context.Context, workload string, now bool) error {
	return c.sendPost(ctx, fmt.Sprintf("/v1/cancel/%s?now=%t", url.PathEscape(workload), now))
}

// Resume has a host go on whose step is on hold, or a workload that was stopped because its installs failed; see `ingot
// resume`.
func (c *Client) Resume(ctx context.Context, name string) error {
	return c.sendPost(ctx, "/v1/resume/"+url.PathEscape(name))
}

// ForgetHost has what is known of a host dropped; see `ingot forget`.
func (c *Client) ForgetHost(ctx context.Context, host string) error {
	return c.sendPost(ctx, "/v1/forget/"+url.PathEscape(host))
}

func (c *Client) sendPost(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ingot"+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := c.sendRequest(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return refusalError(response)
	}
	return nil
}

// FollowEvents passes events to take until take returns true, ctx ends, or the daemon has been away for a minute. A
// daemon that restarts is dialled again.
func (c *Client) FollowEvents(ctx context.Context, take func(Event) (done bool)) error {
	var last error
	for away := time.Now().Add(time.Minute); time.Now().Before(away); {
		done, came, err := c.followOnce(ctx, take)
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

func (c *Client) followOnce(ctx context.Context, take func(Event) bool) (done, came bool, err error) {
	response, err := c.sendGet(ctx, "/v1/events")
	if err != nil {
		return false, false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, false, refusalError(response)
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
