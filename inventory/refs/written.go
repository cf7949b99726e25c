package refs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Written is a text that a person wrote as a reference.
type Written struct {
	Text  string // for people: without the default that a shell would take
	Meant string // the reference that was meant; "" where that is not plain
	At    int    // the first byte in the text
}

// overlooked matches what a person may mean as a reference, and what a reader of references takes for another text.
var overlooked = regexp.MustCompile(`(?i:\$\{\s*(?:vars?|secrets?|machine)\s+\.[^}\n]*\}?)|` +
	`(?:^|[^$\\{])(\$(?:vars\.[A-Za-z_]\w*|secret\.[a-z0-9][-a-z0-9]*\.[A-Za-z0-9_][-\w]*))`)

// assigned is how a program sets a variable of the name vars or secret: $vars.x is then the program's own.
var assigned = regexp.MustCompile(`(?m)\b(?:vars|secret)\b(?:\s*[-+.:?|]?=|\[)|\b(?:for|foreach|read|local|declare|typeset|export|getopts)\b[^\n;]*\b(?:vars|secret)\b`)

// FindWritten lists the texts that a person wrote as references, in order, also misspelt ones, where nothing replaces
// references. ${machine.name}, which inject-files knows, is among them; ${NAME} and ${NAME:-default} of a shell are not.
func FindWritten(text string) []Written {
	found := FindOverlooked(text)
	for _, at := range reference.FindAllStringIndex(text, -1) {
		if match := text[at[0]:at[1]]; match != "$${" {
			found = append(found, newWritten(match, at[0]))
		}
	}
	slices.SortFunc(found, func(a, b Written) int { return a.At - b.At })
	return found
}

// FindOverlooked lists the texts among those of FindWritten that ReplaceReferences and ReplaceInText neither replace nor
// refuse: $vars.x without braces, ${vars .x}.
func FindOverlooked(text string) (found []Written) {
	if !strings.Contains(text, "$") {
		return nil
	}
	isProgram := assigned.MatchString(text)
	for _, at := range overlooked.FindAllStringSubmatchIndex(text, -1) {
		bare := at[2] >= 0
		switch {
		case !bare:
			found = append(found, newWritten(text[at[0]:at[1]], at[0]))
		case !isProgram:
			found = append(found, newWritten(text[at[2]:at[3]], at[2]))
		}
	}
	return found
}

// meantVar and meantSecret read a misspelt reference. What may follow the name is a default or a filter.
var (
	meantVar    = regexp.MustCompile(`^(?i:vars?)\s*\.\s*([A-Za-z_]\w*)\s*(?:[:|?=+}]|$)`)
	meantSecret = regexp.MustCompile(`^(?i:secrets?)\s*\.\s*([A-Za-z0-9][-A-Za-z0-9]*)\s*\.\s*([A-Za-z0-9_][-\w.]*)\s*(?:[:|?=+}]|$)`)
	defaultSign = regexp.MustCompile(`[:|?=+]`)
)

func newWritten(match string, at int) Written {
	w := Written{Text: match, At: at}
	inner := strings.TrimSpace(strings.TrimLeft(match, "${"))
	if name := meantVar.FindStringSubmatch(inner); name != nil {
		w.Meant = Ref{Var: name[1]}.String()
	} else if name := meantSecret.FindStringSubmatch(inner); name != nil {
		w.Meant = Ref{Secret: Secret{strings.ToLower(name[1]), name[2]}}.String()
	}
	if sign := defaultSign.FindStringIndex(match); sign != nil { // what follows may be a secret
		w.Text = match[:sign[1]] + "…"
		if strings.HasSuffix(match, "}") {
			w.Text += "}"
		}
	}
	w.Text = yamltext.ShortenText(w.Text)
	return w
}

// refuse says what to write in place of a text that is no reference.
func refuse(match string) string {
	w := newWritten(match, 0)
	if w.Meant == "" {
		w.Meant = "${vars.name} or ${secret.name.key}"
	}
	return fmt.Sprintf("%s is not a reference: write %s, or $${ for the two characters", w.Text, w.Meant)
}

// Use says of a text that is used as it is where references count instead, and what to do.
type Use struct{ Counts, Hint string }

// WarnInFile warns of references in a file that is used as it is. Each line with a reference is reported once.
func WarnInFile(file string, data []byte, use Use) (findings []schemas.Finding) {
	text := string(data)
	if !strings.Contains(text, "$") || strings.Contains(text, "\x00") || !utf8.ValidString(text) {
		return nil
	}
	line, begin, said := 1, 0, 0
	for _, w := range FindWritten(text) {
		line += strings.Count(text[begin:w.At], "\n")
		begin = w.At
		if line == said {
			continue
		}
		said = line
		at := schemas.Position{File: file, Line: line, Col: 1 + utf8.RuneCountInString(text[1+strings.LastIndexByte(text[:w.At], '\n'):w.At])}
		findings = append(findings, use.Warn(w, at))
	}
	return findings
}

// Warn says that a reference stays as it is.
func (use Use) Warn(w Written, at schemas.Position) schemas.Finding {
	message := w.Text + " stays as it is: references"
	if w.Meant != "" && w.Meant != w.Text {
		message += ", such as " + w.Meant + ","
	}
	return schemas.Finding{Position: at, Severity: schemas.Warning, Message: message + " count " + use.Counts, Hint: use.Hint}
}

// WarnOverlooked says of what FindOverlooked found, where references count, how a reference is written.
func WarnOverlooked(w Written, at schemas.Position) schemas.Finding {
	return schemas.Finding{Position: at, Severity: schemas.Warning, Message: w.Text + " stays as it is: a reference is written " +
		cmp.Or(w.Meant, "${vars.name} or ${secret.name.key}"), Hint: "a variable of the program's own is best called otherwise"}
}
