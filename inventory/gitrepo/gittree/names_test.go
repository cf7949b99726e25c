package gittree_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
)

func TestFoldName(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{{"a/B", "A/b"}, {"caf\u00e9", "CAFE\u0301"}, {"K", "\u212a"}, {"s", "\u017f"}, {"\u00df", "\u1e9e"}, {"\u00c5", "A\u030a"}, {"\u212b", "\u00e5"}} {
		if a, b := gittree.FoldName(same[0]), gittree.FoldName(same[1]); a != b {
			t.Errorf("FoldName(%q) = %q, FoldName(%q) = %q: some file system takes them for one", same[0], a, same[1], b)
		}
	}
	for _, other := range [][2]string{{"a", "b"}, {"a/b", "a-b"}, {"\u00e9", "e"}, {"ss", "\u00df"}} {
		if gittree.FoldName(other[0]) == gittree.FoldName(other[1]) {
			t.Errorf("%q and %q are taken for one", other[0], other[1])
		}
	}
}

func TestIsPlainName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "a.yaml", ".github", ".gitignore", ".gitattributes", "git", "git~2", "a b", "a:b", "\u00e4", "\u65e5\u672c", "\U0001f600", "..a", "a.", ".git-x"} {
		if !gittree.IsPlainName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "a\\b", "a\x00", "a\n", "a\x7f", "a\u0085", "\xff", ".git", ".GIT", ".git.", ".git ", ".git . .", ".git:x", ".git::$INDEX_ALLOCATION", "git~1", "GIT~1", "git~1.", ".g\u200cit", ".git\ufeff", "a\u202eb", "a\u2028b"} {
		if gittree.IsPlainName(name) {
			t.Errorf("%q is taken for a file's name", name)
		}
	}
}
