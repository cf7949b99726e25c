package schemas

import (
	"fmt"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Severity is the severity of a Finding.
type Severity string

// A commit with one Error changes nothing.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Position is a place in a file. Line and Col count from 1, in characters; 0 means the whole file.
type Position struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// String is file:line:col, without the unknown parts.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
}

// Finding tells a person what to know about the fleet, at the person's own line.
type Finding struct {
	Position
	Severity Severity `json:"severity"`
	Field    string   `json:"field,omitempty"` // such as spec.bmc.address
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // what to do, or "did you mean …?"
}

// String is one line: place, severity, field, message, hint.
func (f Finding) String() string {
	f = f.OneLine()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: ", f.Position, f.Severity)
	if f.Field != "" {
		fmt.Fprintf(&b, "%s: ", f.Field)
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		fmt.Fprintf(&b, " (%s)", f.Hint)
	}
	return b.String()
}

// OneLine gives a finding whose texts are one line each, whatever was quoted in them: a line break is a space.
func (f Finding) OneLine() Finding {
	join := func(text string) string { return strings.Join(strings.FieldsFunc(text, isBreak), " ") }
	if strings.ContainsFunc(f.Message, isBreak) {
		f.Message = join(f.Message)
	}
	if strings.ContainsFunc(f.Hint, isBreak) {
		f.Hint = join(f.Hint)
	}
	return f
}

// isBreak reports whether a terminal, or a reader of logs, begins a new line at a character.
func isBreak(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' }

// Fatal reports whether a finding is an Error.
func Fatal(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

// SortFindings orders findings by file, line, column, field and message, so that a fleet always prints the same.
func SortFindings(findings []Finding) {
	sort.SliceStable(findings, func(i, j int) bool {
		a, b := findings[i], findings[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Col != b.Col {
			return a.Col < b.Col
		}
		if a.Field != b.Field {
			return a.Field < b.Field
		}
		return a.Message < b.Message
	})
}

// YAMLFinding turns a problem of package yamltext into a finding.
func YAMLFinding(file string, p *yamltext.Problem) Finding {
	return Finding{Position: Position{File: file, Line: p.Line, Col: p.Col}, Severity: Error, Message: p.Message,
		Hint: p.Hint}
}
