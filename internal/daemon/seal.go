package daemon

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"path"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// seal is how a page of the status branch ends: a YAML comment with HMAC-SHA256, in hex, over the page's path and what stands before it. Whoever may push to
// the branch can write a page there; only a daemon with this identity can write one that it believes itself after it has lost its journal.
const seal = "# ingot-seal: v1 "

// sealedPages keeps the status branch, with a seal on every page that a daemon reads again. A page of ours that somebody put back from the branch's history
// is still genuine: what was begun by it goes on only when its machine speaks, see reconcile/plan.
type sealedPages struct {
	*gitrepo.Repo
	key []byte
}

// Publish implements reconcile.Publisher: nothing is built on what another daemon may have pushed before Read gave it.
func (s sealedPages) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	changed = maps.Clone(changed)
	for file, content := range changed {
		if content != nil && path.Ext(file) == ".yaml" {
			changed[file] = append(bytes.Clone(content), seal+s.mac(file, content)+"\n"...)
		}
	}
	return s.PublishSeen(ctx, changed, message)
}

// Genuine implements reconcile.Publisher: it gives a page without its seal, if the seal is ours.
func (s sealedPages) Genuine(file string, page []byte) ([]byte, error) {
	at := bytes.LastIndex(page, []byte(seal))
	if at < 0 || (at > 0 && page[at-1] != '\n') {
		return nil, errors.New("it has no seal of a daemon: somebody else wrote it")
	}
	content, mac := page[:at], bytes.TrimSuffix(page[at+len(seal):], []byte("\n"))
	if !hmac.Equal(mac, []byte(s.mac(file, content))) {
		return nil, errors.New("its seal does not fit: it was edited, or written by a daemon with another identityDir")
	}
	return content, nil
}

func (s sealedPages) mac(file string, content []byte) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(file + "\x00"))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
