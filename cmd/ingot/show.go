package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

type showOptions struct {
	repo, commit, output string
	resolved             bool
}

func newShow(s streams) *cobra.Command {
	var o showOptions
	command := &cobra.Command{
		Use:   "show HOST",
		Short: "Show what the fleet says of a host",
		Long: "Shows the host's own document. With --resolved: the values of the host together with its Workload,\n" +
			"and the file and line of every value.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runShow(s, o, args[0]) },
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "the fleet's directory, or a clone")
	flags.StringVar(&o.commit, "commit", "", "a commit, branch or tag instead of the directory's files")
	flags.BoolVar(&o.resolved, "resolved", false, "with everything that the host is given by others")
	flags.StringVarP(&o.output, "output", "o", "yaml", "yaml or json (with --resolved)")
	return command
}

func runShow(s streams, o showOptions, name string) error {
	fleet, host, err := findHost(s, o, name)
	if err != nil {
		return err
	}
	if !o.resolved {
		return showDocument(s, o, host)
	}
	view := resolveHost(host, fleet.Rings[host.Ring].Tag)
	if o.output == "json" {
		return writeJSON(s, view)
	}
	body, err := yaml.Marshal(view)
	if err != nil {
		return err
	}
	_, err = s.Out.Write(body)
	return err
}

// findHost reads a fleet without fatal findings, and the host of this name.
func findHost(s streams, o showOptions, name string) (inventory.Fleet, inventory.Desired, error) {
	fleet, findings, err := fleets.NewReaderAround(o.repo).ReadFleet(o.commit, nil)
	if err != nil {
		return fleet, inventory.Desired{}, err
	}
	if printFindings(s.Err, findings); schemas.Fatal(findings) {
		return fleet, inventory.Desired{}, errors.New("the fleet has errors: mend them first, see `ingot validate`")
	}
	host, ok := fleet.Find(name)
	switch {
	case !ok && len(fleet.Hosts) == 0:
		err = fmt.Errorf("there are no hosts in %s: is it a fleet? Name its directory with --repo",
			cmp.Or(o.commit, o.repo))
	case !ok:
		err = fmt.Errorf("there is no host %q in this fleet: a host is called by its metadata.name, not by its file",
			name)
	}
	return fleet, host, err
}

// showDocument prints the host's document as written.
func showDocument(s streams, o showOptions, host inventory.Desired) error {
	snapshot, err := fleets.NewReaderAround(o.repo).ReadTree(o.commit)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(snapshot.Files[host.File].Data), "\n")
	end := len(lines)
	for at := host.Line; at < len(lines); at++ {
		if strings.HasPrefix(lines[at], "---") {
			end = at
			break
		}
	}
	fmt.Fprintf(s.Out, "# %s:%d\n%s", host.File, host.Line, strings.Join(lines[max(host.Line-1, 0):end], ""))
	return nil
}

// resolvedHost is a host's resolved values, and where the values come from.
type resolvedHost struct {
	Name      string                         `json:"name"`
	ID        inventory.MachineID            `json:"id,omitempty"` // if different from the name
	Commit    string                         `json:"commit"`
	Labels    map[string]string              `json:"labels,omitempty"`
	Ring      string                         `json:"ring,omitempty"`
	Release   string                         `json:"release,omitempty"` // commit of the workload, if not the trunk's
	Pending   string                         `json:"pending,omitempty"`
	Lifecycle string                         `json:"lifecycle"`
	Power     string                         `json:"power,omitempty"`
	OffBy     []string                       `json:"offBy,omitempty"`
	Retires   bool                           `json:"retires,omitempty"`
	Protect   bool                           `json:"protect"`
	BMC       *schemas.BMC                   `json:"bmc,omitempty"`
	Identity  schemas.Identity               `json:"identity"`
	Boot      schemas.Boot                   `json:"boot"`
	RootDisk  *schemas.DiskHints             `json:"rootDisk,omitempty"`
	Disks     map[string][]schemas.NamedDisk `json:"disks,omitempty"`
	Network   *schemas.Networks              `json:"network,omitempty"`
	Consent   *schemas.Consent               `json:"consent,omitempty"`
	Workload  *resolvedWorkload              `json:"workload,omitempty"`
	From      map[string][]string            `json:"from"` // file:line, and the tag of its release: the values from there
}

type resolvedWorkload struct {
	Name            string            `json:"name"`
	Image           schemas.Image     `json:"image"`
	Butane          string            `json:"butane,omitempty"`
	Files           []string          `json:"files,omitempty"` // named in the Butane config
	Vars            map[string]string `json:"vars,omitempty"`  // used in the Butane config
	Secrets         []string          `json:"secrets,omitempty"`
	Ignition        string            `json:"ignition,omitempty"` // the newest specification that the image reads
	KernelArguments []string          `json:"kernelArguments,omitempty"`
	// Installer is what coreos-installer changes of the image besides.
	Installer *inventory.InstallerOptions `json:"installer,omitempty"`
	Steps     []review.Step               `json:"steps"`
	Settings  []review.Setting            `json:"settings,omitempty"`
	Update    string                      `json:"update"`
	PhoneHome string                      `json:"phoneHome"`
	// OtherDisks are the disks besides the root disk that the Butane config writes to; OtherDisksAllowed says whether
	// the config may write to them.
	OtherDisks        []inventory.OtherDisk `json:"otherDisks,omitempty"`
	OtherDisksAllowed bool                  `json:"otherDisksAllowed,omitempty"`
	Inputs            string                `json:"inputs"`
	Parts             map[string]string     `json:"parts"`
}

// resolveHost gives a host's resolved values; tag is the tag of its ring's release.
func resolveHost(h inventory.Desired, tag string) resolvedHost {
	own := fmt.Sprintf("%s:%d", h.File, h.Line)
	view := resolvedHost{
		Name: h.Name, Commit: h.Commit, Labels: h.Labels, Lifecycle: h.Lifecycle, Power: h.Power, OffBy: h.OffBy, Protect: h.Protect, Retires: h.Retires,
		BMC:      h.BMC,
		Identity: h.Identity, Boot: h.Boot, RootDisk: h.RootDisk, Disks: h.Disks, Network: h.Network,
		Ring: h.Ring, Pending: h.Pending,
		From: map[string][]string{own: {"bmc", "boot", "identity", "labels", "network", "protect", "rootDisk", "vars",
			"workload.name"}},
	}
	if h.Name != string(h.ID) {
		view.ID = h.ID
	}
	release := ""
	if tag != "" && h.Release != h.Commit {
		release = " in " + tag
	}
	if h.Release != h.Commit {
		view.Release = h.Release
		view.From[own] = slices.DeleteFunc(view.From[own],
			func(field string) bool { return field == "vars" || field == "workload.name" })
	}
	for _, field := range slices.Sorted(maps.Keys(h.Given)) {
		from := h.Given[field].String()
		if inventory.Runs(field) {
			from += release
		}
		view.From[from] = append(view.From[from], strings.TrimPrefix(field, "spec."))
	}
	if len(h.Consent.Erase) > 0 || h.Consent.Takeover != "" {
		view.Consent = &h.Consent
	}
	w := h.Workload
	if w == nil {
		return view
	}
	view.Workload = &resolvedWorkload{
		Name: w.Name, Image: w.Image, Ignition: w.Ignition, KernelArguments: w.KernelArguments, Update: w.Update, PhoneHome: w.PhoneHome,
		Inputs: w.Inputs, Parts: w.Parts,
		OtherDisks: w.OtherDisks, OtherDisksAllowed: w.OtherDisksAllowed,
	}
	if !w.Installer.IsZero() {
		view.Workload.Installer = &w.Installer
	}
	view.Workload.Steps, view.Workload.Settings = review.ListSteps(w.Steps), review.ListSettings(w.Settings)
	for _, ref := range w.Secrets {
		view.Workload.Secrets = append(view.Workload.Secrets, ref.Name+"."+ref.Key)
	}
	if w.Butane != nil {
		view.Workload.Butane, view.Workload.Vars = w.Butane.Path, w.Butane.Vars
		for file := range w.Butane.Files {
			view.Workload.Files = append(view.Workload.Files, file)
		}
		sort.Strings(view.Workload.Files)
	}
	view.From["Workload "+w.Name] = []string{"workload.butane", "workload.image", "workload.kernelArguments",
		"workload.phoneHome", "workload.steps", "workload.update"}
	return view
}
