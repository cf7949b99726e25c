package tags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Ref is a tag as a repository lists tags.
type Ref struct {
	Name   string        // without refs/tags/
	Object plumbing.Hash // the tag object, or the commit of a lightweight tag
	Commit plumbing.Hash // the commit that the tag resolves to
}

// IsAnnotated reports whether the tag has a tag object.
func (r Ref) IsAnnotated() bool { return r.Object != r.Commit }

// Listed is tags of a repository, by name.
type Listed map[string]Ref

// ListTags picks the tags that match any of the patterns out of the refs of a server. A name with ^{} at the end gives
// the object that the tag resolves to. Names that git does not allow are left out.
func ListTags(refs map[plumbing.ReferenceName]plumbing.Hash, patterns []string) Listed {
	listed := Listed{}
	for name, object := range refs {
		short, tag := strings.CutPrefix(name.String(), refPrefix)
		if !tag || !slices.ContainsFunc(patterns,
			func(pattern string) bool { _, ok := MatchPattern(pattern, short); return ok }) || name.Validate() != nil {
			continue
		}
		ref := Ref{Name: short, Object: object, Commit: object}
		if commit, annotated := refs[name+"^{}"]; annotated {
			ref.Commit = commit
		}
		listed[short] = ref
	}
	return listed
}

// Choice is the release that a pattern selects.
type Choice struct {
	Tag     string        // "" without a release
	Commit  plumbing.Hash // the commit of the tag when the tag became the release
	Trouble string        // trouble with the pattern's tags, and what to do next; the choice is then the last good one
}

// ErrUnknown means that a tag cannot be judged now. The tag is neither chosen nor remembered.
var ErrUnknown = errors.New("it cannot be read now: it is read again with the next look")

// Chooser chooses among tags, and records judged tags in the Book.
type Chooser struct {
	Listed Listed
	Book   Book
	Judge  func(Ref) error // says why a tag cannot be a release
}

// maxCandidates is the most tags of a pattern that are judged.
const maxCandidates = 32

// ListCandidates gives the tags of a pattern that could be its release, newest first: the last release and newer tags.
func (c Chooser) ListCandidates(pattern string) []Ref {
	release, _ := c.Book.LastRelease(pattern)
	oldest, _ := MatchPattern(pattern, release)
	var candidates []Ref
	for name, ref := range c.Listed {
		part, ok := MatchPattern(pattern, name)
		if ok && !c.wasMoved(ref) && (release == "" || CompareParts(part, oldest) >= 0) {
			candidates = append(candidates, ref)
		}
	}
	slices.SortFunc(candidates, func(a, b Ref) int { return newerFirst(pattern, a.Name, b.Name) })
	return candidates[:min(len(candidates), maxCandidates)]
}

func newerFirst(pattern, a, b string) int {
	partA, _ := MatchPattern(pattern, a)
	partB, _ := MatchPattern(pattern, b)
	return CompareParts(partB, partA)
}

// wasMoved reports whether a tag has another object than before. Names of tags are write-once.
func (c Chooser) wasMoved(ref Ref) bool {
	seen, known := c.Book[ref.Name]
	return known && seen.Object != ref.Object
}

// ChooseTag gives the newest tag of a pattern that can be a release. It never goes back to an older tag than the last
// release: a release that was deleted, or does not count any more, stays the choice, with the trouble. A newer tag that
// can be a release ends the trouble with older ones.
func (c Chooser) ChooseTag(pattern string) Choice {
	var choice Choice
	release, last := c.Book.LastRelease(pattern)
	var troubles []string
	candidates := c.ListCandidates(pattern)
	for _, ref := range candidates {
		why := c.judgeTag(ref)
		if why == nil {
			choice = Choice{Tag: ref.Name, Commit: ref.Commit}
			break
		}
		troubles = append(troubles, fmt.Sprintf("tag %s: %v", ref.Name, why))
		if errors.Is(why, ErrUnknown) {
			break // an older tag may be out of date
		}
	}
	troubles = append(c.findTampering(pattern, release, choice.Tag), troubles...)
	if choice.Tag == "" && release != "" {
		choice = Choice{Tag: release, Commit: last.Commit}
	}
	if choice.Tag == "" && len(candidates) == maxCandidates {
		troubles = append(troubles, fmt.Sprintf("none of the newest %d tags can be used", maxCandidates))
	}
	choice.Trouble = summarizeTroubles(troubles)
	return choice
}

// KeepRelease gives the last release of a pattern while the tags cannot be listed.
func (c Chooser) KeepRelease(pattern string, why error) Choice {
	release, last := c.Book.LastRelease(pattern)
	return Choice{Tag: release, Commit: last.Commit, Trouble: fmt.Sprintf("the tags cannot be read: %v", why)}
}

// judgeTag judges a tag and remembers the tag.
func (c Chooser) judgeTag(ref Ref) error {
	seen, known := c.Book[ref.Name]
	if !known && len(c.Book) >= maxRemembered {
		return fmt.Errorf("%d tags are remembered already, no more are looked at: "+
			"forget some with `ingot trust repin --tag NAME`", maxRemembered)
	}
	why := c.Judge(ref)
	if errors.Is(why, ErrUnknown) {
		return why
	}
	seen.Object = ref.Object
	if why == nil {
		seen.Commit = ref.Commit
	}
	c.Book[ref.Name] = seen
	return why
}

// findTampering says whether the last release was deleted, and which tags were moved, the release first. Tags that are
// older than the chosen tag, "" for none, count no more.
func (c Chooser) findTampering(pattern, release, chosen string) (troubles []string) {
	counts := func(name string) bool { return chosen == "" || newerFirst(pattern, name, chosen) <= 0 }
	if _, there := c.Listed[release]; release != "" && !there && counts(release) {
		troubles = append(troubles,
			fmt.Sprintf("tag %s was deleted from %.12s: push it again, tag a newer name, or go back to an older tag "+
				"with `ingot trust repin --tag %[1]s`", release, c.Book[release].Object))
	}
	var moved []string
	for name, ref := range c.Listed {
		if _, ok := MatchPattern(pattern, name); ok && c.wasMoved(ref) && counts(name) {
			moved = append(moved, name)
		}
	}
	slices.SortFunc(moved, func(a, b string) int { return newerFirst(pattern, a, b) })
	if i := slices.Index(moved, release); i > 0 {
		moved = slices.Insert(slices.Delete(moved, i, i+1), 0, release)
	}
	for _, name := range moved {
		troubles = append(troubles,
			fmt.Sprintf("tag %s was moved from %.12s to %.12s: put it back, tag a newer name, or trust it with `ingot "+
				"trust repin --tag %[1]s`", name, c.Book[name].Object, c.Listed[name].Object))
	}
	return troubles
}

// summarizeTroubles gives the first trouble and the number of further ones.
func summarizeTroubles(troubles []string) string {
	switch len(troubles) {
	case 0:
		return ""
	case 1:
		return troubles[0]
	default:
		return fmt.Sprintf("%s (and %d more)", troubles[0], len(troubles)-1)
	}
}
