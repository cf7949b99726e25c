package remote

import (
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

// ask runs an exchange, unless the server asked for a pause that is not over: with 429 or 503 and Retry-After, or as
// GitHub says it.
func (s *Server) ask(exchange func() error) error {
	if p := s.pause.Load(); p != nil && s.now().Before(p.until) {
		return quietError{p.status}
	}
	err := exchange()
	code, status, header := statusOf(err)
	if code != nethttp.StatusTooManyRequests && code != nethttp.StatusServiceUnavailable {
		return err
	}
	if wanted := min(httppost.ReadRetryAfter(header, s.now()), maxPause); wanted > 0 {
		s.pause.Store(&pause{s.now().Add(wanted), status})
		return quietError{status}
	}
	return err
}
