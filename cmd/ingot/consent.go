package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

type consentOptions struct {
	repo, branch, selector string
	takeover               bool
	tags                   map[string]string
}

func newConsent(s streams) *cobra.Command {
	var o consentOptions
	command := &cobra.Command{
		Use:   "consent [HOST...]",
		Short: "Write into the hosts' files that what the fleet asks for may erase their disks",
		Long: "Writes spec.consent.erase into the hosts' files in the clone. A consent names the disk, its\n" +
			"content as the status branch knows it, and the system that replaces the content. It permits this\n" +
			"one operation and nothing else. Review and merge the change like any change.",
		RunE: func(_ *cobra.Command, args []string) error { return runConsent(s, o, args) },
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "a clone of the fleet")
	flags.StringVar(&o.branch, "status-branch", "ingot/status", "the status branch in that clone")
	flags.StringVarP(&o.selector, "selector", "l", "", "hosts with these labels (key=value,…) instead of names")
	flags.StringToStringVar(&o.tags, "tag", nil,
		"NAME=REF: to what this tag, made or moved, would roll out; may be given several times")
	flags.BoolVar(&o.takeover, "takeover", false,
		"write spec.consent.takeover instead: a machine that was found running may be powered off")
	return command
}

func runConsent(s streams, o consentOptions, names []string) error {
	f := fleets.NewReader(o.repo)
	top, err := f.MoveToTop()
	if err != nil {
		return err
	}
	o.repo = top
	fleet, findings, err := f.ReadFleet("", o.tags)
	if err != nil {
		return err
	}
	if printFindings(s.Err, findings); schemas.Fatal(findings) {
		return errors.New("the fleet has errors: mend them first, see `ingot validate`")
	}
	known, err := f.ReadKnown(o.branch)
	if err != nil {
		return err
	}
	if known.Commit == "" {
		fmt.Fprintf(s.Err, noStatusNote, o.branch)
	}
	fleet = known.ApplyRules(fleet)
	hosts, err := chooseHosts(fleet, o.selector, names)
	if err != nil {
		return err
	}
	is := known.ReadForHosts(fleet, hosts)
	index := standing.New(fleet, is.Records)
	var troubles []error
	var nothing []string
	for _, host := range hosts {
		if why := is.Unreadable[host.ID]; why != "" && !o.takeover {
			troubles = append(troubles, fmt.Errorf("%s: %s: no consent was written: "+fleets.MendHint, host.Name, why))
			continue
		}
		known := inventory.Observed{Record: is.Records[host.ID]}
		known.Record.ID = host.ID
		known.Standing = index.Of(host, known.Record, inventory.Observed{})
		written, err := writeConsent(s, o, host, known)
		if err != nil {
			return fmt.Errorf("%s: %w", host.Name, err)
		}
		if !written && o.selector == "" {
			nothing = append(nothing, host.Name)
		}
	}
	if len(nothing) > 0 {
		troubles = append(troubles,
			fmt.Errorf("no consent was written for %s: it is said above why; "+
				"`ingot plan` shows what the fleet asks for", strings.Join(nothing, ", ")))
	}
	return errors.Join(troubles...)
}

// chooseHosts gives the hosts of the names or of the selector, sorted by name.
func chooseHosts(fleet inventory.Fleet, selector string, names []string) ([]inventory.Desired, error) {
	if (selector == "") == (len(names) == 0) {
		return nil, errors.New("name hosts or select them with --selector: the one or the other")
	}
	scope := schemas.Scope{MatchLabels: map[string]string{}}
	for label := range strings.SplitSeq(selector, ",") {
		key, value, ok := strings.Cut(label, "=")
		if selector != "" && (!ok || key == "") {
			return nil, fmt.Errorf("the selector %q is not key=value,…", selector)
		}
		scope.MatchLabels[key] = value
	}
	for id, host := range fleet.Hosts {
		if selector != "" && scope.SelectsHost(string(id), host.Labels) {
			names = append(names, host.Name)
		}
	}
	slices.Sort(names)
	var hosts []inventory.Desired
	for _, name := range slices.Compact(names) {
		host, ok := fleet.Find(name)
		if !ok {
			return nil, fmt.Errorf("there is no host %q in this fleet", name)
		}
		hosts = append(hosts, host)
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("no host has the labels %s", selector)
	}
	return hosts, nil
}

// writeConsent writes a consent into a host's file, if a consent is needed and would help.
func writeConsent(s streams, o consentOptions, host inventory.Desired, known inventory.Observed) (written bool,
	err error) {
	field, value, what := "takeover", host.Identity.Serial, "the machine "+host.Identity.Serial+
		" may be powered off although it was found running"
	if o.takeover && value == "" {
		return false, errors.New("it has no spec.identity.serial, which --takeover names")
	}
	if !o.takeover {
		change := change.Decide(host, known.Standing, known.Record)
		if field, value = "erase", change.Needed; value == "" {
			fmt.Fprintf(s.Out, "%s: %s\n", host.Name, explainUnneeded(change))
			return false, nil
		}
		what = fmt.Sprintf("disk %s (%s) may be erased for workload %s", change.Disk.Label(), change.Summary,
			host.Workload.Name)
	}
	if err := editConsent(filepath.Join(o.repo, filepath.FromSlash(host.File)), host.Name, field, value); err != nil {
		return false, fmt.Errorf("%w: write spec.consent.%s: %q yourself", err, field, value)
	}
	fmt.Fprintf(s.Out, "%s: %s: spec.consent.%s: %q in %s\n", host.Name, what, field, value, host.File)
	return true, nil
}

func explainUnneeded(asked change.Change) string {
	switch {
	case asked.Hold != nil:
		return "no consent would help: " + asked.Hold.Message
	case asked.Verdict == change.Nothing:
		return "runs what the fleet asks for, nothing to consent to"
	default:
		return "needs no consent"
	}
}

// editConsent writes a field of spec.consent into the document of a host.
func editConsent(file, host, field, value string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	if problem != nil {
		return errors.New(problem.Message)
	}
	for _, document := range documents {
		if !isHost(document, host) {
			continue
		}
		edited, err := yamltext.SetValue(data, document, []string{"spec", "consent", field}, value)
		if err != nil {
			return err
		}
		if bytes.Equal(edited, data) {
			return nil
		}
		return replaceFile(file, edited, info.Mode().Perm())
	}
	return fmt.Errorf("%s does not describe it any more", file)
}

// replaceFile writes a new file and renames it over the old file, so that the file is never half written.
func replaceFile(file string, data []byte, mode os.FileMode) error {
	temporary := file + ".ingot-new"
	if err := os.WriteFile(temporary, data, mode); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

func isHost(document *yaml.Node, name string) bool {
	var head struct {
		Kind     string
		Metadata struct{ Name string }
	}
	return document.Decode(&head) == nil && head.Kind == "Host" && head.Metadata.Name == name
}
