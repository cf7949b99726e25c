package images

import "net/http"

// CheckRedirect is what a download does with a redirect.
func CheckRedirect(c Config, request *http.Request, via []*http.Request) error {
	return c.checkRedirect(request, via)
}

// RetryFailed is what Run does now and then.
func (s *Store) RetryFailed() { s.retryFailed() }
