package status

import (
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
	// Commit is the accepted commit.
	Commit string `json:"commit"`
	Title  string `json:"title,omitempty"`
	// Refused is the newest commit when it is not the accepted one, and Findings say why.
	Refused  string   `json:"refused,omitempty"`
	Findings []string `json:"findings,omitempty"`
	// Frozen says why nothing is erased until an operator has looked; "" when that is not so.
	Frozen string `json:"frozen,omitempty"`
	Paused string `json:"paused,omitempty"` // why no operation begins anywhere
	// Reinstall selects the hosts on which the daemon lets update: Reinstall stand for consent: the plan of a pull request must know.
	Reinstall *schemas.Scope `json:"reinstall,omitempty"`
	// TwoSigners says that the daemon wants two signers for what erases. Of the tags that rings run it counted them.
	TwoSigners bool           `json:"twoSigners,omitempty"`
	Hosts      map[string]int `json:"hosts"` // by phase
	// Named are the ids of the hosts whose name is another one, by name: a host's page goes by its id.
	Named map[string]inventory.MachineID `json:"named,omitempty"`
	Rings []admit.Progress               `json:"rings,omitempty"`
	// Commits are the accepted commits, the newest first, as far as they are kept.
	Commits []Commit `json:"commits,omitempty"`
	// Acts are what operators had the daemon do, the newest first, as far as they are kept.
	Acts []Act `json:"acts,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// Act is something that an operator had the daemon do.
type Act struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"` // the user
	What string    `json:"what"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// maxActs is how many acts are kept.
const maxActs = 10

// Do puts an act before those that were done earlier.
func Do(earlier []Act, next Act) []Act {
	return append([]Act{next}, earlier[:min(len(earlier), maxActs-1)]...)
}

// Acts puts together what operators did, as two sides know of it: each act once, the newest first.
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

// Commit is a commit that was accepted.
type Commit struct {
	Commit string `json:"commit"`
	Title  string `json:"title,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
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

// NewFleet completes the fleet's document, whose commits and title the caller gives, with findings and its hosts' documents.
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

// mapNames are the ids of hosts that have another name. A name that the fleet gave to a new host is not an orphan's any more.
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

// ParseFleet reads the fleet's document. Of what it does not know it keeps what is the fleet's, a commit's or an act's; the error of a document that says that a
// newer ingot must read it is format.ErrNewer.
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

// Deeds are what came of a commit: the hosts, by name, that run what was installed from it, that are being installed, where that failed,
// and that wait for consent.
type Deeds struct {
	Commit
	Installed, Installing, Failed, Held []string
}

// CollectDeeds gives what came of each commit. A host counts for the commit that it was installed from, which is its ring's release.
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
		return &Deeds{} // forgotten
	}
	for _, d := range slices.SortedFunc(slices.Values(hosts),
		func(a, b Document) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) }) {
		name := d.Metadata.Name
		if d.Hold != nil && d.Hold.Consent != "" {
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
