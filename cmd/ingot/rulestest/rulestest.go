// Package rulestest has the verb `ingot rules test`: what a fleet's Rules make of recorded machines, offline. Call
// NewCommand.
package rulestest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/arrivals"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/ruleset"
	"github.com/gitmetal/ingot/schemas"
)

// ErrNotProposed says that a machine is not proposed, or that the rules have findings. Everything was printed.
var ErrNotProposed = errors.New("not every machine is proposed")

// maxInventory is the largest inventory that is read, in bytes.
const maxInventory = 8 << 20

// test is one call of the verb.
type test struct {
	out, talk io.Writer
	key       string
	labels    map[string]string
	address   string
	trunk     proposal.Trunk
	set       *ruleset.Set
}

// NewCommand makes the command `rules` with its verb.
func NewCommand(out, talk io.Writer) *cobra.Command {
	t := test{out: out, talk: talk}
	command := &cobra.Command{
		Use:   "test RULES INVENTORY...",
		Short: "Say what rules make of recorded machines, without any connection",
		Long: "RULES is a file of Rules, or the directory of a fleet or of its rules. An INVENTORY is what\n" +
			"`ingot discovered get` prints, as JSON or YAML. The verb says which rules hold and what they set,\n" +
			"which do not and why, and prints the Host file that would be proposed.\n" +
			"Exit code 0: every machine is proposed; 1: not read; 2: a machine is not proposed, or there are findings.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return t.run(c.Context(), args[0], args[1:]) },
	}
	flags := command.Flags()
	flags.StringVar(&t.key, "key", "", "the enrolment key that the machines registered with; the fleet says its labels")
	flags.StringToStringVar(&t.labels, "label", nil, "a label of the enrolment key: key=value")
	flags.StringVar(&t.address, "bmc", "10.0.0.1", "the address of the BMC, where the inventory has none")
	parent := &cobra.Command{Use: "rules", Short: "Try the Rules of a fleet"}
	parent.AddCommand(command)
	return parent
}

func (t *test) run(_ context.Context, rules string, inventories []string) error {
	fatal, err := t.readRules(rules)
	if err != nil {
		return err
	}
	proposed := !fatal
	for _, file := range inventories {
		record, err := t.readRecord(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if fatal {
			continue
		}
		good, err := t.testRecord(file, record)
		if err != nil {
			return err
		}
		proposed = proposed && good
	}
	if !proposed {
		return ErrNotProposed
	}
	return nil
}

// readRules reads the rules, and prints the findings.
func (t *test) readRules(path string) (fatal bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	snapshot := inventory.Snapshot{Commit: strings.Repeat("0", 40), Files: map[string]inventory.File{}}
	if info.IsDir() {
		if snapshot, err = fleets.NewReader(path).ReadTree(""); err != nil {
			return false, err
		}
	} else {
		data, err := readFile(path)
		if err != nil {
			return false, err
		}
		snapshot.Files[filepath.Base(path)] = inventory.File{Blob: inventory.Digest(string(data)), Data: data}
	}
	fleet, findings, cache := load.FleetWithCache(load.Cache{}, inventory.Sources{Trunk: snapshot}, nil)
	t.trunk = proposal.Trunk{Snapshot: snapshot, Fleet: fleet, Cache: cache, Partial: len(fleet.Hosts)+len(fleet.Workloads) == 0}
	for _, f := range findings {
		if t.trunk.Partial && f.Field == "spec.credentials.secret" {
			continue // the Secret is in the rest of the fleet
		}
		fmt.Fprintln(t.out, f)
		fatal = fatal || f.Severity == schemas.Error
	}
	if len(fleet.Rules) == 0 {
		fmt.Fprintf(t.talk, "ingot: there is no Rule in %s\n", path)
	}
	t.set, _ = ruleset.Compile(fleet.Rules, fleet.Secrets)
	if d := fleet.Settings.Discovery; d != nil {
		for _, key := range d.Keys {
			if key.ID == t.key && t.labels == nil {
				t.labels = key.Labels
			}
		}
	}
	return fatal, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxInventory+1))
	if err == nil && len(data) > maxInventory {
		err = fmt.Errorf("%s has more than %d bytes", path, maxInventory)
	}
	return data, err
}

// readRecord reads an inventory: the facts of an agent, or a whole record.
func (t *test) readRecord(file string) (discovery.Record, error) {
	data, err := readFile(file)
	if err != nil {
		return discovery.Record{}, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		if data, err = yaml.YAMLToJSON(data); err != nil {
			return discovery.Record{}, fmt.Errorf("an inventory is JSON or YAML: %w", err)
		}
	}
	var shape struct {
		Facts  json.RawMessage `json:"facts"`
		System json.RawMessage `json:"system"`
	}
	switch err := json.Unmarshal(data, &shape); {
	case err != nil:
		return discovery.Record{}, fmt.Errorf("an inventory is JSON or YAML: %w", err)
	case shape.Facts != nil:
		var record discovery.Record
		err := format.Unmarshal(data, &record)
		return record, err
	case shape.System == nil:
		return discovery.Record{}, errors.New("this is no inventory: `ingot discovered get RECORD` prints one")
	}
	var facts inventory.Facts
	if err := format.Unmarshal(data, &facts); err != nil {
		return discovery.Record{}, err
	}
	r := discovery.Registration{At: facts.At, Key: t.key, Facts: facts, Addresses: []string{t.address}}
	return discovery.New(discovery.ID(inventory.Digest(string(data))[:12]), r, discovery.Match{}), nil // no random id
}

// testRecord prints what the rules make of a machine.
func (t *test) testRecord(file string, r discovery.Record) (proposed bool, err error) {
	m := ruleset.Machine{ID: r.ID.Machine(), Facts: r.Facts, Labels: t.labels, Key: r.Key}
	m.Delivery, m.Expected = arrivals.FindExpected(t.trunk.Fleet.Deliveries, r.Identity, time.Now())
	v := t.set.Decide(m)
	p, err := proposal.Render(proposal.Input{Record: r, Verdict: v}, t.trunk)
	if err != nil {
		return false, err
	}
	switch {
	case len(v.Refused) > 0:
		fmt.Fprintf(t.out, "%s: refused\n", file)
	case !v.Proposes():
		fmt.Fprintf(t.out, "%s: not proposed\n", file)
	default:
		fmt.Fprintf(t.out, "%s: %s\n", file, p.Path)
	}
	for _, d := range v.Decisions {
		t.printDecision(d)
	}
	for _, text := range v.Refused {
		fmt.Fprintln(t.out, "  refused by "+text)
	}
	for _, text := range append(v.Problems, v.Notes...) {
		fmt.Fprintln(t.out, "  "+text)
	}
	for _, f := range v.Findings {
		fmt.Fprintln(t.out, f)
	}
	if !v.Proposes() {
		return false, nil
	}
	if v.Credentials != nil && v.Credentials.Create {
		fmt.Fprintln(t.out, "  a BMC account is asked for, by "+v.From["credentials"])
	}
	if v.Accept != "" {
		fmt.Fprintln(t.out, "  the proposal is to be merged without a person, by rule "+v.Accept)
	}
	fmt.Fprintln(t.out)
	_, err = t.out.Write(p.Files[p.Path])
	return true, err
}

func (t *test) printDecision(d ruleset.Decision) {
	text := fmt.Sprintf("  %s (priority %d)", d.Rule, d.Priority)
	switch {
	case !d.Holds:
		text += " does not hold: " + d.Why
	case len(d.Sets) > 0:
		text += " holds, and sets " + strings.Join(d.Sets, ", ")
	default:
		text += " holds"
	}
	if len(d.Lost) > 0 {
		text += "; not " + strings.Join(d.Lost, ", ")
	}
	fmt.Fprintln(t.out, text)
}
