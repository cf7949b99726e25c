// Package page is the read-only web page of a fleet: NewHandler serves the embedded files and an API that the caller
// gives. The page must not load or run code from elsewhere: see policy.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed files
var embedded embed.FS

// policy makes browsers load nothing from elsewhere, run only the page's own file, and refuse to embed the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// NewHandler serves the page, and the given API below /v1/: GET /v1/events, a JSON value a line, GET
// /v1/hosts/{host}/story, and GET /v1/hosts/{host}/console, text. Answers are marked as not cacheable.
func NewHandler(api http.Handler) http.Handler {
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
