// Package page is the read-only page of a fleet: its files, and what browsers may do with them. What it shows comes from an API that is given.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed files
var embedded embed.FS

// policy has browsers load nothing from elsewhere, run no code but the page's own file, and put the page into no other.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Handler serves the page, and below /v1/ the API that it reads: GET /v1/events, a JSON value a line, GET /v1/hosts/{host}/story, and
// GET /v1/hosts/{host}/console, text. No good answer may be kept by a cache.
func Handler(api http.Handler) http.Handler {
	files, err := fs.Sub(embedded, "files")
	if err != nil {
		panic("page: " + err.Error()) // "files" is a valid path
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.Handle("GET /v1/", api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}
