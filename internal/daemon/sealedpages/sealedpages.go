// Package sealedpages is the status branch of a daemon's Git repository, with a seal on every page that a daemon reads
// again.
package sealedpages

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"

	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile/status"
)

// sealPrefix begins the last line of a sealed page: a YAML comment with HMAC-SHA256, in hex, over the page's path and
// the bytes before. Persons who may push to the status branch can write pages; after a lost journal the daemon believes
// only pages sealed with its own identity.
const sealPrefix = "# ingot-seal: v1 "

// Pages publishes pages to the status branch, sealed. An old page of ours that a person put back from the branch's
// history is still genuine: an operation of the page continues only when the machine speaks, see reconcile/plan.
type Pages struct {
	*gitrepo.Repo
	Key  []byte
	Path string // the fleet's directory in the repository
	Any  bool   // also a branch of another directory is read: an operator said so
}

// Publish implements reconcile.Publisher. A push is built only on a tip that Read has given: a push of another daemon
// is never built on unseen.
func (p Pages) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	changed = maps.Clone(changed)
	for file, content := range changed {
		if content != nil && path.Ext(file) == ".yaml" {
			changed[file] = append(bytes.Clone(content), sealPrefix+p.computeMAC(file, content)+"\n"...)
		}
	}
	return p.PublishSeen(ctx, changed, message)
}

// Read implements reconcile.Publisher.
func (p Pages) Read(ctx context.Context) (map[string]status.File, error) {
	read, err := p.Repo.Read(ctx)
	if err != nil {
		return nil, err
	}
	files := make(map[string]status.File, len(read))
	for name, content := range read {
		file := status.File{Bytes: content, Content: content}
		if path.Ext(name) == ".yaml" {
			file.Content, file.Forged = p.verifySeal(name, content)
		}
		files[name] = file
	}
	return files, p.checkPath(read[status.FleetPath])
}

// checkPath refuses the status branch of a fleet in another directory of the repository: two daemons would write one
// branch. The page of a first start names no commit, and no directory.
func (p Pages) checkPath(page []byte) error {
	there, err := status.ParseFleet(page)
	if page == nil || err != nil || there.Commit == "" || there.Path == p.Path || p.Any {
		return nil
	}
	return fmt.Errorf("%s on the status branch is of the fleet in %s, fleet.path is %s: give each fleet its own "+
		"fleet.statusBranch, or, if it was moved, start once with `ingot serve --take-fleet`",
		status.FleetPath, describePath(there.Path), describePath(p.Path))
}

// describePath names a fleet's directory.
func describePath(path string) string { return cmp.Or(path, "the repository's top") }

// verifySeal gives a page without its seal, if the seal is ours.
func (p Pages) verifySeal(file string, page []byte) ([]byte, error) {
	at := bytes.LastIndex(page, []byte(sealPrefix))
	if at < 0 || (at > 0 && page[at-1] != '\n') {
		return nil, errors.New("it has no seal of a daemon: somebody else wrote it")
	}
	content, mac := page[:at], bytes.TrimSuffix(page[at+len(sealPrefix):], []byte("\n"))
	if !hmac.Equal(mac, []byte(p.computeMAC(file, content))) {
		return nil, errors.New("its seal does not fit: it was edited, or written by a daemon with another identityDir")
	}
	return content, nil
}

func (p Pages) computeMAC(file string, content []byte) string {
	h := hmac.New(sha256.New, p.Key)
	h.Write([]byte(file + "\x00"))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
