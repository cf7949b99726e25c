package discovery

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/rotation"
)

// Limits of records.
const (
	// MaxRecords is how many records there are at most; further machines are refused until records end.
	MaxRecords = 10_000
	// KeptFor is how long a record is kept after the machine's last word.
	KeptFor = 7 * 24 * time.Hour
	// LiveFor is how long an agent counts as live after its last word: five times the longest pause between two words.
	LiveFor = 10 * time.Minute
)

// ID is a record's random name: 12 lower case hex digits.
type ID string

var idGrammar = regexp.MustCompile(`^[0-9a-f]{12}$`)

// IsID reports whether a text is spelled as the ID of a record.
func IsID(text string) bool { return idGrammar.MatchString(text) }

// Machine is the metadata.id of the Host that is proposed for the record.
func (id ID) Machine() inventory.MachineID { return inventory.MachineID("m-" + id) }

// RecordOf is the record whose proposal has a Host with this id; false for the id of no proposal.
func RecordOf(machine inventory.MachineID) (id ID, is bool) {
	text, is := strings.CutPrefix(string(machine), "m-")
	return ID(text), is && IsID(text)
}

// Record is what is known of a discovered machine. The daemon keeps records on its own disk; they are no pages of the
// status branch.
type Record struct {
	ID ID `json:"record"`
	// Key is the id of the enrolment key of the first registration; "" for a machine that was found by its BMC alone.
	Key string `json:"key,omitempty"`
	// Delivery is the name of the Delivery that expects the machine; "" without a Delivery.
	Delivery   string    `json:"delivery,omitempty"`
	Registered time.Time `json:"registered"`
	LastWord   time.Time `json:"lastWord"` // of the agent, or of the BMC for a machine without an agent
	// Agent is the waiting agent; nil for a machine that was found by its BMC alone.
	Agent *Agent `json:"agent,omitempty"`
	// Rival is a second agent with the same identity, while nobody can tell whether the machine was only started again.
	Rival *Agent `json:"rival,omitempty"`
	// Facts are what the agent reported, in the part that decisions may ask; nil without a report.
	Facts *inventory.Facts `json:"facts,omitempty"`
	// Inventory is the hex SHA-256 of the agent's whole report; "" without a report.
	Inventory string `json:"inventory,omitempty"`
	// Identity is the strong identity by source. Address of Identity.BMC is the URI of the Redfish system, "" where no
	// Redfish service was asked.
	Identity inventory.Pinned `json:"identity,omitzero"`
	// Addresses are the BMC's addresses as the agent found them in-band, or the address at which the Redfish service was
	// found; IP addresses, sorted.
	Addresses []string `json:"addresses,omitempty"`
	// Fingerprint is that of the certificate that the Redfish service showed at the first contact, as in
	// spec.bmc.tls.fingerprint; "" where no service was asked.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Conflicts are for operators only. A record in conflict is not proposed, and gets no account.
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Doubts are sentences for the reviewer of the proposal. They forbid nothing.
	Doubts   []string         `json:"doubts,omitempty"`
	Proof    Proof            `json:"proof,omitzero"`
	Proposal *Proposal        `json:"proposal,omitempty"` // nil before the first
	Account  *account.Account `json:"account,omitempty"`  // nil while none was asked for
	// Repair makes the record one of a known machine that came back with another part: it has no agent and no facts, and
	// its proposal changes the machine's Host file. nil for an unknown machine.
	Repair *repair.Repair `json:"repair,omitempty" minReader:"10"`
	// Rotation makes the record one of a Secret whose password is changed at its BMC; its proposal changes the Secret's
	// file. nil for a machine.
	Rotation *rotation.Rotation `json:"rotation,omitempty" minReader:"10"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Agent is an agent in discovery mode: one boot of a discovery medium.
type Agent struct {
	Key   string    `json:"key"`            // hex SHA-256 of the public key, which the agent made in RAM
	From  string    `json:"from,omitempty"` // address of the last registration
	Since time.Time `json:"since"`          // first registration
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// ProofKind is how an agent was proved to run on the machine behind a BMC.
type ProofKind string

// Kinds of proof.
const (
	// NoProof: the machine is booted once with its own medium before it counts as the host.
	NoProof ProofKind = ""
	// ByAccount: the daemon logged in at the BMC with credentials that only this agent's session was given.
	ByAccount ProofKind = "Account"
	// ByNonce: a nonce that the agent wrote in-band was read over Redfish, or the other way round.
	ByNonce ProofKind = "Nonce"
)

// Proof says that one agent runs on the machine behind one BMC.
type Proof struct {
	Kind  ProofKind `json:"kind,omitempty"`
	Agent string    `json:"agent,omitempty"` // Agent.Key that was proved
	// System is the URI of the Redfish system, as in spec.bmc.address.
	System string    `json:"system,omitempty"`
	At     time.Time `json:"at,omitzero"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// ProposalState is the state of a record's proposal.
type ProposalState string

// States of a proposal.
const (
	Open     ProposalState = "Open"
	Merged   ProposalState = "Merged"   // the trunk has a Host with the record's machine id
	Declined ProposalState = "Declined" // the branch was deleted, or the pull request closed
	// Withdrawn: the daemon took the branch back, as something speaks against the record since.
	Withdrawn ProposalState = "Withdrawn"
)

// Proposal is the branch ingot/proposals/<record>.
type Proposal struct {
	Tip string `json:"tip,omitempty"` // commit that the daemon pushed last
	// Next is the commit that the daemon was about to push: Next is on the branch where the daemon was killed then.
	Next string `json:"next,omitempty"`
	// Files is the digest of the files that were pushed, or told of, last.
	Files string `json:"files,omitempty"`
	Path  string `json:"path,omitempty"` // of the Host file
	// Secret is a digest of the sealed Secret that the branch has; "" without one.
	Secret string `json:"secret,omitempty"`
	// Account says that the rules ask for an account at the machine's BMC, and propose the machine.
	Account bool `json:"account,omitempty"`
	// Pull is the number of the pull request, 0 without one.
	Pull int `json:"pull,omitempty"`
	// Trouble is what keeps the proposal from being made, for operators; "" for nothing.
	Trouble string `json:"trouble,omitempty"`
	// Facts is FactsDigest of the record when the branch was rendered last.
	Facts string        `json:"facts,omitempty"`
	State ProposalState `json:"state"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// ProvenBy is how the record's present agent is proved to run on the machine behind the BMC at system, the URI of
// spec.bmc.address. The proof of an earlier agent, and any proof of a record in conflict, is none.
func (r Record) ProvenBy(system string) ProofKind {
	proved := r.Agent != nil && r.Rival == nil && len(r.Conflicts) == 0 && r.Proof.Agent == r.Agent.Key &&
		r.Proof.System == system && system != ""
	if !proved {
		return NoProof
	}
	return r.Proof.Kind
}

// IsClear reports whether nothing speaks against the record: a record that is not clear is neither proposed nor given
// an account.
func (r Record) IsClear() bool { return len(r.Conflicts) == 0 && r.Rival == nil }

// HasEnded reports whether the record is kept no longer.
func (r Record) HasEnded(now time.Time) bool { return now.Sub(r.LastWord) > KeptFor }

// IsLive reports whether the record's agent spoke lately.
func (r Record) IsLive(now time.Time) bool { return r.Agent != nil && now.Sub(r.LastWord) <= LiveFor }

// FactsDigest is a digest over what a proposal is made from: the facts without the time of the look, identity,
// addresses, conflicts and doubts. 16 hex digits.
func (r Record) FactsDigest() string {
	facts := inventory.Facts{}
	if r.Facts != nil {
		facts = *r.Facts
	}
	facts.At, facts.NICs = time.Time{}, slices.Clone(facts.NICs)
	for i := range facts.NICs {
		facts.NICs[i].Addresses = nil // of a lease
	}
	conflicts := make([]Conflict, 0, len(r.Conflicts))
	for _, c := range r.Conflicts {
		c.Since = time.Time{}
		conflicts = append(conflicts, c)
	}
	data, err := format.Marshal(struct {
		Facts       inventory.Facts
		Identity    inventory.Pinned
		Addresses   []string
		Fingerprint string
		Conflicts   []Conflict
		Doubts      []string
		Repair      *repair.Repair     `json:",omitempty"`
		Rotation    *rotation.Rotation `json:",omitempty"`
	}{facts, r.Identity, r.Addresses, r.Fingerprint, conflicts, r.Doubts, r.Repair, r.Rotation})
	if err != nil {
		panic("discovery: a record has no JSON: " + err.Error()) // values without channels, functions or cycles
	}
	return inventory.Digest("ingot discovered facts v1", string(data))
}
