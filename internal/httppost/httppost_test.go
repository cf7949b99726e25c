package httppost_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/internal/secret"
)

const (
	path  = "/hooks/sesame" // of the URL: a secret
	token = "t0ken-of-the-forge"
)

// serve runs a server and gives its URL.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + path
}

func post(t *testing.T, url string, c httppost.Config) httppost.Answer {
	t.Helper()
	client, err := httppost.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client.Post(t.Context(), httppost.Request{URL: secret.New(url),
		Header: map[string]secret.Value{"Authorization": secret.New("Bearer " + token)}, Body: []byte(`{"text":"a"}`)})
}

func says(code int, text string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// endless talks until nobody listens.
func endless(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		for text := strings.Repeat("and so on ", 1000); ; {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	}
}

// cutOff ends the connection in the middle of the body.
func cutOff(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "so f")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// TestPost is how each behaviour of a server is taken.
func TestPost(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }
	later := time.Now().Add(time.Hour).UTC()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		err     string // "" for taken
		down    bool
		after   time.Duration // about
	}{
		"takes it":                    {says(204, ""), "", false, 0},
		"takes it and talks":          {endless(200), "", false, 0},
		"takes it, cut off":           {cutOff(201), "", false, 0},
		"its own failure":             {says(500, "oops"), "answers 500 Internal Server Error: oops", true, 0},
		"its own failure, talks":      {endless(503), "answers 503 Service Unavailable: and so on and", true, 0},
		"its own failure, cut off":    {cutOff(502), "answers 502 Bad Gateway: so f", true, 0},
		"does not answer":             {hang, "does not answer: it took too long", true, 0},
		"ends without a word":         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "does not answer: EOF", true, 0},
		"no such hook":                {says(404, "<html>\n no\x00\xff </html>"), "answers 404 Not Found: <html> no\x00? </html>", false, 0},
		"no right":                    {says(403, "no"), "answers 403 Forbidden: no", false, 0},
		"too many":                    {says(429, "slow", "Retry-After", "7"), "answers 429 Too Many Requests: slow", true, 7 * time.Second},
		"too many, no word":           {says(429, "slow"), "429", true, 0},
		"too many, a date":            {says(503, "", "Retry-After", later.Format(http.TimeFormat)), "503", true, time.Hour},
		"too many, a date gone":       {says(429, "", "Retry-After", "Mon, 23 Nov 2020 12:00:00 GMT"), "429", true, 0},
		"too many, nonsense":          {says(429, "", "Retry-After", "soon"), "429", true, 0},
		"too many, less than nothing": {says(429, "", "Retry-After", "-5"), "429", true, 0},
		"secondary limit of GitHub":   {says(403, "limit", "Retry-After", "60"), "403", true, time.Minute},
		"primary limit of GitHub":     {says(403, "limit", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(later.Unix())), "403", true, time.Hour},
		"a limit of GitHub, no end":   {says(403, "limit", "X-RateLimit-Remaining", "0"), "403", true, 0},
		"a limit of GitLab":           {says(429, "limit", "RateLimit-Remaining", "0", "RateLimit-Reset", fmt.Sprint(later.Unix())), "429", true, time.Hour},
		"a limit, seconds from now":   {says(429, "limit", "RateLimit-Remaining", "0", "RateLimit-Reset", "90"), "429", true, 90 * time.Second},
		"a limit, nonsense":           {says(429, "limit", "RateLimit-Remaining", "0", "RateLimit-Reset", "-9"), "429", true, 0},
		"GitHub has room":             {says(403, "no", "X-RateLimit-Remaining", "5", "X-RateLimit-Reset", fmt.Sprint(later.Unix())), "403", false, 0},
		"a huge header":               {says(200, "", "X-Much", strings.Repeat("x", 1<<20)), "does not answer", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			a := post(t, serve(t, test.handler), httppost.Config{Timeout: 2 * time.Second})
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			switch {
			case test.err == "" && a.Err != nil, test.err != "" && a.Err == nil:
				t.Errorf("answer %+v, want error %q", a, test.err)
			case a.Err != nil && (!strings.Contains(a.Err.Error(), test.err) || strings.Contains(a.Err.Error(), "sesame") || len(a.Err.Error()) > 300):
				t.Errorf("error %q, want %q without the URL", a.Err, test.err)
			}
			if a.Down != test.down || (a.RetryAfter-test.after).Abs() > 10*time.Second || test.after == 0 && a.RetryAfter != 0 {
				t.Errorf("down %v after %s, want %v after %s", a.Down, a.RetryAfter, test.down, test.after)
			}
		})
	}
}

// TestRedirectsAreNotFollowed wants neither token nor body at the target, on another host or on the same.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		a := post(t, serve(t, says(code, "", "Location", other)), httppost.Config{})
		host := strings.Split(other, "/")[2]
		if a.Err == nil || a.Down || !strings.Contains(a.Err.Error(), "a redirect to "+host+" that is not followed: write the new URL") || strings.Contains(a.Err.Error(), "sesame") {
			t.Errorf("%d: %+v", code, a)
		}
	}
	same := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			reached.Add(1)
		}
		http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
	})
	if a := post(t, same, httppost.Config{}); a.Err == nil {
		t.Error("a redirect counts as taken")
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests were redirected", n)
	}
}

// TestWordsAreMaskedBeforeTheyAreCut has a server say the token at the place where its words are cut.
func TestWordsAreMaskedBeforeTheyAreCut(t *testing.T) {
	t.Parallel()
	mask := func(text string) string { return strings.ReplaceAll(text, token, "***") }
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, strings.Repeat("x", 195)+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), http.StatusUnauthorized)
	})
	a := post(t, url, httppost.Config{Mask: mask})
	if a.Err == nil || !strings.HasSuffix(a.Err.Error(), "xxx***") {
		t.Errorf("error = %v", a.Err)
	}
}

// TestAuthorities wants a certificate of an unknown authority refused, and one of a named authority taken.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(says(200, ""))
	t.Cleanup(server.Close)
	if a := post(t, server.URL, httppost.Config{}); a.Err == nil || !strings.Contains(a.Err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", a.Err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if a := post(t, server.URL, httppost.Config{CA: ca}); a.Err != nil {
		t.Errorf("the named authority: %v", a.Err)
	}
	if _, err := httppost.New(httppost.Config{CA: []byte("no")}); err == nil {
		t.Error("a file without a certificate is used")
	}
}

// TestNobodyListens wants an error without the URL's path.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL + path
	server.Close()
	a := post(t, url, httppost.Config{})
	if a.Err == nil || !a.Down || strings.Contains(a.Err.Error(), "sesame") || !strings.Contains(a.Err.Error(), "connection refused") {
		t.Errorf("answer %+v", a)
	}
	if a := post(t, "://", httppost.Config{}); a.Err == nil {
		t.Error("no URL is used")
	}
}
