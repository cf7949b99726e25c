package fleets

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// CheckTags says what keeps a daemon from rolling out tags that are not made yet, as far as a clone can tell. The tags
// are given as revisions by name, head is the fleet with the tags, trunk the revision of head. A commit outside of the
// trunk is an error: every daemon refuses a tag on such a commit.
func (f *Reader) CheckTags(head inventory.Fleet, trunk string, made map[string]string) (notes []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(made)) {
		of, err := f.checkTag(trunk, name, made[name])
		if err != nil {
			return nil, err
		}
		notes = append(notes, of...)
		notes = append(notes, explainFollowers(head.Rings, name)...)
	}
	return notes, nil
}

// checkTag says what is wrong with a tag of this name on this commit, for any ring.
func (f *Reader) checkTag(trunk, name, revision string) (notes []string, err error) {
	commit, contains, known, err := f.clone.ContainsRevision(trunk, revision)
	switch {
	case err != nil:
		return nil, err
	case !contains && known:
		return nil, fmt.Errorf("tag %s: %.12s is not a commit of %s, so the daemon would refuse the tag: "+
			"merge the commit first, or name it with --head to plan both", name, commit, trunk)
	case !contains:
		notes = append(notes,
			fmt.Sprintf("this clone is shallow, and does not tell whether %.12s is a commit of %s: if it is not, the "+
				"daemon refuses the tag %s: git fetch --unshallow", commit, trunk, name))
	}
	was, there, err := f.clone.FindTag(name)
	if err == nil && there && was != commit {
		notes = append(notes,
			fmt.Sprintf("tag %s is there already, on %.12s, and no daemon follows it to %.12s: "+
				"tag a new name, or have the operator run `ingot trust repin --tag %[1]s`", name, was, commit))
	}
	return notes, err
}

// explainFollowers says which rings would not run a tag, given the clone's tags.
func explainFollowers(rings map[string]inventory.Ring, name string) (notes []string) {
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
			notes = append(notes,
				fmt.Sprintf("ring %s would run nothing of tag %s: %s: its machines keep what they run until a newer "+
					"tag is good", ring, name, r.Trouble))
		case r.Tag == name:
		case r.Tag != "" && tags.CompareParts(runs, part) > 0:
			notes = append(notes,
				fmt.Sprintf("ring %s would not run tag %s, because %s is newer: to go back, tag that commit with a "+
					"newer version", ring, name, r.Tag))
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

// lastNumber finds the last number of a text.
var lastNumber = regexp.MustCompile(`^(.*?)([0-9]+)([^0-9]*)$`)

// NameNextTag gives a name of a tag that a ring would take for newer than its last tag; last is "" without a tag.
func NameNextTag(pattern, last string) string {
	part, _ := tags.MatchPattern(pattern, last)
	var next []string
	if found := lastNumber.FindStringSubmatch(part); found != nil {
		if n, err := strconv.Atoi(found[2]); err == nil {
			next = append(next, fmt.Sprintf("%s%0*d%s", found[1], len(found[2]), n+1, found[3]))
		}
	}
	for _, candidate := range append(next, part+".1", part+"1") {
		if part != "" && tags.CompareParts(candidate, part) > 0 {
			return strings.Replace(pattern, "*", candidate, 1)
		}
	}
	return strings.Replace(pattern, "*", "1", 1)
}

// HintTag says how a consent is written for a change of the trunk that the host's ring has not released, or "".
func HintTag(host inventory.Desired, ring inventory.Ring) string {
	if host.Pending == "" || ring.Spec.Tag == "" {
		return ""
	}
	return fmt.Sprintf("; %s. For what a new tag rolls out: `ingot consent --tag %s=HEAD %s`", host.Pending,
		NameNextTag(ring.Spec.Tag, ring.Tag), host.Name)
}
