// Package webhook takes a forge's word that something was pushed. It is a hint to look at the repository soon and nothing else: its content is
// checked for who sent it, and not read.
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

// MaxBody is the largest request that is checked, in bytes: GitHub sends at most 25 MB.
const MaxBody = 25 << 20

// patience is how long a sender may take with its request: nobody has proved anything before all of it is there.
const patience = 30 * time.Second

// errForged means that the sender does not know the secret.
var errForged = errors.New("the signature is not of this secret: use the secret of the daemon's webhook.secretFile in the forge")

// Handler answers POST requests of GitHub, GitLab, Gitea and Forgejo. Whoever knows the secret makes it call hint, which must return at once and may
// be called as often as somebody likes. An empty secret is refused by everyone.
func Handler(key secret.Value, hint func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "send a webhook with POST", http.StatusMethodNotAllowed)
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience)) // not in a test without a connection
		err := check(r, key.Reveal())
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

// check looks for the one form of proof that the forge uses: an HMAC-SHA-256 over the body in hex (GitHub: X-Hub-Signature-256, Gitea: X-Gitea-Signature,
// Forgejo: X-Forgejo-Signature), or the secret itself (GitLab: X-Gitlab-Token).
func check(r *http.Request, key string) error {
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
		given := r.Header.Get(header)
		if given == "" {
			continue
		}
		sum, err := hex.DecodeString(strings.TrimPrefix(given, "sha256="))
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
