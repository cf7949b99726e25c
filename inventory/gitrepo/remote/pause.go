package remote

import (
	"context"
	nethttp "net/http"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
)

// maxPause is the longest pause that a server is granted.
const maxPause = time.Hour

// quietError is a request that was not sent: the server asked for a pause.
type quietError struct{ status string }

func (e quietError) Error() string { return e.status }

// pause is what a server asked for.
type pause struct {
	until  time.Time
	status string
}

// shortestPause is the pause after a limit that does not say when it ends, as GitHub asks for.
const shortestPause = time.Minute

// ask runs an exchange, unless the server asked for a pause that is not over: with 429 or 503 and Retry-After, or as
// GitHub and GitLab say it. GitHub says it with 403, of which go-git drops the header.
func (s *Server) ask(ctx context.Context, run func(context.Context) error) error {
	if p := s.pause.Load(); p != nil && s.now().Before(p.until) {
		return quietError{p.status}
	}
	e := &exchange{web: s.web}
	err := explainMove(e, run(withExchange(ctx, e)))
	code, header := e.code, e.header
	isForbidden := code == nethttp.StatusForbidden
	limited := httppost.IsLimited(code, header)
	if err == nil || !limited && code != nethttp.StatusServiceUnavailable {
		return err
	}
	wanted, status := min(httppost.ReadRetryAfter(header, s.now()), maxPause), nameStatus(code)
	if isForbidden {
		wanted, status = max(wanted, shortestPause), status+", its limit of requests"
	}
	if wanted <= 0 {
		return err
	}
	s.pause.Store(&pause{s.now().Add(wanted), status})
	return quietError{status}
}
