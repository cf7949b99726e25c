// Package glob has the grammar of the names of result files, such as out/a.txt, and matches them with patterns such as
// out/**. The package is pure.
//
// Call CheckName for a name before it becomes a path, Check where a pattern is written, and Match where files are
// collected; MatchPart for a text that has no parts. Do not use path.Match for such patterns: path.Match has no **, and gives an error only for some names.
package glob

import (
	"errors"
	"fmt"
	"strings"
)

// MaxPattern is the most bytes of a pattern.
const MaxPattern = 255

// Check refuses a pattern that is none: parts between slashes, of the characters of names, with * for any number of
// characters of a part, ? for one, and ** as a whole part for any number of parts.
func Check(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("an empty pattern matches nothing: write ** for every file")
	case len(pattern) > MaxPattern:
		return fmt.Errorf("a pattern of %d bytes: at most %d", len(pattern), MaxPattern)
	}
	for part := range strings.SplitSeq(pattern, "/") {
		switch {
		case part == "", part == ".", part == "..":
			return fmt.Errorf("the pattern %q has the part %q: write the path below the results directory", pattern, part)
		case part != "**" && strings.Contains(part, "**"):
			return fmt.Errorf("the pattern %q has ** inside of a part: ** stands alone between two slashes", pattern)
		}
		for _, c := range part {
			if !isNameByte(c) && c != '*' && c != '?' {
				return fmt.Errorf("the pattern %q has the character %q: names have A-Z a-z 0-9 . _ - and /", pattern, c)
			}
		}
	}
	return nil
}

// MaxName is the most bytes of the name of a file.
const MaxName = 255

// CheckName refuses a name that is no name of a result file: A-Z a-z 0-9 . _ - and /, at most MaxName bytes, no empty
// part, and no part . or .. .
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("a name of %d bytes: a file's name has 1 to %d", len(name), MaxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("the name %.80q has the part %q: write a path below the results directory", name, part)
		}
		for _, c := range part {
			if !isNameByte(c) {
				return fmt.Errorf("the name %.80q has the character %q: names have A-Z a-z 0-9 . _ - and /", name, c)
			}
		}
	}
	return nil
}

// isNameByte reports the characters of a part of a name.
func isNameByte(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// Match reports whether a name matches a pattern. A pattern that Check refuses matches less than its writer meant, and
// never an error.
func Match(pattern, name string) bool {
	return matchParts(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

// matchParts matches part by part. The table has at most 128 rows and columns: names and patterns have 255 bytes.
func matchParts(pattern, name []string) bool {
	reached := make([]bool, len(name)+1) // which ends of the name the pattern so far matches
	reached[0] = true
	for _, part := range pattern {
		next := make([]bool, len(name)+1)
		for i := range next {
			switch {
			case part == "**":
				next[i] = reached[i] || i > 0 && next[i-1]
			case i > 0 && reached[i-1]:
				next[i] = MatchPart(part, name[i-1])
			}
		}
		reached = next
	}
	return reached[len(name)]
}

// MatchPart reports whether a pattern of * for any number of bytes, and ? for one, means a text without slashes, such as a part
// of a name, or a host. It takes linear memory and at most quadratic time.
func MatchPart(pattern, text string) bool {
	at, star, resume := 0, -1, 0
	for i := 0; i < len(text); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, resume = at, i
			at++
		case at < len(pattern) && (pattern[at] == '?' || pattern[at] == text[i]):
			at++
			i++
		case star >= 0:
			resume++
			at, i = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}
