package page_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/page"
)

// Each answer, the API's too, carries the policy, and none that is no error may be kept.
func TestHandler(t *testing.T) {
	t.Parallel()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("api " + r.URL.Path)) })
	for _, test := range []struct {
		method, path string
		code         int
		says, kind   string
	}{
		{"GET", "/", http.StatusOK, `<script src="app.js" defer>`, "text/html; charset=utf-8"},
		{"GET", "/app.js", http.StatusOK, "'use strict'", "text/javascript; charset=utf-8"},
		{"GET", "/style.css", http.StatusOK, "prefers-color-scheme", "text/css; charset=utf-8"},
		{"GET", "/v1/events", http.StatusOK, "api /v1/events", ""},
		{"GET", "/nothing", http.StatusNotFound, "", ""},
		{"GET", "/../page.go", http.StatusTemporaryRedirect, "", ""},
		{"POST", "/", http.StatusMethodNotAllowed, "", ""},
		{"POST", "/v1/events", http.StatusMethodNotAllowed, "", ""},
	} {
		answer := httptest.NewRecorder()
		page.NewHandler(api).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), test.method, test.path, http.NoBody))
		if answer.Code != test.code || !strings.Contains(answer.Body.String(), test.says) {
			t.Errorf("%s %s = %d %s, want %d and %q", test.method, test.path, answer.Code, answer.Body, test.code, test.says)
		}
		head := answer.Header()
		if policy := head.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s %s: the policy is %q", test.method, test.path, policy)
		}
		if (test.code == http.StatusOK && head.Get("Cache-Control") != "no-store") || head.Get("X-Content-Type-Options") != "nosniff" || (test.kind != "" && head.Get("Content-Type") != test.kind) {
			t.Errorf("%s %s: %v", test.method, test.path, head)
		}
	}
}

// The files hold nothing that the policy forbids, or that would make markup of words.
func TestFiles(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`https?://|//cdn|@import|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\son[a-z]+="|\sstyle=|<script>|<style>`)
	err := fs.WalkDir(os.DirFS("files"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path.Join("files", name))
		if found := forbidden.FindString(strings.ReplaceAll(string(text), `xmlns="http://www.w3.org/2000/svg"`, "")); found != "" {
			t.Errorf("%s has %q", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
