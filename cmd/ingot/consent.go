package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

type consentOptions struct {
	repo, branch, selector, workload string
	takeover                         bool
	tags                             map[string]string
	rings                            map[string]inventory.Ring // of the fleet
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
	flags.StringVar(&o.branch, "status-branch", "", statusBranchUsage)
	flags.StringVarP(&o.selector, "selector", "l", "", "hosts with these labels (key=value,…) instead of names")
	flags.StringVar(&o.workload, "workload", "", "all hosts of this workload that need consent, instead of names")
	flags.StringToStringVar(&o.tags, "tag", nil,
		"NAME=REF: to what this tag, made or moved, would roll out; may be given several times")
	flags.BoolVar(&o.takeover, "takeover", false,
		"write spec.consent.takeover instead: the machine that the host's hold names may be taken over, and powered off")
	return command
}

func runConsent(s streams, o consentOptions, names []string) error {
	f := fleets.NewReader(o.repo)
	top, err := f.MoveToTop()
	if err != nil {
		return err
	}
	o.repo = top
	f.PrintPlace(s.Err)
	o.branch = f.StatusBranch(o.branch)
	known, err := f.ReadKnown(o.branch)
	if err != nil {
		return err
	}
	fleet, findings, err := f.ReadFleet("", o.tags)
	if err != nil {
		return err
	}
	if printFindings(s.Err, findings); schemas.Fatal(findings) {
		return errors.New("the fleet has errors: mend them first, see `ingot validate`")
	}
	if known.Commit == "" {
		fmt.Fprintf(s.Err, noStatusNote, o.branch)
	}
	fleet = known.ApplyRules(fleet)
	o.rings = fleet.Rings
	hosts, err := chooseHosts(fleet, o, names)
	if err = errors.Join(err, f.PrintNotes(s.Err, known, fleet)); err != nil {
		return err
	}
	is := known.ReadForHosts(fleet, hosts)
	index, takeovers := standing.New(fleet, is.Records), known.Takeovers
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
		var written bool
		if o.takeover {
			written, err = writeTakeover(s, o, host, takeovers[host.ID])
		} else {
			written, err = writeConsent(s, o, host, known)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", host.Name, err)
		}
		if !written && o.selector == "" && o.workload == "" {
			nothing = append(nothing, host.Name)
		}
	}
	if len(nothing) > 0 {
		troubles = append(troubles, fmt.Errorf("no consent was written for %s: it is said above why; "+
			"`ingot plan` shows what the fleet asks for", strings.Join(nothing, ", ")))
	}
	return errors.Join(troubles...)
}

// chooseHosts gives the hosts of the names, of the selector or of the workload, sorted by name.
func chooseHosts(fleet inventory.Fleet, o consentOptions, names []string) ([]inventory.Desired, error) {
	selector := o.selector
	ways := 0
	for _, used := range []bool{len(names) > 0, selector != "", o.workload != ""} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("name hosts, or select them with --selector or with --workload: one of the three")
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
		ofWorkload := o.workload != "" && host.Workload != nil && host.Workload.Name == o.workload
		if ofWorkload || selector != "" && scope.SelectsHost(string(id), host.Labels) {
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
	switch {
	case len(hosts) == 0 && o.workload != "":
		return nil, fmt.Errorf("no host has the workload %q", o.workload)
	case len(hosts) == 0:
		return nil, fmt.Errorf("no host has the labels %s", selector)
	}
	return hosts, nil
}

// writeTakeover writes the takeover that a host's hold prints into the host's file.
func writeTakeover(s streams, o consentOptions, host inventory.Desired, value string) (written bool, err error) {
	if value == "" {
		fmt.Fprintf(s.Out, "%s: %s holds it for no takeover: fetch the branch, see `ingot status %[1]s`\n", host.Name,
			o.branch)
		return false, nil
	}
	machine, _, _ := strings.Cut(value, "/")
	return true, writeField(s, o, host, field{"takeover", schemas.EraseConsents{value}, "the machine with serial " + machine +
		" may be taken over, and powered off although it was found running"})
}

// writeConsent writes a consent into a host's file, if a consent is needed and would help.
func writeConsent(s streams, o consentOptions, host inventory.Desired, known inventory.Observed) (written bool,
	err error) {
	asked := change.Decide(host, known.Standing, known.Record)
	if len(asked.Consents()) == 0 {
		fmt.Fprintf(s.Out, "%s: %s%s\n", host.Name, fleets.ExplainUnneeded(asked), fleets.HintTag(host, o.rings[host.Ring]))
		return false, nil
	}
	var named []string
	for _, disk := range asked.Disks() {
		if disk.Needed != "" {
			named = append(named, fmt.Sprintf("disk %s (%s)", disk.ID.Label(), disk.Summary))
		}
	}
	why := "workload " + host.Workload.Name
	if host.Retires {
		why = "spec.retire"
	}
	return true, writeField(s, o, host, field{"erase", asked.Consents(), strings.Join(named, ", ") + " may be erased for " + why})
}

// field is a value of spec.consent, and what it permits.
type field struct {
	name   string
	values schemas.EraseConsents
	what   string
}

func writeField(s streams, o consentOptions, host inventory.Desired, f field) error {
	file := filepath.Join(o.repo, filepath.FromSlash(host.File))
	if err := fleets.EditHost(file, host.Name, []string{"spec", "consent", f.name}, f.values); err != nil {
		return fmt.Errorf("%w: write spec.consent.%s: %s yourself", err, f.name, f.values)
	}
	fmt.Fprintf(s.Out, "%s: %s: spec.consent.%s: %s in %s\n", host.Name, f.what, f.name, f.values, host.File)
	return nil
}
