package main

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

type planOptions struct {
	repo, branch, base, head, output string
	tags                             map[string]string
}

func newPlan(s streams) *cobra.Command {
	var o planOptions
	command := &cobra.Command{
		Use:   "plan",
		Short: "Say what a change of the fleet would do to every machine",
		Long: "Compares two commits of a clone, with the machines as the clone's status branch knows them.\n" +
			"Nothing is connected to, and nothing is decrypted.\n" +
			"Exit code 0: nothing changes; 1: no plan, or no plan for a host; 2: changes of machines or rules;\n" +
			"3: a disk would be erased without consent.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runPlan(s, o) },
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "a clone of the fleet")
	flags.StringVar(&o.branch, "status-branch", "", statusBranchUsage)
	flags.StringVar(&o.base, "base", "origin/main", "what is merged: a commit, branch or tag; none: nothing yet")
	flags.StringVar(&o.head, "head", "", "what would be merged; default: the clone's files as they are")
	flags.StringVarP(&o.output, "output", "o", "text", "text, markdown or json")
	flags.StringToStringVar(&o.tags, "tag", nil,
		"NAME=REF: what this tag, made or moved, would roll out; may be given several times")
	return command
}

// statusBranchUsage is the help of --status-branch.
const statusBranchUsage = "the status branch in that clone; default ingot/status, or ingot/DIRECTORY/status for a fleet in " +
	"a directory"

func runPlan(s streams, o planOptions) error {
	debug.SetGCPercent(400) // the process ends soon: collecting the garbage of 10,000 hosts takes a quarter of the time
	f := fleets.NewReader(o.repo)
	o.branch = f.StatusBranch(o.branch)
	known, err := f.ReadKnown(o.branch)
	if err != nil {
		return err
	}
	if known.Commit == "" {
		fmt.Fprintf(s.Err, noStatusNote, o.branch)
	}
	base, behind, err := baseFleet(s, f, o)
	if err != nil {
		return err
	}
	if o.head == "" && len(o.tags) > 0 && o.base != noBase {
		o.head = o.base // tagging changes no file
	}
	head, err := headFleet(s, f, o)
	if err != nil {
		return err
	}
	if len(head.Hosts) == 0 && len(base.Hosts) > 0 {
		return fmt.Errorf("the head holds no hosts, the base has %d: merged, it would be refused; "+
			"keep hosts that shall be left alone, with lifecycle: Unmanaged", len(base.Hosts))
	}
	base, head = known.ApplyRules(base), known.ApplyRules(head)
	is, err := f.ReadForReview(known, base, head)
	if err != nil {
		return err
	}
	is.Now = time.Now()
	r := review.Compare(base, head, is)
	r.PlanTags(o.tags)
	r.Status, r.Configs = known.Commit, fleets.CompareConfigs(base, head, r)
	if len(o.tags) > 0 {
		notes, err := f.CheckTags(head, cmp.Or(o.head, "HEAD"), o.tags)
		if err != nil {
			return err
		}
		r.Notes = append(r.Notes, notes...)
	}
	notes, err := f.ExplainStatus(known, head)
	if err != nil {
		return err
	}
	if behind != "" {
		notes = append(notes, behind)
	}
	r.Notes = append(r.Notes, notes...)
	if err := printReview(s, r, o.output); err != nil {
		return err
	}
	return concludePlan(s, r, o)
}

// headFleet reads the head, and prints its findings.
func headFleet(s streams, f *fleets.Reader, o planOptions) (inventory.Fleet, error) {
	if o.head == "" {
		if _, err := f.MoveToTop(); err != nil {
			return inventory.Fleet{}, err
		}
	}
	f.PrintPlace(s.Err)
	head, findings, err := f.ReadFleet(o.head, o.tags)
	if err != nil {
		return inventory.Fleet{}, err
	}
	if printFindings(s.Err, findings); schemas.Fatal(findings) {
		return inventory.Fleet{}, errors.New("the head has errors: merged, it would be refused and change nothing")
	}
	return head, nil
}

// concludePlan gives the exit code of a plan, and prints notes for tags that are not there yet.
func concludePlan(s streams, r review.Review, o planOptions) error {
	for _, u := range r.UnsignedTags() {
		if revision, coming := o.tags[u.Tag]; coming && len(u.Commands) > 0 {
			fmt.Fprintf(s.Err, "note: until the tag is there, sign it with: git tag -s -m %[1]s %[1]s %[2]s && git "+
				"push origin %[1]s\n", u.Tag, revision)
		}
	}
	switch {
	case r.IsIncomplete(): // first: a job that lets held changes pass must not let an incomplete plan pass
		return errors.New(
			"the plan is incomplete: status pages of hosts that this changes cannot be read, see UNKNOWN " +
				"above")
	case r.IsBlocked():
		return exitError{code: exitErases}
	case r.TouchesMachine(), len(r.Rules) > 0:
		return exitError{code: exitFindings}
	default:
		return nil
	}
}

// noBase is the base of a fleet's first commit.
const noBase = "none"

// baseFleet reads the base, and notes where head is behind it. A base with errors was never accepted and counts as
// empty.
func baseFleet(s streams, f *fleets.Reader, o planOptions) (base inventory.Fleet, note string, err error) {
	if o.base == noBase {
		return inventory.Fleet{Commit: noBase}, "", nil
	}
	revision := o.base
	if len(o.tags) == 0 || o.head != "" { // tagging changes no file
		if revision, note, err = f.FindBase(o.base, o.head); err != nil {
			return inventory.Fleet{}, "", err
		}
	}
	base, findings, err := f.ReadFleet(revision, nil)
	if none := (gitrepo.NoFleet{}); errors.As(err, &none) {
		fmt.Fprintf(s.Err, "note: the base %s has no directory %s, so the plan shows all that the head asks for\n", o.base,
			none.Path)
		return inventory.Fleet{Commit: none.Commit}, note, nil
	}
	if err != nil {
		return inventory.Fleet{}, "", err
	}
	if schemas.Fatal(findings) {
		fmt.Fprintf(s.Err, "note: the base %s has errors, so the plan shows all that the head asks for\n", o.base)
		return inventory.Fleet{Commit: base.Commit}, note, nil
	}
	return base, note, nil
}

func printReview(s streams, r review.Review, output string) error {
	switch output {
	case "text":
		fmt.Fprint(s.Out, r.RenderText())
	case "markdown":
		fmt.Fprint(s.Out, r.RenderMarkdown())
	case "json":
		body, err := r.EncodeJSON()
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%s\n", body)
	default:
		return fmt.Errorf("there is no output %q: text, markdown or json", output)
	}
	return nil
}
