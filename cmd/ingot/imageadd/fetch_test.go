package imageadd

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestFetch reads from servers that answer, refuse, redirect, or talk without end.
func TestFetch(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/sums", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("sums")) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sums", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for range maxFetched>>20 + 1 {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{"/sums": "", "/moved": "", "/round": "too often", "/large": "it has more than 16 MiB", "/none": "the server answers 404"} {
		body, err := fetch(t.Context(), server.URL+path)
		if (err == nil) != (want == "") || err == nil && string(body) != "sums" || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("fetch(%s) = %.20q, %v, want %q", path, body, err, want)
		}
	}
	if _, err := fetch(t.Context(), t.TempDir()+"/none"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("fetch of a missing file: %v", err)
	}
}
