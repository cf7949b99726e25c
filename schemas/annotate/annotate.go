// Package annotate prints findings so that forges show findings at their lines. Call FormatGitHub for each finding in
// GitHub Actions, FormatGitLab once in GitLab CI. Do not print messages of findings unescaped: forges read lines as
// commands.
package annotate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// FormatGitHub prints a finding as a workflow command (GitHub, "Workflow commands for GitHub Actions").
func FormatGitHub(f schemas.Finding) string {
	var place strings.Builder
	fmt.Fprintf(&place, "file=%s", commandProperty.Replace(f.File))
	if f.Line > 0 {
		fmt.Fprintf(&place, ",line=%d", f.Line)
	}
	if f.Col > 0 {
		fmt.Fprintf(&place, ",col=%d", f.Col)
	}
	return fmt.Sprintf("::%s %s::%s", f.Severity, place.String(), commandData.Replace(findingText(f)))
}

// Escapes of workflow commands.
var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// findingText is the finding without its position.
func findingText(f schemas.Finding) string {
	text := f.Message
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// FormatGitLab prints a code quality report (GitLab, "Code Quality", report format): an array, [] without findings,
// with a final line end.
func FormatGitLab(findings []schemas.Finding) ([]byte, error) {
	type lines struct {
		Begin int `json:"begin"`
	}
	type location struct {
		Path  string `json:"path"`
		Lines lines  `json:"lines"`
	}
	type issue struct {
		Description string   `json:"description"`
		CheckName   string   `json:"check_name"`
		Fingerprint string   `json:"fingerprint"`
		Severity    string   `json:"severity"`
		Location    location `json:"location"`
	}
	report := []issue{}
	for _, f := range findings {
		sum := sha256.Sum256([]byte(f.String()))
		severity := "blocker"
		if f.Severity == schemas.Warning {
			severity = "minor"
		}
		report = append(report, issue{findingText(f), "ingot", hex.EncodeToString(sum[:16]), severity,
			location{f.File, lines{max(f.Line, 1)}}})
	}
	body, err := json.MarshalIndent(report, "", "  ")
	return append(body, '\n'), err
}
