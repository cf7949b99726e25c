// Package tags chooses the tag that a ring runs: the newest one of the ring's pattern that can be trusted. Tag names are write-once, and a ring never
// goes back to an older tag by itself.
package tags

import (
	"cmp"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/gitmetal/ingot/inventory"
)

// Part gives the part of a tag's name that the * of a pattern stands for, which may hold slashes or be empty; ok is false when the name does not
// match. A pattern without * matches its own name alone. No pattern matches a countersignature: that is never a release.
func Part(pattern, name string) (part string, ok bool) {
	if strings.HasPrefix(name, inventory.Countersigning) {
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

// Compare orders two parts of names as Part gives them: negative when a is older than b, zero only when they are equal.
//
//  1. A semantic version (semver.org; with or without v, minor and patch may be missing, so that 9 is 9.0.0) is newer than anything else. A number
//     may have leading zeros, which semver.org does not allow and the order of calendar versions needs: 2026.12.31 is older than 2027.01.01.
//  2. Of two semantic versions the precedence of semver.org decides: v1.2.0-rc.1 is older than v1.2.0.
//  3. Of two others natural order decides: runs of digits compare as numbers, everything else bytewise: 2026-9b is older than 2026-10a.
//  4. What is equal so far (01 and 1, builds of one version) is ordered bytewise.
func Compare(a, b string) int {
	versionA, versionB := version(a), version(b)
	switch {
	case versionA != "" && versionB != "":
		return cmp.Or(semver.Compare(versionA, versionB), strings.Compare(a, b))
	case versionA != "":
		return 1
	case versionB != "":
		return -1
	default:
		return cmp.Or(natural(a, b), strings.Compare(a, b))
	}
}

var numbers = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+){0,2})`)

// version writes a semantic version as x/mod/semver wants it; "" when it is none.
func version(part string) string {
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

// natural compares runs of digits as numbers and other bytes as they are.
func natural(a, b string) int {
	for a != "" && b != "" {
		numberA, numberB := digits(a), digits(b)
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

// digits gives the run of digits that s begins with.
func digits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
