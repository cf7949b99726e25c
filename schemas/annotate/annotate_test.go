package annotate_test

import (
	"encoding/json"
	"testing"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/annotate"
)

func TestGitHubEscapesWhatWouldEndTheCommand(t *testing.T) {
	t.Parallel()
	f := schemas.Finding{Position: schemas.Position{File: "hosts/a,b:c.yaml", Line: 3, Col: 5}, Severity: schemas.Error, Field: "spec", Message: "100%\n::set-env::", Hint: "no"}
	const want = "::error file=hosts/a%2Cb%3Ac.yaml,line=3,col=5::spec: 100%25%0A::set-env:: (no)"
	if got := annotate.FormatGitHub(f); got != want {
		t.Errorf("FormatGitHub = %q, want %q", got, want)
	}
}

func TestGitLabIsAReport(t *testing.T) {
	t.Parallel()
	body, err := annotate.FormatGitLab([]schemas.Finding{{Position: schemas.Position{File: "a.yaml"}, Severity: schemas.Warning, Message: "m"}})
	if err != nil {
		t.Fatal(err)
	}
	var report []struct {
		Severity, Fingerprint string
		Location              struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	if err := json.Unmarshal(body, &report); err != nil {
		t.Fatal(err)
	}
	if len(report) != 1 || report[0].Severity != "minor" || report[0].Location.Path != "a.yaml" || report[0].Location.Lines.Begin != 1 || len(report[0].Fingerprint) != 32 {
		t.Errorf("FormatGitLab = %s", body)
	}
	if empty, err := annotate.FormatGitLab(nil); err != nil || string(empty) != "[]\n" {
		t.Errorf("FormatGitLab(nil) = %q, %v; want an empty array", empty, err)
	}
}
