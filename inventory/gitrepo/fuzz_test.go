package gitrepo

import (
	"path"
	"strings"
	"testing"
	"unicode"
)

// Names that are kept stay below the directory they are joined to, on any file system, and are not kept twice.
func FuzzGoodName(f *testing.F) {
	for _, name := range []string{"a", "..", ".", "", ".git", ".GIT", "a/b", "a\\b", "\x00", "\xff", "ä", "A"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		rd := reader{folded: map[string]string{}}
		file := "dir/" + name
		if !rd.goodName(file, name) {
			if len(rd.bad) != 1 || strings.ContainsFunc(rd.bad[0].String(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q was refused with %v", name, rd.bad)
			}
			return
		}
		if path.Clean(file) != file || path.Dir(file) != "dir" || strings.EqualFold(name, ".git") || strings.ContainsAny(name, "\\\n\r\x00") {
			t.Errorf("%q is taken for a name", name)
		}
		if rd.goodName("dir/"+strings.ToUpper(name), strings.ToUpper(name)) && strings.EqualFold(strings.ToUpper(name), name) {
			t.Errorf("%q is taken twice, in two cases", name)
		}
	})
}
