package status

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode"
)

// markup are the characters that could begin markup, as character references (CommonMark 0.31, 2.5). Forges link bare
// addresses and notify mentioned people: a space without width prevents both.
var markup = strings.NewReplacer(
	"|", "&#124;", "[", "&#91;", "]", "&#93;", "*", "&#42;", "_", "&#95;", "~", "&#126;", "\\", "&#92;", "`", "'",
	"@", "@\u200b", "://", ":\u200b//", "www.", "www.\u200b",
)

// reference matches what forges take for the number of an issue, a merge request, a milestone and the like.
var reference = regexp.MustCompile(`([#!$%&])([\pL\pN"_])`)

// opening matches the start of a heading or a list, at the beginning of a line.
var opening = regexp.MustCompile(`^(?:[#+=-]|[0-9]{1,9}[.)])`)

// escapeCell makes text safe inside a table or a list of a rendered page: no HTML, no links, no mentions, a single
// line.
func escapeCell(text string) string {
	text = strings.TrimSpace(oneLine(text))
	head := opening.FindString(text)
	text = markup.Replace(html.EscapeString(reference.ReplaceAllString(text[len(head):], "$1\u200b$2")))
	if head == "" {
		return text
	}
	last := len(head) - 1
	return fmt.Sprintf("%s&#%d;%s", head[:last], head[last], text)
}

// oneLine replaces control characters by spaces.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}

// codeSpan makes text safe between backticks, also inside a table. Empty text stays empty.
func codeSpan(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.NewReplacer("`", "'", "|", "\u2223").Replace(oneLine(text)) + "`"
}

// shortCommit is the start of a commit id.
func shortCommit(commit string) string { return commit[:min(len(commit), 10)] }
