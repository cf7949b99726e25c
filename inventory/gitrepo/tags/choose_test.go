package tags_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// id is an object id that can be told from others.
func id(n int) plumbing.Hash { return plumbing.NewHash(fmt.Sprintf("%040x", n)) }

// fleet is a chooser over lightweight tags, each at its number's commit, with some that are not good or not known to be.
func fleet(book tags.Book, names map[string]int, verdicts map[string]error) tags.Chooser {
	c := tags.Chooser{Listed: tags.Listed{}, Book: book, Judge: func(ref tags.Ref) error { return verdicts[ref.Name] }}
	for name, n := range names {
		c.Listed[name] = tags.Ref{Name: name, Object: id(n), Commit: id(n)}
	}
	return c
}

func TestChoose(t *testing.T) {
	t.Parallel()
	bad := errors.New("it is bad")
	released := tags.Seen{Object: id(5), Commit: id(5)}
	tests := map[string]struct {
		book     tags.Book
		listed   map[string]int
		verdicts map[string]error
		want     tags.Choice
		trouble  string
		after    tags.Book
	}{
		"nothing": {book: tags.Book{}, after: tags.Book{}},
		"only the newest is looked at": {
			book: tags.Book{}, listed: map[string]int{"p-9": 9, "p-10": 10, "q-11": 11}, want: tags.Choice{Tag: "p-10", Commit: id(10)},
			after: tags.Book{"p-10": {Object: id(10), Commit: id(10)}},
		},
		"a bad one is left out, and remembered": {
			book: tags.Book{}, listed: map[string]int{"p-9": 9, "p-10": 10}, verdicts: map[string]error{"p-10": bad}, want: tags.Choice{Tag: "p-9", Commit: id(9)},
			trouble: "tag p-10: it is bad", after: tags.Book{"p-10": {Object: id(10)}, "p-9": {Object: id(9), Commit: id(9)}},
		},
		"one that cannot be read is not gone past": {
			book: tags.Book{}, listed: map[string]int{"p-9": 9, "p-10": 10}, verdicts: map[string]error{"p-10": fmt.Errorf("%w: away", tags.ErrUnknown)},
			trouble: "tag p-10: it cannot be read now", after: tags.Book{},
		},
		"a release that went bad stays": {
			book: tags.Book{"p-5": released}, listed: map[string]int{"p-4": 4, "p-5": 5}, verdicts: map[string]error{"p-5": bad},
			want: tags.Choice{Tag: "p-5", Commit: id(5)}, trouble: "tag p-5: it is bad", after: tags.Book{"p-5": released},
		},
		"a release that moved stays, and is said first": {
			book: tags.Book{"p-5": released, "p-7": {Object: id(7)}}, listed: map[string]int{"p-4": 4, "p-5": 6, "p-7": 8},
			want: tags.Choice{Tag: "p-5", Commit: id(5)}, trouble: "tag p-5 was moved from", after: tags.Book{"p-5": released, "p-7": {Object: id(7)}},
		},
		"a newer one ends the trouble with a moved release, and with an older one": {
			book: tags.Book{"p-5": released, "p-4": {Object: id(4)}}, listed: map[string]int{"p-4": 14, "p-5": 6, "p-6": 16},
			want: tags.Choice{Tag: "p-6", Commit: id(16)}, after: tags.Book{"p-4": {Object: id(4)}, "p-5": released, "p-6": {Object: id(16), Commit: id(16)}},
		},
		"a newer one ends the trouble with a deleted release": {
			book: tags.Book{"p-5": released}, listed: map[string]int{"p-6": 6},
			want: tags.Choice{Tag: "p-6", Commit: id(6)}, after: tags.Book{"p-5": released, "p-6": {Object: id(6), Commit: id(6)}},
		},
		"a newer one that is bad does not": {
			book: tags.Book{"p-5": released}, listed: map[string]int{"p-5": 15, "p-6": 6}, verdicts: map[string]error{"p-6": bad},
			want: tags.Choice{Tag: "p-5", Commit: id(5)}, trouble: "tag p-5 was moved from", after: tags.Book{"p-5": released, "p-6": {Object: id(6)}},
		},
		"one that is older than a moved one does not": {
			book: tags.Book{"p-5": released, "p-7": {Object: id(7)}}, listed: map[string]int{"p-5": 5, "p-6": 6, "p-7": 8},
			want: tags.Choice{Tag: "p-6", Commit: id(6)}, trouble: "tag p-7 was moved from", after: tags.Book{"p-5": released, "p-6": {Object: id(6), Commit: id(6)}, "p-7": {Object: id(7)}},
		},
		"a release that was deleted stays": {
			book: tags.Book{"p-5": released}, listed: map[string]int{"p-4": 4}, want: tags.Choice{Tag: "p-5", Commit: id(5)},
			trouble: "tag p-5 was deleted", after: tags.Book{"p-5": released},
		},
		"an old release that was deleted is nobody's trouble": {
			book: tags.Book{"p-4": {Object: id(4), Commit: id(4)}, "p-5": released}, listed: map[string]int{"p-5": 5}, want: tags.Choice{Tag: "p-5", Commit: id(5)},
			after: tags.Book{"p-4": {Object: id(4), Commit: id(4)}, "p-5": released},
		},
		"another pattern's release is not this one's": {
			book: tags.Book{"q-5": released}, listed: map[string]int{"p-1": 1}, want: tags.Choice{Tag: "p-1", Commit: id(1)},
			after: tags.Book{"q-5": released, "p-1": {Object: id(1), Commit: id(1)}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := fleet(test.book, test.listed, test.verdicts).ChooseTag("p-*")
			if (test.trouble == "") != (got.Trouble == "") || !strings.HasPrefix(got.Trouble, test.trouble) {
				t.Errorf("trouble %q, want %q", got.Trouble, test.trouble)
			}
			got.Trouble = ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Choose (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.after, test.book); diff != "" {
				t.Errorf("the book afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChooseLooksAtAFewTagsOnly(t *testing.T) {
	t.Parallel()
	names, looked := map[string]int{}, 0
	for n := range 500 {
		names[fmt.Sprintf("p-%d", n)] = n + 1
	}
	c := fleet(tags.Book{}, names, nil)
	c.Judge = func(tags.Ref) error { looked++; return errors.New("it is bad") }
	choice := c.ChooseTag("p-*")
	if choice.Tag != "" || !strings.HasPrefix(choice.Trouble, "tag p-499: it is bad (and ") || looked > 50 || len(c.Book) != looked {
		t.Errorf("%d looked at, %d remembered: %+v", looked, len(c.Book), choice)
	}
}

func TestABookIsFullOneDay(t *testing.T) {
	t.Parallel()
	book := tags.Book{"p-1": {Object: id(1), Commit: id(1)}}
	for n := range 10_000 {
		book[fmt.Sprintf("gone-%d", n)] = tags.Seen{Object: id(n + 1)}
	}
	before := len(book)
	got := fleet(book, map[string]int{"p-1": 1, "p-2": 2}, nil).ChooseTag("p-*")
	if got.Tag != "p-1" || !strings.Contains(got.Trouble, "tag p-2: 10000 tags are remembered already") || len(book) != before {
		t.Errorf("Choose with a full book = %+v, and it holds %d", got, len(book))
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	got := tags.Chooser{Book: tags.Book{"p-5": {Object: id(5), Commit: id(6)}}}.KeepRelease("p-*", errors.New("server away"))
	if want := (tags.Choice{Tag: "p-5", Commit: id(6), Trouble: "the tags cannot be read: server away"}); got != want {
		t.Errorf("KeepRelease = %+v, want %+v", got, want)
	}
}

func TestABookIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	book := tags.Book{"p-1": {Object: id(1)}, "a/b": {Object: id(2), Commit: id(3)}}
	read, err := tags.ReadBook(book.EncodeText())
	if diff := cmp.Diff(book, read); err != nil || diff != "" {
		t.Errorf("ReadBook: %v (-want +got):\n%s", err, diff)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	refs := map[plumbing.ReferenceName]plumbing.Hash{
		"refs/tags/p-1": id(1), "refs/tags/p-2": id(2), "refs/tags/p-2^{}": id(3), "refs/tags/q-1": id(4), "refs/heads/p-3": id(5),
		"refs/tags/p-\x1b[2J": id(6), "refs/tags/p-..": id(7), "refs/tags/p-:x": id(8), "refs/pull/1/head": id(9),
	}
	want := tags.Listed{"p-1": {Name: "p-1", Object: id(1), Commit: id(1)}, "p-2": {Name: "p-2", Object: id(2), Commit: id(3)}}
	if diff := cmp.Diff(want, tags.ListTags(refs, []string{"p-*", "none"})); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}
