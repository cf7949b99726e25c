package fleets

import (
	"path"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile/review"
)

// ReadForReview is Known.ReadForReview, with what the history tells.
func (f *Reader) ReadForReview(known Known, base, head inventory.Fleet) (review.Known, error) {
	is := known.ReadForReview(base, head)
	var err error
	is.PutBack, err = f.findPutBack(base, head)
	return is, err
}

// findPutBack gives the Secrets of head, by name, that a revert puts back: base has the mac of such a Secret over another
// content, which was changed without sops, and the history of base has the content of head with that mac before. Where
// the history does not tell, a Secret is none.
func (f *Reader) findPutBack(base, head inventory.Fleet) (map[string]bool, error) {
	back := map[string]bool{}
	for name, after := range head.Secrets {
		before, had := base.Secrets[name]
		if !had || !after.IsSpoiled(before) || f.clone == nil {
			continue
		}
		contents, err := f.clone.FindIntroduced(base.Commit, path.Join(base.Path, before.File), before.MAC)
		if err != nil {
			return nil, err
		}
		for _, content := range contents {
			back[name] = back[name] || load.DescribeCovered(before.File, content) == after.Covered
		}
	}
	return back, nil
}
