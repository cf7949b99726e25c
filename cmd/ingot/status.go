package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/terminal"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// statusOptions are the flags of ingot status.
type statusOptions struct {
	config, repo, branch, output, until string
	phase, cause                        string // the only hosts to show
	watch                               bool
	timeout                             time.Duration
}

// lists reports whether only some hosts are to be listed.
func (o statusOptions) lists() bool { return o.phase != "" || o.cause != "" }

func newStatus(s streams) *cobra.Command {
	var o statusOptions
	command := &cobra.Command{
		Use:   "status [HOST]",
		Short: "Show the fleet, or a host: from the daemon, or from the status branch in a clone",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			host := ""
			if len(args) == 1 {
				host = args[0]
			}
			if o.until != "" && (!o.watch || !slices.Contains(plan.Phases, plan.Phase(o.until))) {
				return fmt.Errorf("--until %s waits for nothing: it goes with --watch and names one of the phases %v",
					o.until, plan.Phases)
			}
			if o.lists() && (o.watch || host != "") {
				return errors.New("--phase and --cause list hosts: they go without HOST and --watch")
			}
			if o.phase != "" && !slices.Contains(plan.Phases, plan.Phase(o.phase)) {
				return fmt.Errorf("there is no phase %q: --phase names one of %v", o.phase, plan.Phases)
			}
			ctx := c.Context()
			if o.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, o.timeout)
				defer cancel()
			}
			if o.watch {
				return watchEvents(ctx, s, o, host)
			}
			return showStatus(ctx, s, o, host)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.config, "config", "", "the daemon's configuration: ask the daemon")
	flags.StringVar(&o.repo, "repo", ".", "without --config: a clone of the fleet")
	flags.StringVar(&o.branch, "status-branch", "", statusBranchUsage)
	flags.StringVarP(&o.output, "output", "o", "table", "table, json or yaml")
	flags.StringVar(&o.phase, "phase", "", "list the hosts in this phase, such as Held")
	flags.StringVar(&o.cause, "cause", "", "list the hosts with this cause, such as BMCUnreachable")
	flags.BoolVar(&o.watch, "watch", false, "follow what happens (needs --config)")
	flags.StringVar(&o.until, "until", "", "with --watch: end when every host shown is in this phase")
	flags.DurationVar(&o.timeout, "timeout", 0, "give up after this time")
	return command
}

func showStatus(ctx context.Context, s streams, o statusOptions, host string) error {
	view, err := currentView(ctx, o)
	if err != nil {
		return err
	}
	if host != "" {
		view.Hosts = selectMeant(view.Hosts, host)
		if len(view.Hosts) == 0 {
			return noStatusError(host)
		}
	}
	if o.lists() {
		view.Hosts = slices.DeleteFunc(view.Hosts, func(h daemon.HostView) bool {
			return o.phase != "" && h.Phase != plan.Phase(o.phase) ||
				o.cause != "" && string(h.FindCause()) != o.cause && string(h.UnreachedCause()) != o.cause
		})
	}
	if err := printView(s, o, view, host); err != nil {
		return err
	}
	for _, h := range view.Hosts {
		if o.config == "" && !h.Pushed {
			return errors.New("this is incomplete: status pages cannot be read, see above")
		}
	}
	return nil
}

func noStatusError(host string) error {
	return fmt.Errorf("there is no status of host %q: is it in the fleet, and was its commit accepted?", host)
}

// selectMeant gives the hosts meant by a word. A name that a new host of the fleet has does not mean an orphan any
// more.
func selectMeant(hosts []daemon.HostView, word string) []daemon.HostView {
	hosts = slices.DeleteFunc(hosts,
		func(h daemon.HostView) bool { return !daemon.MeansHost(word, h.Metadata.Name, h.Metadata.Host()) })
	if named := slices.DeleteFunc(slices.Clone(hosts),
		func(h daemon.HostView) bool { return h.Phase == plan.Orphaned }); len(named) > 0 {
		return named
	}
	return hosts
}

func printView(s streams, o statusOptions, view daemon.View, host string) error {
	switch o.output {
	case "json":
		encoder := json.NewEncoder(s.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(view)
	case "yaml":
		body, err := yaml.Marshal(view)
		if err != nil {
			return err
		}
		_, err = s.Out.Write(body)
		return err
	case "table":
		switch {
		case host != "":
			return terminal.WriteHost(s.Out, view)
		case o.lists():
			return terminal.WriteList(s.Out, view)
		}
		return terminal.WriteTable(s.Out, view)
	default:
		return fmt.Errorf("there is no output %q: table, json or yaml", o.output)
	}
}

// currentView asks the daemon, or reads the status branch.
func currentView(ctx context.Context, o statusOptions) (daemon.View, error) {
	if o.config != "" {
		settings, err := config.LoadFile(o.config)
		if err != nil {
			return daemon.View{}, err
		}
		return daemon.Connect(settings.Listen.Socket).ReadView(ctx)
	}
	clone, err := gitrepo.OpenClone(o.repo)
	if err != nil {
		return daemon.View{}, err
	}
	o.branch = cmp.Or(o.branch, gitrepo.StatusBranch(clone.FindPath(o.repo)))
	branch, err := clone.OpenStatus(o.branch)
	if err != nil {
		return daemon.View{}, err
	}
	if branch.Commit == "" {
		return daemon.View{}, fmt.Errorf("this clone has no branch %[1]s: "+
			"git fetch origin %[1]s:refs/remotes/origin/%[1]s, name another with --status-branch, "+
			"or ask the daemon with --config", o.branch)
	}
	return viewFromBranch(branch)
}

// viewFromBranch gives the view in a status branch. An unreadable page is the trouble of its host.
func viewFromBranch(branch gitrepo.Status) (daemon.View, error) {
	view := daemon.View{Hosts: []daemon.HostView{}}
	for _, file := range branch.ListFiles() {
		if !status.IsHost(file) {
			continue
		}
		h := daemon.HostView{Pushed: true}
		var err error
		if h.Document, err = fleets.ReadPage(branch, file); err != nil {
			h = daemon.HostView{Trouble: err.Error() + ": " + fleets.MendHint}
			h.Metadata.Name = string(status.IDOf(file))
		}
		view.Hosts = append(view.Hosts, h)
	}
	slices.SortFunc(view.Hosts,
		func(a, b daemon.HostView) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	page, err := branch.ReadPage(status.FleetPath)
	if err != nil || page == nil { // no commit was accepted yet
		return view, err
	}
	fleet, err := status.ParseFleet(page)
	if err != nil {
		return daemon.View{}, fmt.Errorf("%s on the status branch: %w: %s", status.FleetPath, err, fleets.MendHint)
	}
	view.Commit, view.Title, view.Refused, view.Findings = fleet.Commit, fleet.Title, fleet.Refused, fleet.Findings
	view.Daemon = fleet.Daemon
	view.Frozen, view.Paused, view.Rings, view.Runs, view.Commits, view.Acts = fleet.Frozen, fleet.Paused, fleet.Rings, fleet.Runs,
		fleet.Commits, fleet.Acts
	return view, nil
}

// watchEvents prints events, one a line; on a terminal a running write is a moving line. As JSON a line is a
// daemon.Event.
func watchEvents(ctx context.Context, s streams, o statusOptions, host string) error {
	if o.config == "" {
		return fmt.Errorf("--watch follows a daemon: name its configuration with --config")
	}
	settings, err := config.LoadFile(o.config)
	if err != nil {
		return err
	}
	events := daemon.Connect(settings.Listen.Socket).FollowEvents
	switch o.output {
	case "json":
		stream, w := json.NewEncoder(s.Out), terminal.NewWatcher(io.Discard, false, host, o.until)
		return events(ctx, func(e daemon.Event) bool {
			if e.Fleet != nil || host == "" || w.IsShown(e) {
				err = stream.Encode(e)
			}
			return w.ShowEvent(e) || err != nil
		})
	case "table":
		moves := false
		if file, ok := s.Out.(*os.File); ok {
			moves = term.IsTerminal(int(file.Fd()))
		}
		w := terminal.NewWatcher(s.Out, moves, host, o.until)
		defer w.EndLine()
		return events(ctx, w.ShowEvent)
	default:
		return fmt.Errorf("there is no output %q with --watch: table or json", o.output)
	}
}
