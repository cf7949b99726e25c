package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// KindFleetStatus is the kind of the fleet's document.
const KindFleetStatus = "FleetStatus"

// Fleet is the document of the whole fleet.
type Fleet struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // FleetStatus
	// Path is the fleet's directory in the repository; "" for the whole repository.
	Path string `json:"path,omitempty"`
	// Commit is the accepted commit.
	Commit string `json:"commit"`
	Title  string `json:"title,omitempty"`
	// Refused is the newest commit, if refused; Findings say why.
	Refused  string   `json:"refused,omitempty"`
	Findings []string `json:"findings,omitempty"`
	// Frozen says why nothing is erased until an operator has looked, or "".
	Frozen string `json:"frozen,omitempty"`
	Paused string `json:"paused,omitempty"` // why no operation begins anywhere
	// Reinstall selects the hosts on which update: Reinstall stands for consent. The plan of a pull request needs it.
	Reinstall *schemas.Scope `json:"reinstall,omitempty"`
	// TwoSigners says that the daemon wants two signers for what erases. Of the tags that rings run it counted them.
	TwoSigners bool `json:"twoSigners,omitempty"`
	// Opener is whose Secrets the daemon opens. The plan of a pull request needs it.
	Opener *inventory.Opener `json:"opener,omitempty"`
	Hosts  map[string]int    `json:"hosts"` // by phase
	// Named maps names to ids, for the hosts with an id besides the name. The path of a page has the id.
	Named map[string]inventory.MachineID `json:"named,omitempty"`
	Rings []admit.Progress               `json:"rings,omitempty"`
	// Runs are the Workloads with spec.run, by name.
	Runs []RunProgress `json:"runs,omitempty"`
	// Proposals is how many discovered machines wait to be merged.
	Proposals int `json:"proposals,omitempty"`
	// Commits are the kept accepted commits, the newest first.
	Commits []Commit `json:"commits,omitempty"`
	// Acts are the kept acts of operators, the newest first.
	Acts []Act `json:"acts,omitempty"`
	// Daemon is the daemon that runs the fleet, since its first push.
	Daemon *Daemon `json:"daemon,omitempty"`
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`
}

// Daemon names a daemon that runs the fleet, by its life: one start. Push and PushID tell the life's own pushes from
// the pushes of a copy, such as a resumed snapshot of its virtual machine.
type Daemon struct {
	Host  string         `json:"host"` // name of the daemon's machine
	Life  inventory.Life `json:"life"`
	Since time.Time      `json:"since"` // of the life
	// Push counts the pushes of the life, with those that failed. PushID is random.
	Push   uint64 `json:"push"`
	PushID string `json:"pushID"`
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`
}

// Label says who runs the fleet, and since when: "ctl-1 since 2026-11-23T12:00:00Z (life 5)".
func (d Daemon) Label() string {
	return fmt.Sprintf("%s since %s (life %d)", cmp.Or(d.Host, "an unnamed machine"),
		d.Since.UTC().Format(time.RFC3339), d.Life.Number)
}

// Act is an act of an operator through the daemon.
type Act struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"` // the user
	What string    `json:"what"`
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`
}

// maxActs is how many acts are kept.
const maxActs = 10

// Do puts an act before the earlier acts.
func Do(earlier []Act, next Act) []Act {
	return append([]Act{next}, earlier[:min(len(earlier), maxActs-1)]...)
}

// Acts merges two lists of acts: each act once, the newest first.
func Acts(known, page []Act) []Act {
	all := slices.Clone(known)
	for _, act := range page {
		if !slices.ContainsFunc(known,
			func(k Act) bool { return k.At.Equal(act.At) && k.By == act.By && k.What == act.What }) {
			all = append(all, act)
		}
	}
	slices.SortStableFunc(all, func(a, b Act) int { return b.At.Compare(a.At) })
	return all[:min(len(all), maxActs)]
}

// Commit is an accepted commit.
type Commit struct {
	Commit string `json:"commit"`
	Title  string `json:"title,omitempty"`
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`
}

// maxCommits is how many accepted commits are kept.
const maxCommits = 10

// Accept puts a commit before those that were accepted earlier.
func Accept(earlier []Commit, next Commit) []Commit {
	if len(earlier) > 0 && earlier[0].Commit == next.Commit {
		return earlier
	}
	others := slices.DeleteFunc(slices.Clone(earlier), func(c Commit) bool { return c.Commit == next.Commit })
	return append([]Commit{next}, others[:min(len(others), maxCommits-1)]...)
}

// maxFindings is how many findings of a refused commit are written.
const maxFindings = 100

// NewFleet completes the document of the fleet with findings and the documents of the hosts. The caller gives commits
// and title.
func NewFleet(f Fleet, findings []schemas.Finding, hosts []Document) Fleet {
	f.APIVersion, f.Kind, f.Hosts, f.Named = schemas.APIVersion, KindFleetStatus, map[string]int{}, mapNames(hosts)
	for i, finding := range findings {
		if i == maxFindings {
			f.Findings = append(f.Findings, fmt.Sprintf("…and %d more", len(findings)-maxFindings))
			break
		}
		f.Findings = append(f.Findings, finding.String())
	}
	for _, d := range hosts {
		f.Hosts[string(d.Phase)]++
	}
	return f
}

// mapNames maps names to ids, for the hosts with an id of their own. A name that the fleet gave to a new host does
// not lead to an orphan any more.
func mapNames(hosts []Document) map[string]inventory.MachineID {
	ids := map[string]inventory.MachineID{}
	for _, d := range hosts {
		if _, taken := ids[d.Metadata.Name]; d.Metadata.ID != "" && (!taken || d.Phase != plan.Orphaned) {
			ids[d.Metadata.Name] = d.Metadata.ID
		}
	}
	for _, d := range hosts {
		if id := d.Metadata.ID; id == "" && d.Phase != plan.Orphaned {
			delete(ids, d.Metadata.Name) // its id is its name
		}
	}
	return ids
}

// Encode gives the document's bytes.
func (f Fleet) Encode() []byte { return encodeDocument(f) }

// ParseFleet reads the document of the fleet. Unknown members of the fleet, a commit or an act are kept. The error is
// format.ErrNewer if only a newer ingot may read the document.
func ParseFleet(data []byte) (Fleet, error) {
	if len(data) > MaxDocument {
		return Fleet{}, fmt.Errorf("status of the fleet has %d bytes, at most %d are read", len(data), MaxDocument)
	}
	var f Fleet
	if err := decodeDocument(data, &f); err != nil {
		return Fleet{}, fmt.Errorf("status of the fleet: %w", err)
	}
	if f.APIVersion != schemas.APIVersion || f.Kind != KindFleetStatus {
		return Fleet{}, fmt.Errorf("status of the fleet: %s %s is not a FleetStatus of %s", f.APIVersion, f.Kind,
			schemas.APIVersion)
	}
	return f, nil
}

// Deeds are the results of a commit: the names of the hosts that run an install from the commit, are being installed,
// failed, or wait for consent.
type Deeds struct {
	Commit
	Installed, Installing, Failed, Held []string
}

// CollectDeeds gives the results of each commit. A host counts for the commit of its install: the release of its
// ring.
func CollectDeeds(commits []Commit, hosts []Document) []Deeds {
	all := make([]Deeds, len(commits))
	byCommit := map[string]*Deeds{}
	for i, c := range commits {
		all[i].Commit = c
		byCommit[c.Commit] = &all[i]
	}
	of := func(commit string) *Deeds {
		if deeds := byCommit[commit]; deeds != nil {
			return deeds
		}
		return &Deeds{} // an older commit
	}
	for _, d := range slices.SortedFunc(slices.Values(hosts),
		func(a, b Document) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) }) {
		name := d.Metadata.Name
		if d.Hold != nil && len(d.Hold.Consent) > 0 {
			waits := of(d.Commit)
			waits.Held = append(waits.Held, name)
		}
		switch {
		case d.Operation != nil:
			begun := of(d.Operation.Commit)
			begun.Installing = append(begun.Installing, name)
		case d.Installed != nil:
			runs := of(d.Installed.Commit)
			runs.Installed = append(runs.Installed, name)
		case d.LastOperation != nil && d.LastOperation.Outcome == inventory.Quarantined:
			tried := of(d.LastOperation.Commit)
			tried.Failed = append(tried.Failed, name)
		}
	}
	return all
}
