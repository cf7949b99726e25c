package fleets

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Tagging says, of tags that are not made yet, given as a revision by name, what keeps a daemon from rolling them out, as far as a clone can tell. Head is the
// fleet with them, trunk the revision that it was read from. A commit that is not in the trunk is an error: no daemon would take its tag.
func (f *Reader) Tagging(head inventory.Fleet, trunk string, made map[string]string) (notes []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(made)) {
		of, err := f.tagged(trunk, name, made[name])
		if err != nil {
			return nil, err
		}
		notes = append(notes, of...)
		notes = append(notes, followed(head.Rings, name)...)
	}
	return notes, nil
}

// tagged says what is wrong with a tag of this name on this commit, whoever follows it.
func (f *Reader) tagged(trunk, name, revision string) (notes []string, err error) {
	commit, contains, known, err := f.clone.ContainsRevision(trunk, revision)
	switch {
	case err != nil:
		return nil, err
	case !contains && known:
		return nil, fmt.Errorf("tag %s: %.12s is not a commit of %s: the daemon would refuse the tag, and no ring would run it: merge the commit first; "+
			"for what merging and then tagging it does, name what would be merged with --head", name, commit, trunk)
	case !contains:
		notes = append(notes, fmt.Sprintf("this clone is shallow, and does not tell whether %.12s is a commit of %s: if it is not, the daemon refuses the tag %s: git fetch --unshallow", commit, trunk, name))
	}
	was, there, err := f.clone.FindTag(name)
	if err == nil && there && was != commit {
		notes = append(notes, fmt.Sprintf("tag %s is there already, on %.12s: tags are write-once, and a daemon that knows it does not follow it to %.12s, but stays where it is and says so: "+
			"tag a new name, or, when it was moved on purpose, have the operator run `ingot trust repin --tag %[1]s`", name, was, commit))
	}
	return notes, err
}

// followed says which rings would not run a tag that is chosen by what is in the clone.
func followed(rings map[string]inventory.Ring, name string) (notes []string) {
	var patterns []string
	follows := false
	for _, ring := range slices.Sorted(maps.Keys(rings)) {
		r := rings[ring]
		if r.Spec.Tag == "" {
			continue
		}
		patterns = append(patterns, fmt.Sprintf("%s follows %q", ring, r.Spec.Tag))
		part, matches := tags.MatchPattern(r.Spec.Tag, name)
		if !matches {
			continue
		}
		follows = true
		runs, _ := tags.MatchPattern(r.Spec.Tag, r.Tag)
		switch {
		case r.Tag == name && r.Trouble != "":
			notes = append(notes, fmt.Sprintf("ring %s would run nothing of tag %s: %s: its machines keep what they run until a newer tag is good", ring, name, r.Trouble))
		case r.Tag == name:
		case r.Tag != "" && tags.CompareParts(runs, part) > 0:
			notes = append(notes, fmt.Sprintf("ring %s would not run tag %s, because %s is newer: to go back, tag that commit with a newer version", ring, name, r.Tag))
		default:
			notes = append(notes, fmt.Sprintf("ring %s would not run tag %s: %s", ring, name, r.Trouble))
		}
	}
	if !follows {
		note := fmt.Sprintf("no ring follows tag %s: it rolls out nothing", name)
		if len(patterns) > 0 {
			note += " (" + strings.Join(patterns, ", ") + ")"
		}
		notes = append(notes, note)
	}
	return notes
}
