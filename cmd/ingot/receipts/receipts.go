// Package receipts is `ingot receipts`: which disks were erased and read back, and which an erase left in doubt, as the
// status branch of a clone says. NewCommand makes the verb.
package receipts

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/terminal"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	files "github.com/gitmetal/ingot/reconcile/receipts"
	"github.com/gitmetal/ingot/reconcile/status"
)

// options are the flags.
type options struct{ repo, branch, output string }

// NewCommand is the verb; out is for data, talk for people.
func NewCommand(out, talk io.Writer) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "receipts [HOST]",
		Short: "Show which disks were erased and read back",
		Long: "Lists the receipts of erased disks on the status branch in a clone, the newest first: disk, method,\n" +
			"end, operation and commit; -o yaml and -o json have all of a receipt. A disk whose newest erase\n" +
			"failed, or was not verified, is listed as not erased.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			listed, troubles, err := read(o, strings.Join(args, ""))
			if err != nil {
				return err
			}
			if err := print(out, o.output, listed); err != nil {
				return err
			}
			for _, trouble := range troubles {
				fmt.Fprintln(talk, "ingot:", terminal.Printable(trouble))
			}
			if len(troubles) > 0 {
				return errors.New("this is incomplete: files of the status branch cannot be read, see above")
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "a clone of the fleet")
	flags.StringVar(&o.branch, "status-branch", "", "the branch with the status, as fetched; default: ingot/status, with the fleet's path")
	flags.StringVarP(&o.output, "output", "o", "table", "table, yaml or json")
	return command
}

// list is what the branch says.
type list struct {
	Receipts  []receipt      `json:"receipts"`
	NotErased []files.Failed `json:"notErased"`
}

// receipt is a receipt with its disk.
type receipt struct {
	Machine inventory.MachineID `json:"machine"`
	Disk    string              `json:"disk"`
	files.Receipt
}

// read gives what the status branch of a clone says of a host, or of all; troubles are the files that cannot be read.
func read(o options, host string) (listed list, troubles []string, err error) {
	clone, err := gitrepo.OpenClone(o.repo)
	if err != nil {
		return list{}, nil, err
	}
	defer func() { err = errors.Join(err, clone.Close()) }()
	o.branch = cmp.Or(o.branch, gitrepo.StatusBranch(clone.FindPath(o.repo)))
	branch, err := clone.OpenStatus(o.branch)
	if err != nil {
		return list{}, nil, err
	}
	if branch.Commit == "" {
		return list{}, nil, fmt.Errorf("this clone has no branch %[1]s: git fetch origin %[1]s:refs/remotes/origin/%[1]s", o.branch)
	}
	listed, names, troubles := readPages(branch, host)
	for _, file := range branch.ListFiles() {
		if !files.IsFile(file) || !means(host, names[files.MachineOf(file)], files.MachineOf(file)) {
			continue
		}
		disk, err := readFile(branch, file)
		if err != nil {
			troubles = append(troubles, fmt.Sprintf("%s: %v: %s", file, err, fleets.MendHint))
			continue
		}
		for _, erase := range disk.Erases {
			listed.Receipts = append(listed.Receipts, receipt{disk.Machine, disk.Disk, erase})
		}
	}
	slices.SortStableFunc(listed.Receipts, func(a, b receipt) int {
		return cmp.Or(b.Ended.Compare(a.Ended), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Disk, b.Disk))
	})
	return listed, troubles, nil
}

// readPages gives the disks that are not erased, and the names of the machines.
func readPages(branch gitrepo.Status, host string) (listed list, names map[inventory.MachineID]string, troubles []string) {
	listed, names = list{Receipts: []receipt{}, NotErased: []files.Failed{}}, map[inventory.MachineID]string{}
	for _, file := range branch.ListFiles() {
		if !status.IsHost(file) {
			continue
		}
		page, err := fleets.ReadPage(branch, file)
		if err != nil {
			troubles = append(troubles, fmt.Sprintf("%s: %v: %s", status.IDOf(file), err, fleets.MendHint))
			continue
		}
		names[page.Metadata.Host()] = page.Metadata.Name
		if means(host, page.Metadata.Name, page.Metadata.Host()) {
			listed.NotErased = append(listed.NotErased, files.FindFailed(page)...)
		}
	}
	return listed, names, troubles
}

func readFile(branch gitrepo.Status, file string) (files.File, error) {
	content, err := branch.ReadPage(file)
	if err != nil {
		return files.File{}, err
	}
	return files.Decode(file, content)
}

// means reports whether a word on the command line means a machine; a machine without a page is named by its id.
func means(word, name string, id inventory.MachineID) bool {
	return word == "" || daemon.MeansHost(word, cmp.Or(name, string(id)), id)
}

func print(out io.Writer, form string, listed list) error {
	switch form {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(listed)
	case "yaml":
		body, err := yaml.Marshal(listed)
		if err != nil {
			return err
		}
		_, err = out.Write(body)
		return err
	case "table":
		return printTable(out, listed)
	default:
		return fmt.Errorf("there is no output %q: table, yaml or json", form)
	}
}

func printTable(out io.Writer, listed list) error {
	if len(listed.Receipts)+len(listed.NotErased) == 0 {
		fmt.Fprintln(out, "No disk was erased.")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tDISK\tERASED\tPOLICY\tMETHOD\tOPERATION\tCOMMIT")
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = terminal.Printable(cells[i])
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	for _, d := range listed.NotErased {
		row(d.Host, d.Disk, "not erased", "-", "-", d.Operation, short(d.Commit))
	}
	for _, r := range listed.Receipts {
		row(r.Host, r.Disk, r.Ended.UTC().Format(time.RFC3339), r.Policy, r.Method, r.Operation, short(r.Commit))
	}
	err := table.Flush()
	for _, d := range listed.NotErased {
		fmt.Fprintln(out, "\n"+terminal.Printable(fmt.Sprintf("%s: disk %s is not erased: %s", d.Host, d.Disk, d.Why)))
	}
	return err
}

func short(commit string) string { return commit[:min(len(commit), 10)] }
