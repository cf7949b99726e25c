package fleets

import (
	"path"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/versions"
	"github.com/gitmetal/ingot/inventory/secrets/section"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/reconcile/review/opened"
)

// ReadForReview is Known.ReadForReview, with what the history tells.
func (f *Reader) ReadForReview(known Known, base, head inventory.Fleet) (review.Known, error) {
	is := known.ReadForReview(base, head)
	var err error
	is.PutBack, err = f.findPutBack(base, head)
	return is, err
}

// findPutBack gives the Secrets of head, by name, that a revert puts back: base and head have the Secret in two versions of
// which one was made without sops, and in the history of base the version of head came first. Where the history does not
// tell, a Secret is none.
func (f *Reader) findPutBack(base, head inventory.Fleet) (back map[string]bool, err error) {
	back = map[string]bool{}
	for name, after := range head.Secrets {
		before, had := base.Secrets[name]
		if !had || f.clone == nil || len(opened.FindForged(base.Secrets, after)) == 0 {
			continue
		}
		is := func(version inventory.Sealed) func([]byte) bool {
			return func(content []byte) bool { return section.IsSame(content, version.Document) }
		}
		pair := versions.Pair{File: path.Join(base.Path, before.File), First: is(after), Later: is(before)}
		if back[name], err = f.clone.CameFirst(base.Commit, pair); err != nil {
			return nil, err
		}
	}
	return back, nil
}
