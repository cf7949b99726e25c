package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/webhook"
)

// The body, secret and signature of GitHub's documentation ("Validating webhook deliveries", testing values).
const (
	body      = "Hello, World!"
	key       = "It's a Secret to Everybody"
	signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, header, value, body, key string
		code                             int
	}{
		"github":            {"POST", "X-Hub-Signature-256", "sha256=" + signature, body, key, http.StatusAccepted},
		"gitea":             {"POST", "X-Gitea-Signature", signature, body, key, http.StatusAccepted},
		"forgejo":           {"POST", "X-Forgejo-Signature", signature, body, key, http.StatusAccepted},
		"gitlab":            {"POST", "X-Gitlab-Token", key, body, key, http.StatusAccepted},
		"another body":      {"POST", "X-Hub-Signature-256", "sha256=" + signature, "Hello", key, http.StatusForbidden},
		"another secret":    {"POST", "X-Hub-Signature-256", "sha256=" + signature, body, "guess", http.StatusForbidden},
		"another token":     {"POST", "X-Gitlab-Token", "guess", body, key, http.StatusForbidden},
		"no hex":            {"POST", "X-Gitea-Signature", "zz", body, key, http.StatusForbidden},
		"a short signature": {"POST", "X-Gitea-Signature", signature[:8], body, key, http.StatusForbidden},
		"no proof":          {"POST", "X-Other", "a", body, key, http.StatusForbidden},
		"no secret":         {"POST", "X-Gitlab-Token", "", body, "", http.StatusForbidden},
		"get":               {"GET", "X-Gitlab-Token", key, "", key, http.StatusMethodNotAllowed},
		"too large":         {"POST", "X-Gitlab-Token", key, strings.Repeat("x", webhook.MaxBody+1), key, http.StatusRequestEntityTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hints := 0
			request := httptest.NewRequestWithContext(t.Context(), test.method, "/", strings.NewReader(test.body))
			request.Header.Set(test.header, test.value)
			answer := httptest.NewRecorder()
			webhook.NewHandler(secret.New(test.key), func() { hints++ }).ServeHTTP(answer, request)
			if answer.Code != test.code || (hints == 1) != (test.code == http.StatusAccepted) {
				t.Errorf("code %d (%s), %d hints; want %d", answer.Code, answer.Body, hints, test.code)
			}
		})
	}
}

// FuzzHandler: whatever a sender writes, the hint is given to whoever knows the secret alone, and the answer never holds it.
func FuzzHandler(f *testing.F) {
	for _, header := range []string{"X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature", "X-Gitlab-Token", "Content-Length"} {
		for _, value := range []string{"sha256=" + signature, signature, signature[:8], "sha256=", key, "", "zz"} {
			f.Add(header, value, body, http.MethodPost)
		}
	}
	f.Add("X-Gitlab-Token", "", `{"object_kind": "push", "ref": "refs/heads/main"}`, http.MethodGet)
	f.Fuzz(func(t *testing.T, header, value, sent, method string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(sent))
		request.Method = method
		request.Header[http.CanonicalHeaderKey(header)] = []string{value}
		answer, hints := httptest.NewRecorder(), 0
		webhook.NewHandler(secret.New(key), func() { hints++ }).ServeHTTP(answer, request)
		good := method == http.MethodPost && (value == key || (sent == body && strings.EqualFold(strings.TrimPrefix(value, "sha256="), signature)))
		if hints > 0 && !good {
			t.Errorf("%s %s: %q convinced it of %q", method, header, value, sent)
		}
		if (hints == 1) != (answer.Code == http.StatusAccepted) || strings.Contains(answer.Body.String(), key) {
			t.Errorf("%d hints with code %d: %s", hints, answer.Code, answer.Body)
		}
	})
}
