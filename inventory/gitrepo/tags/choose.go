package tags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Ref is a tag as a repository lists it.
type Ref struct {
	Name   string        // without refs/tags/
	Object plumbing.Hash // the tag object, or the commit itself of a lightweight tag
	Commit plumbing.Hash // what it comes to in the end
}

// Annotated reports whether the tag has an object of its own.
func (r Ref) Annotated() bool { return r.Object != r.Commit }

// Listed are tags of a repository, by name.
type Listed map[string]Ref

// List picks the tags that match any of the patterns out of a listing of refs, in which a name with ^{} at its end tells what that tag comes to. Names
// that git does not allow are left out.
func List(refs map[plumbing.ReferenceName]plumbing.Hash, patterns []string) Listed {
	listed := Listed{}
	for name, object := range refs {
		short, tag := strings.CutPrefix(name.String(), prefix)
		if !tag || !slices.ContainsFunc(patterns, func(pattern string) bool { _, ok := Part(pattern, short); return ok }) || name.Validate() != nil {
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

// Choice is what a pattern comes to.
type Choice struct {
	Tag     string        // "" while there is none
	Commit  plumbing.Hash // of the tag when it became the release
	Trouble string        // what is wrong with the pattern's tags, and what to do next; the choice is the last good one then
}

// ErrUnknown means that it cannot be told now whether a tag can be a release: it is neither taken nor remembered.
var ErrUnknown = errors.New("it cannot be read now: it is read again with the next look")

// Chooser chooses among tags, and writes into its book what it looked at.
type Chooser struct {
	Listed Listed
	Book   Book
	Judge  func(Ref) error // why a tag cannot be a release
}

// maxLooked is how many tags newer than the release are looked at.
const maxLooked = 32

// Candidates are the tags of a pattern that could be its release, newest first: those that are newer than what is the release now, and that one.
func (c Chooser) Candidates(pattern string) []Ref {
	release, _ := c.Book.Release(pattern)
	oldest, _ := Part(pattern, release)
	var candidates []Ref
	for name, ref := range c.Listed {
		part, ok := Part(pattern, name)
		if ok && !c.moved(ref) && (release == "" || Compare(part, oldest) >= 0) {
			candidates = append(candidates, ref)
		}
	}
	slices.SortFunc(candidates, func(a, b Ref) int { return newerFirst(pattern, a.Name, b.Name) })
	return candidates[:min(len(candidates), maxLooked)]
}

func newerFirst(pattern, a, b string) int {
	partA, _ := Part(pattern, a)
	partB, _ := Part(pattern, b)
	return Compare(partB, partA)
}

// moved reports whether a tag is at another object than it was. Names are write-once.
func (c Chooser) moved(ref Ref) bool {
	seen, known := c.Book[ref.Name]
	return known && seen.Object != ref.Object
}

// Choose gives the newest tag of a pattern that can be a release. It never goes back to an older tag than the last release: when something is wrong
// with that one or it is gone, it stays the choice, with the trouble said.
func (c Chooser) Choose(pattern string) Choice {
	var choice Choice
	release, last := c.Book.Release(pattern)
	troubles := c.tampered(pattern, release)
	candidates := c.Candidates(pattern)
	for _, ref := range candidates {
		why := c.look(ref)
		if why == nil {
			choice = Choice{Tag: ref.Name, Commit: ref.Commit}
			break
		}
		troubles = append(troubles, fmt.Sprintf("tag %s: %v", ref.Name, why))
		if errors.Is(why, ErrUnknown) {
			break // an older one may be out of date
		}
	}
	if choice.Tag == "" && release != "" {
		choice = Choice{Tag: release, Commit: last.Commit}
	}
	if choice.Tag == "" && len(candidates) == maxLooked {
		troubles = append(troubles, fmt.Sprintf("none of the newest %d tags can be used", maxLooked))
	}
	choice.Trouble = oneLine(troubles)
	return choice
}

// Keep gives the last release of a pattern, while the tags cannot be listed.
func (c Chooser) Keep(pattern string, why error) Choice {
	release, last := c.Book.Release(pattern)
	return Choice{Tag: release, Commit: last.Commit, Trouble: fmt.Sprintf("the tags cannot be read: %v", why)}
}

// look judges a tag and remembers it.
func (c Chooser) look(ref Ref) error {
	seen, known := c.Book[ref.Name]
	if !known && len(c.Book) >= maxSeen {
		return fmt.Errorf("%d tags are remembered already, no more are looked at: forget some with `ingot trust repin --tag NAME`", maxSeen)
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

// tampered says whether the release was deleted, and which tags were moved, the release first.
func (c Chooser) tampered(pattern, release string) (troubles []string) {
	if _, there := c.Listed[release]; release != "" && !there {
		troubles = append(troubles, fmt.Sprintf("tag %s was deleted from %.12s, the ring stays there: push it again, or tag a newer name, or go back to an older tag with "+
			"`ingot trust repin --tag %[1]s`", release, c.Book[release].Object))
	}
	var moved []string
	for name, ref := range c.Listed {
		if _, ok := Part(pattern, name); ok && c.moved(ref) {
			moved = append(moved, name)
		}
	}
	slices.SortFunc(moved, func(a, b string) int { return newerFirst(pattern, a, b) })
	if i := slices.Index(moved, release); i > 0 {
		moved = slices.Insert(slices.Delete(moved, i, i+1), 0, release)
	}
	for _, name := range moved {
		troubles = append(troubles, fmt.Sprintf("tag %s was moved from %.12s to %.12s: put it back, or tag a new name, or, if you trust it, say `ingot trust repin --tag %[1]s`",
			name, c.Book[name].Object, c.Listed[name].Object))
	}
	return troubles
}

// oneLine tells the first trouble and counts the others.
func oneLine(troubles []string) string {
	switch len(troubles) {
	case 0:
		return ""
	case 1:
		return troubles[0]
	default:
		return fmt.Sprintf("%s (and %d more)", troubles[0], len(troubles)-1)
	}
}
