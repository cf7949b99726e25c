package tags

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// prefix is what the refs of tags begin with.
const prefix = "refs/tags/"

// maxSeen is how many tags a book remembers, so that whoever may push tags cannot fill the state of a daemon.
const maxSeen = 10_000

// Seen is what is remembered of a tag.
type Seen struct {
	Object plumbing.Hash // of the ref, when it was looked at first
	Commit plumbing.Hash // zero until it was a release
}

// Book is what is remembered of the tags that were looked at, by name without refs/tags/. A tag is looked at when it could be a newer release.
type Book map[string]Seen

// ReadBook reads what Text gave: by the name of the ref an object id and, of a tag that was a release, after a space the id of its commit. An id that
// cannot be read is an error: with it forgotten, a moved tag would be taken for a new one.
func ReadBook(text map[string]string) (Book, error) {
	book := Book{}
	for ref, ids := range text {
		name, tag := strings.CutPrefix(ref, prefix)
		if !tag {
			return nil, fmt.Errorf("what is remembered of %q is of no tag", ref)
		}
		if err := book.Remember(name, ids); err != nil {
			return nil, err
		}
	}
	return book, nil
}

// Remember takes what Text gives of one tag, by its name without refs/tags/, if nothing is known of that.
func (b Book) Remember(name, ids string) error {
	object, commit, release := strings.Cut(ids, " ")
	if !plumbing.IsHash(object) || release && !plumbing.IsHash(commit) {
		return fmt.Errorf("what is remembered of the tag %q cannot be read: %q: want an object id, and after a space a commit id", name, ids)
	}
	if _, known := b[name]; !known {
		b[name] = Seen{Object: plumbing.NewHash(object), Commit: plumbing.NewHash(commit)}
	}
	return nil
}

// Text is the book for ReadBook.
func (b Book) Text() map[string]string {
	text := make(map[string]string, len(b))
	for name, seen := range b {
		text[prefix+name] = seen.Object.String()
		if !seen.Commit.IsZero() {
			text[prefix+name] += " " + seen.Commit.String()
		}
	}
	return text
}

// Forget forgets one tag, by its name with or without refs/tags/: what it is now will be looked at as if it were new.
func (b Book) Forget(name string) error {
	name = strings.TrimPrefix(name, prefix)
	if _, known := b[name]; !known {
		return fmt.Errorf("no tag %q was looked at: `git tag` lists the names", name)
	}
	delete(b, name)
	return nil
}

// Release gives the newest tag of a pattern that was a release; "" when none was.
func (b Book) Release(pattern string) (name string, seen Seen) {
	newest := ""
	for other := range b {
		if part, ok := Part(pattern, other); ok && !b[other].Commit.IsZero() && (name == "" || Compare(part, newest) > 0) {
			name, newest = other, part
		}
	}
	return name, b[name]
}
