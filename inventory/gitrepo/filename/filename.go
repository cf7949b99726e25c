// Package filename says which names of a repository's trees can be those of files, on every system that the repository may be cloned to.
package filename

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxPath is the longest path, in bytes.
const MaxPath = 1024

// Fold makes paths equal that a file system which ignores case, or how a letter with a mark is encoded, takes for one.
func Fold(file string) string {
	if !strings.ContainsFunc(file, func(r rune) bool { return r >= utf8.RuneSelf }) { // nearly every one
		return strings.ToLower(file)
	}
	return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFC.String(file))))
}

// Plain reports whether a name is one file's or directory's within its directory on every system that the fleet may be cloned to.
func Plain(name string) bool {
	switch {
	case !utf8.ValidString(name), name == "", name == ".", name == "..", strings.ContainsAny(name, "/\\"):
		return false
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }): // controls, and marks that HFS+ does not see
		return false
	default:
		return !gitDirectory(name)
	}
}

// gitDirectory reports whether a name is that of Git's own directory: on any system, in any case, with what NTFS drops at the end of a name, as
// its short name there, or as one of its streams (git's verify_path refuses the same).
func gitDirectory(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), ":")
	name = strings.TrimRight(name, " .")
	return name == ".git" || name == "git~1"
}

// Printable keeps a name from writing to a terminal what it likes.
func Printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}
