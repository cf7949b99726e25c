// Package webhook takes webhooks of forges as a hint to look at the repository soon. Call NewHandler. Do not read the
// content of a webhook: it is only checked for its sender.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// MaxBody is the largest request body, in bytes: GitHub sends at most 25 MB.
const MaxBody = 25 << 20

// bodyTimeout is how long a sender may take for its request: nothing is proved before the whole body has arrived.
const bodyTimeout = 30 * time.Second

// errForged means that the sender does not know the secret.
var errForged = errors.New("the signature is not of this secret: use the secret of the daemon's webhook.secretFile " +
	"in the forge")

// NewHandler answers POST requests of GitHub, GitLab, Gitea and Forgejo. A sender with the secret triggers hint, which
// must return at once and may be called at any rate. With an empty secret every request is refused.
func NewHandler(key secret.Value, hint func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "send a webhook with POST", http.StatusMethodNotAllowed)
			return
		}
		// fails in a test without a connection
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		err := checkProof(r, key.Reveal())
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
		case err != nil:
			http.Error(w, err.Error(), http.StatusForbidden)
		default:
			hint()
			w.WriteHeader(http.StatusAccepted)
		}
	})
}

// checkProof checks the proof of the forge: an HMAC-SHA-256 over the body in hex (GitHub: X-Hub-Signature-256, Gitea:
// X-Gitea-Signature, Forgejo: X-Forgejo-Signature), or the secret itself (GitLab: X-Gitlab-Token).
func checkProof(r *http.Request, key string) error {
	if key == "" {
		return errors.New("no webhook secret is configured")
	}
	mac := hmac.New(sha256.New, []byte(key))
	if _, err := io.Copy(mac, http.MaxBytesReader(nil, r.Body, MaxBody)); err != nil {
		return err
	}
	if token := r.Header.Get("X-Gitlab-Token"); token != "" {
		a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(key))
		return forgedUnless(subtle.ConstantTimeCompare(a[:], b[:]) == 1)
	}
	for _, header := range []string{"X-Hub-Signature-256", "X-Forgejo-Signature", "X-Gitea-Signature"} {
		signature := r.Header.Get(header)
		if signature == "" {
			continue
		}
		sum, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
		return forgedUnless(err == nil && hmac.Equal(sum, mac.Sum(nil)))
	}
	return errors.New("there is no signature: set a secret for the webhook in the forge")
}

func forgedUnless(good bool) error {
	if good {
		return nil
	}
	return errForged
}
