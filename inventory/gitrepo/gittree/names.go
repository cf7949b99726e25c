package gittree

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxPath is the longest path, in bytes.
const MaxPath = 1024

// FoldName maps paths to one form when a file system that ignores case, or the encoding of accents, takes the paths for
// the same.
func FoldName(file string) string {
	if !strings.ContainsFunc(file, func(r rune) bool { return r >= utf8.RuneSelf }) { // nearly all paths
		return strings.ToLower(file)
	}
	return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFC.String(file))))
}

// IsPlainName reports whether a name is a plain file or directory name on every system that the fleet may be cloned to.
func IsPlainName(name string) bool {
	switch {
	case !utf8.ValidString(name), name == "", name == ".", name == "..", strings.ContainsAny(name, "/\\"):
		return false
	// control characters, and marks that HFS+ ignores
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return false
	default:
		return !isGitDirectory(name)
	}
}

// isGitDirectory reports whether a name means Git's own directory on some system: in any case, with characters that
// NTFS drops at the end, as NTFS short name, or as NTFS stream. Git's verify_path refuses the same names.
func isGitDirectory(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), ":")
	name = strings.TrimRight(name, " .")
	return name == ".git" || name == "git~1"
}

// MaskUnprintable replaces unprintable characters by ?, so that a name cannot control a terminal.
func MaskUnprintable(name string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}
