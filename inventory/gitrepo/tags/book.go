package tags

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// refPrefix begins the refs of tags.
const refPrefix = "refs/tags/"

// maxRemembered is the most tags of a book, so that pushing tags cannot fill the state of a daemon.
const maxRemembered = 10_000

// Seen is what a Book remembers of a tag.
type Seen struct {
	Object plumbing.Hash // object of the ref at the first look
	Commit plumbing.Hash // zero until the tag was a release
}

// Book remembers the tags that were judged, by name without refs/tags/. A tag is judged when it could be a newer
// release.
type Book map[string]Seen

// ReadBook reads the result of EncodeText: by ref, an object id, and for a former release the commit id after a space.
// An unreadable id is an error: without the id a moved tag would be taken for a new tag.
func ReadBook(text map[string]string) (Book, error) {
	book := Book{}
	for ref, ids := range text {
		name, tag := strings.CutPrefix(ref, refPrefix)
		if !tag {
			return nil, fmt.Errorf("what is remembered of %q is of no tag", ref)
		}
		if err := book.RememberTag(name, ids); err != nil {
			return nil, err
		}
	}
	return book, nil
}

// RememberTag adds one tag in the form of EncodeText, by name without refs/tags/, unless the tag is known.
func (b Book) RememberTag(name, ids string) error {
	object, commit, release := strings.Cut(ids, " ")
	if !plumbing.IsHash(object) || release && !plumbing.IsHash(commit) {
		return fmt.Errorf("what is remembered of the tag %q cannot be read: %q: "+
			"want an object id, and after a space a commit id", name, ids)
	}
	if _, known := b[name]; !known {
		b[name] = Seen{Object: plumbing.NewHash(object), Commit: plumbing.NewHash(commit)}
	}
	return nil
}

// EncodeText gives the book for ReadBook.
func (b Book) EncodeText() map[string]string {
	text := make(map[string]string, len(b))
	for name, seen := range b {
		text[refPrefix+name] = seen.Object.String()
		if !seen.Commit.IsZero() {
			text[refPrefix+name] += " " + seen.Commit.String()
		}
	}
	return text
}

// ForgetTag forgets one tag, by name with or without refs/tags/, so that the tag is judged as a new tag.
func (b Book) ForgetTag(name string) error {
	name = strings.TrimPrefix(name, refPrefix)
	if _, known := b[name]; !known {
		return fmt.Errorf("no tag %q was looked at: `git tag` lists the names", name)
	}
	delete(b, name)
	return nil
}

// LastRelease gives the newest tag of a pattern that was a release, "" for none.
func (b Book) LastRelease(pattern string) (name string, seen Seen) {
	newest := ""
	for other := range b {
		if part, ok := MatchPattern(pattern, other); ok && !b[other].Commit.IsZero() &&
			(name == "" || CompareParts(part, newest) > 0) {
			name, newest = other, part
		}
	}
	return name, b[name]
}
