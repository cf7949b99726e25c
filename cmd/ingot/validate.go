package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/annotate"
)

func newValidate(s streams) *cobra.Command {
	var commit, output string
	command := &cobra.Command{
		Use:   "validate [DIRECTORY]",
		Short: "Check a fleet: every finding at its line, without any connection",
		Long: "Checks the fleet in a directory, or at a commit of the clone there. Without a directory, the clone\n" +
			"around the working directory is checked from its top.\n" +
			"Exit code 0: no findings; 1: not read, or no fleet; 2: findings.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				around := fleets.NewReaderAround(".")
				around.PrintPlace(s.Err)
				return validateFleet(s, around, commit, output)
			}
			return validateFleet(s, fleets.NewReader(args[0]), commit, output)
		},
	}
	command.Flags().StringVar(&commit, "commit", "", "a commit, branch or tag instead of the directory's files")
	command.Flags().StringVarP(&output, "output", "o", "text", "text, json, github or gitlab")
	return command
}

func validateFleet(s streams, reader *fleets.Reader, commit, output string) error {
	fleet, findings, err := reader.ReadFleet(commit, nil)
	if err != nil {
		return err
	}
	if len(fleet.Hosts) == 0 && len(findings) == 0 {
		return errors.New(
			"there is no Host here, so this is no fleet: name its top directory; `ingot init` writes one " +
				"to start from")
	}
	switch output {
	case "text":
		failures := printFindings(s.Out, findings)
		if len(findings) == 0 {
			fmt.Fprintf(s.Out, "%s, no findings\n", countNoun(len(fleet.Hosts), "host"))
		} else {
			fmt.Fprintln(s.Err, summarizeFindings(failures, len(findings)-failures))
		}
	case "json":
		err = writeJSON(s, struct {
			Hosts    int               `json:"hosts"`
			Findings []schemas.Finding `json:"findings"`
		}{len(fleet.Hosts), append([]schemas.Finding{}, findings...)})
	case "github":
		for _, f := range findings {
			fmt.Fprintln(s.Out, annotate.FormatGitHub(f))
		}
	case "gitlab":
		var body []byte
		if body, err = annotate.FormatGitLab(findings); err == nil {
			_, err = s.Out.Write(body)
		}
	default:
		return fmt.Errorf("there is no output %q: text, json, github or gitlab", output)
	}
	if err == nil && len(findings) > 0 {
		return exitError{code: exitFindings}
	}
	return err
}

// summarizeFindings says what errors and warnings mean for a commit.
func summarizeFindings(failures, warnings int) string {
	switch {
	case failures == 0:
		return countNoun(warnings, "warning") + ", no error: the commit can be used as it is"
	case warnings == 0:
		return countNoun(failures, "error") + ": the whole commit is refused and changes nothing"
	default:
		return fmt.Sprintf("%s and %s: the whole commit is refused and changes nothing",
			countNoun(failures, "error"), countNoun(warnings, "warning"))
	}
}

// countNoun gives "1 host", "2 hosts".
func countNoun(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func writeJSON(s streams, value any) error {
	encoder := json.NewEncoder(s.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
