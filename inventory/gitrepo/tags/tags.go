// Package tags chooses the tag that a ring runs: the newest tag of the ring's pattern that can be trusted. Call
// ListTags on the refs of a server, then ChooseTag of a Chooser. Names of tags are write-once, and a ring never goes
// back to an older tag by itself: do not choose without the Book of the last choice.
package tags

import (
	"cmp"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/gitmetal/ingot/inventory"
)

// MatchPattern gives the part of a tag's name in place of the * of a pattern, which may be empty or hold slashes, and
// whether the name matches. A pattern without * matches only its own name. No pattern matches a countersignature, which
// is never a release.
func MatchPattern(pattern, name string) (part string, ok bool) {
	if strings.HasPrefix(name, inventory.CountersignPrefix) {
		return "", false
	}
	prefix, suffix, star := strings.Cut(pattern, "*")
	if !star {
		return "", name == pattern
	}
	if len(name) < len(prefix)+len(suffix) || !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, suffix) {
		return "", false
	}
	return name[len(prefix) : len(name)-len(suffix)], true
}

// CompareParts orders two parts of MatchPattern: negative when a is older than b, zero only for equal parts.
//
//  1. A semantic version (semver.org; with or without v, minor and patch may be missing, so that 9 is 9.0.0) is newer
//     than any other part. A number may have leading zeros, which semver.org does not allow and the order of calendar
//     versions needs: 2026.12.31 is older than 2027.01.01.
//  2. Two semantic versions have the precedence of semver.org: v1.2.0-rc.1 is older than v1.2.0.
//  3. Two other parts have natural order: runs of digits compare as numbers, other bytes as bytes: 2026-9b is older
//     than 2026-10a.
//  4. Parts that are equal so far (01 and 1, builds of one version) are ordered bytewise.
func CompareParts(a, b string) int {
	versionA, versionB := parseVersion(a), parseVersion(b)
	switch {
	case versionA != "" && versionB != "":
		return cmp.Or(semver.Compare(versionA, versionB), strings.Compare(a, b))
	case versionA != "":
		return 1
	case versionB != "":
		return -1
	default:
		return cmp.Or(compareNaturally(a, b), strings.Compare(a, b))
	}
}

var numbers = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+){0,2})`)

// parseVersion writes a semantic version as x/mod/semver expects, "" for any other part.
func parseVersion(part string) string {
	found := numbers.FindStringSubmatch(part)
	if found == nil {
		return ""
	}
	parts := strings.Split(found[1], ".")
	for i, number := range parts {
		parts[i] = cmp.Or(strings.TrimLeft(number, "0"), "0")
	}
	v := "v" + strings.Join(parts, ".") + part[len(found[0]):]
	if !semver.IsValid(v) {
		return ""
	}
	return v
}

// compareNaturally compares runs of digits as numbers and other bytes as bytes.
func compareNaturally(a, b string) int {
	for a != "" && b != "" {
		numberA, numberB := leadingDigits(a), leadingDigits(b)
		if numberA == "" || numberB == "" {
			if order := cmp.Compare(a[0], b[0]); order != 0 {
				return order
			}
			a, b = a[1:], b[1:]
			continue
		}
		a, b = a[len(numberA):], b[len(numberB):]
		numberA, numberB = strings.TrimLeft(numberA, "0"), strings.TrimLeft(numberB, "0")
		if order := cmp.Or(cmp.Compare(len(numberA), len(numberB)), strings.Compare(numberA, numberB)); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

// leadingDigits gives the run of digits at the start of s.
func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
