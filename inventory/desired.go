package inventory

import (
	"strings"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// Fleet is what an accepted commit asks of every host, resolved.
type Fleet struct {
	Commit  string // of the trunk
	Hosts   map[MachineID]Desired
	Secrets map[string]Sealed
	Rings   map[string]Ring
	// Settings are those of the repository's own ingot.yaml.
	Settings schemas.FleetSpec
	// Reinstall selects the hosts on which the daemon's configuration lets spec.update: Reinstall stand for consent; see Reinstallable.
	Reinstall schemas.Scope
	// TwoSigners is set where the daemon's configuration wants two signers for what erases; see Countersigned.
	TwoSigners bool
}

// Reinstallable gives the fleet under a daemon's configuration, which alone decides where update: Reinstall stands for consent.
func (f Fleet) Reinstallable(scope schemas.Scope) Fleet {
	hosts := make(map[MachineID]Desired, len(f.Hosts))
	for id, d := range f.Hosts {
		d.Reinstallable = scope.SelectsHost(string(id), d.Labels)
		hosts[id] = d
	}
	f.Hosts, f.Reinstall = hosts, scope
	return f
}

// Ring is a ring of the trunk, and the release it runs.
type Ring struct {
	Name    string
	Spec    schemas.RingSpec
	Tag     string      // of its release; "" when it follows the trunk, or while no tag matches
	Commit  string      // of its release; "" while no tag matches
	Trouble string      // why the release is not what the tags say
	Hosts   []MachineID // sorted
	// Signatures are those on its release's tag, as far as they were looked at.
	Signatures Signatures
}

// Sealed is a secret that nobody has opened: its scope and keys are in clear, its document is not.
type Sealed struct {
	Name     string
	File     string
	Scope    schemas.Scope
	Keys     []string // sorted
	Document []byte   // the whole SOPS file
}

// Desired is what the fleet asks of one host.
type Desired struct {
	Commit  string // trunk commit: what is true of the machine
	Release string // commit of what runs
	File    string // where the host is written
	Line    int
	ID      MachineID
	Name    string // for people
	Labels  map[string]string
	Ring    string // "" when in none
	Canary  bool   // of its ring
	// Given are the fields that Defaults filled in, spec.power and the like, and where; and, where a release says what runs, those of Runs, and where there.
	Given map[string]schemas.Position
	// Pending says what the trunk asks for that the ring has not released; "" when that is nothing.
	Pending string

	BMC       *schemas.BMC
	Identity  schemas.Identity
	Boot      schemas.Boot
	Power     string // "", On, Off, Unmanaged
	RootDisk  *schemas.DiskHints
	Network   *schemas.Networks
	Protect   bool
	Lifecycle string // never ""
	Consent   schemas.Consent
	// Reinstallable is set where the daemon's configuration lets update: Reinstall stand for consent.
	Reinstallable bool
	// Signatures are those on the tag of its release where the daemon's configuration wants two for what erases; nil where it does not.
	Signatures *Signatures

	Workload *Workload // nil: nothing to run, or nothing that the ring released
}

// Standing says that a host's machine is known under another id than the host's; the zero value says that it is not.
type Standing struct {
	KnownAs MachineID // "" when the machine is known as the host, or not at all
	By      string    // what both have: "serial SN01"
}

// Label is a host's name, with the id where that is another one.
func (d Desired) Label() string { return Label(d.Name, d.ID) }

// Label is a name, with the id where that is another one.
func Label(name string, id MachineID) string {
	if id == "" || name == string(id) {
		return name
	}
	return name + " (id " + string(id) + ")"
}

// Find gives the host that somebody means by a word: its name, or id: and its id.
func (f Fleet) Find(word string) (Desired, bool) {
	if id, said := strings.CutPrefix(word, "id:"); said {
		d, known := f.Hosts[MachineID(id)]
		return d, known
	}
	if d := f.Hosts[MachineID(word)]; d.Name == word {
		return d, true
	}
	for _, d := range f.Hosts {
		if d.Name == word {
			return d, true
		}
	}
	return Desired{}, false
}

// Runs reports whether a field of a host says what runs, which is for its ring's release to say.
func Runs(field string) bool {
	return field == "spec.workload" || field == "spec.vars" || strings.HasPrefix(field, "spec.vars.")
}

// Workload is what a host shall run, with everything it needs from the commit.
type Workload struct {
	Name            string
	Image           schemas.Image
	Butane          *Butane // nil: hostname, network and phone-home only
	KernelArguments []string
	Steps           []Step // in order; exactly one is the install
	Update          string // never ""
	PhoneHome       string // never ""
	// OtherDisks are the disks besides the root disk that the Butane config writes to, with this host's vars; sorted.
	OtherDisks []OtherDisk
	// OtherDisksAllowed is set where the Workload allows that. It is no part of Inputs.
	OtherDisksAllowed bool
	Secrets           []refs.Secret
	// Inputs is the digest (16 hex) over everything that makes an installed host differ: image digest, Butane blobs, the vars they use,
	// kernel arguments, steps, root disk. It is the target a consent names.
	Inputs string
	// Parts are the digests behind Inputs by name (image, butane, vars, kernelArguments, steps, rootDisk), so that a plan can say what changed.
	Parts map[string]string
}

// Step is one entry of a workload's list. Script is nil for install.
type Step struct {
	Name    string
	Script  []byte
	Seconds int // timeout
}
