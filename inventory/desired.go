package inventory

import (
	"strings"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// Fleet is the desired state of all hosts in an accepted commit, resolved.
type Fleet struct {
	Commit  string // of the trunk
	Path    string // directory in the repository; "" for the whole repository
	Hosts   map[MachineID]Desired
	Secrets map[string]Sealed
	Rings   map[string]Ring
	// Steps are the Steps of the trunk, and Workloads the steps of its Workloads before a host is known, by name.
	Steps     map[string]steps.Definition
	Workloads map[string][]Step
	Settings  schemas.FleetSpec // from the repository's own ingot.yaml
	// Unread says by name of a Host in which file the Host stands, and why it is not read: web-1.yaml.txt.
	Unread map[string]string
	// Rules and Deliveries of the trunk, by name: what becomes of machines that are no hosts yet.
	Rules, Deliveries []schemas.Document
	// Runs are the Workloads with spec.run, by name.
	Runs map[string]runs.Work
	// Reinstall selects the hosts where spec.update: Reinstall stands for consent, by the daemon's configuration.
	Reinstall schemas.Scope
	// TwoSigners is set by a daemon's configuration that wants two signers for an erase.
	TwoSigners bool
	// Opener is whose Secrets the daemon opens; nil where that is not known.
	Opener *Opener
}

// Ring is a ring of the trunk, with the ring's release.
type Ring struct {
	Name    string
	Spec    schemas.RingSpec
	Tag     string      // of the release; "" for a ring that follows the trunk, or while no tag matches
	Commit  string      // of its release; "" while no tag matches
	Trouble string      // why the release differs from the tags
	Hosts   []MachineID // sorted
	// Signatures are the signatures on the release's tag, as far as they were verified.
	Signatures Signatures
}

// Sealed is a closed secret: scope and keys are in clear, the document is encrypted.
type Sealed struct {
	Name     string
	File     string
	Scope    schemas.Scope
	Keys     []string // of values that are text, sorted
	Binary   []string // of values that are bytes, sorted
	Document []byte   // the whole SOPS file
	MAC      string   // sealed; another document with this MAC has other content only if it was changed without sops
	Covered  string   // digest of what the MAC covers; the ciphertext of values stands for the values
	// Recipients are the age recipients, sorted. OtherKeys says that keys of other types open the document, too.
	Recipients []string
	OtherKeys  bool
}

// IsSpoiled reports whether one of two documents was changed without sops, or was copied and then changed: both have
// the same MAC over different contents. Only one of the two can be opened.
func (s Sealed) IsSpoiled(o Sealed) bool {
	return s.MAC != "" && s.MAC == o.MAC && s.Covered != o.Covered
}

// Desired is the desired state of one host.
type Desired struct {
	Commit  string // trunk commit: the source of the facts about the machine
	Release string // commit of the workload
	File    string // file of the host
	Line    int
	ID      MachineID
	Name    string // for people
	Labels  map[string]string
	Ring    string // "" without a ring
	Canary  bool   // of the ring
	// Given are the fields that Defaults filled in, such as spec.power, with the position in Defaults. A ring's release
	// adds the fields of Runs, with the positions in the release.
	Given map[string]schemas.Position
	// Pending describes the trunk's changes that the ring has not released; "" without such changes.
	Pending string
	// Emptied says that what the host runs was read and names no workload; EmptiedNext that its trunk names none.
	Emptied, EmptiedNext bool

	BMC       *schemas.BMC
	Identity  schemas.Identity
	Boot      schemas.Boot
	Power     string   // "", On, Off, Unmanaged
	OffBy     []string // who keeps the machine off; see WantedPower
	Requests  schemas.Requests
	RootDisk  *schemas.DiskHints
	Disks     map[string][]schemas.NamedDisk // names for steps
	Network   *schemas.Networks
	Protect   bool
	Claimable bool   // Workloads with spec.run may claim the machine
	Named     string // the workload of the host's file on the trunk; "" for none
	Lifecycle string // never ""
	Consent   schemas.Consent
	// Reinstallable is set where the daemon's configuration lets update: Reinstall stand for consent.
	Reinstallable bool
	// Signatures are the signatures on the release's tag where the daemon's configuration wants two signers for an
	// erase; nil elsewhere.
	Signatures *Signatures

	Workload *Workload // nil: no workload is declared, or none is released
	Retires  bool      // Workload erases the machine's disks, and the machine leaves the fleet (package retirement)
	// RetireReleased is set where the release of the host's ring says the same of the retirement as the trunk.
	RetireReleased bool
	Run            *runs.Work        // of the Workload with spec.run that has the machine; the loop fills it in, nil without
	Vars           map[string]string // that belong to Workload
}

// Standing is the other id under which a host's machine is known; zero when there is no other id.
type Standing struct {
	KnownAs MachineID // "" for a machine that is known as the host, or unknown
	By      string    // the shared identity: "serial SN01"
	// Shows is the other id under which a machine is known that is not the host's and was seen in its place; "" when
	// no such machine was seen, or nobody knows it.
	Shows MachineID
}

// WantedPower is Power, or Off while somebody keeps the machine off.
func (d Desired) WantedPower() string {
	if len(d.OffBy) > 0 {
		return schemas.PowerOff
	}
	return d.Power
}

// Label is a host's name, followed by the id where name and id differ.
func (d Desired) Label() string { return Label(d.Name, d.ID) }

// Label is a name, followed by the id where name and id differ.
func Label(name string, id MachineID) string {
	if id == "" || name == string(id) {
		return name
	}
	return name + " (id " + string(id) + ")"
}

// Find gives the host of a name, or of an id behind "id:".
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

// Runs reports whether a field of a host belongs to the workload, so that the release of the host's ring decides the
// field.
func Runs(field string) bool {
	return field == "spec.workload" || field == "spec.steps" || field == "spec.vars" || strings.HasPrefix(field, "spec.vars.")
}

// InstallerOptions are what coreos-installer changes of an image besides the kernel arguments that it appends.
type InstallerOptions struct {
	DeleteKernelArguments []string `json:"deleteKernelArguments,omitempty"`
	Platform              string   `json:"platform,omitempty"` // "" for that of the image
	Consoles              []string `json:"consoles,omitempty"`
}

// IsZero reports whether the installer changes nothing of it.
func (o InstallerOptions) IsZero() bool {
	return len(o.DeleteKernelArguments) == 0 && o.Platform == "" && len(o.Consoles) == 0
}

// Workload is the desired system of a host, with all inputs from the commit.
type Workload struct {
	Name            string
	Image           schemas.Image
	Butane          *Butane // nil: hostname, network and phone-home only
	Ignition        string  // the newest specification that the image reads; "" for the default
	KernelArguments []string
	Installer       InstallerOptions
	Steps           []Step          // in order, with those of the host; exactly one is the install
	Settings        []settings.Step // the Steps with spec.bmc, in order; no part of Inputs
	Update          string          // never ""
	PhoneHome       string          // never ""
	// StaysOn leaves the machine on in the ramdisk when its operation is given up. StaysOn is no part of Inputs.
	StaysOn bool
	// OtherDisks are the disks besides the root disk that the Butane config writes to, with this host's vars; sorted.
	OtherDisks []OtherDisk
	// OtherDisksAllowed is set where the Workload allows writes to OtherDisks. OtherDisksAllowed is no part of Inputs.
	OtherDisksAllowed bool
	Secrets           []refs.Secret
	// Inputs is the digest (16 hex) over everything that makes an installed host differ: image digest, Butane blobs,
	// the vars in the Butane blobs, kernel arguments, steps, root disk. Consents name made.From.Targets.
	Inputs string
	// Config and Meaning are digests (16 hex) of the parsed Butane document and of the files that it names; "" without
	// Butane. Inputs changes with a comment, Config with the spelling of a number or of a file's name, Meaning with the
	// system alone (package butane). An install with an equal digest has the same system (Workload.IsSystem).
	Config, Meaning string
	// Parts are the digests behind Inputs by name (image, butane, vars, kernelArguments, steps, rootDisk); with Parts a
	// plan can say what changed.
	Parts map[string]string
}

// WritesImage reports whether the workload writes its image without coreos-installer: its system gets no Ignition config.
func (w Workload) WritesImage() bool {
	_, written := steps.FindWritten(w.Steps)
	return written
}

// Fetches reports whether the mirror must hold a file with this digest for the workload.
func (w Workload) Fetches(sha256 string) bool { return steps.Fetches(w.Image, w.Steps, sha256) }

// Types of steps.
type (
	Step      = steps.Step      // one entry of a workload's list
	Plugin    = steps.Plugin    // a candidate of a Step
	Arguments = steps.Arguments // of a Step
	Described = steps.Described // what a plug-in said of itself
	Erased    = steps.Erased    // the receipt of an erased disk
)
