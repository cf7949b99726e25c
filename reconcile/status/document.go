// Package status writes the status branch: a document per host, a document for the fleet, and the board that a forge
// shows. The same values give the same bytes.
//
// Call Summarize for the document of a look, and Page to read the document back. Do not write the present time or an
// age into a document: only a change may change the bytes.
package status

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/remains"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// KindHostStatus is the kind of a host's document.
const KindHostStatus = "HostStatus"

// MaxDocument is the largest document that is read, in bytes.
const MaxDocument = 1 << 20

// Document is the page of a host on the status branch. After a loss of the journal, the daemon rebuilds the host's
// record from the page.
type Document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	// Phase sums the host up in one word.
	Phase plan.Phase `json:"phase"`
	// Commit is the accepted commit of the document.
	Commit   string `json:"commit,omitempty"`
	File     string `json:"file,omitempty"` // where the host is written
	Workload string `json:"workload,omitempty"`
	Ring     string `json:"ring,omitempty"`
	// Pending is the change on the trunk that the ring has not released.
	Pending string `json:"pending,omitempty"`
	// Hold says why the host is held, and what a person can do.
	Hold *Hold `json:"hold,omitempty"`
	// Waits is what the host waits for.
	Waits string `json:"waits,omitempty"`
	// Due is the deadline of the wait, RFC 3339.
	Due string `json:"due,omitempty"`
	// Error is the last error, in words a person can act on.
	Error string `json:"error,omitempty"`
	// Cause says in one sentence why the host is not where the fleet wants it, and the one thing to do.
	Cause         *cause.Answer        `json:"cause,omitempty"`
	Conditions    []Condition          `json:"conditions,omitempty"`
	Life          inventory.Life       `json:"life,omitzero"`
	Revision      uint64               `json:"revision,omitempty"`
	Epoch         inventory.Epoch      `json:"epoch"`
	Installed     *inventory.Installed `json:"installed,omitempty"`
	Operation     *inventory.Operation `json:"operation,omitempty"`
	LastOperation *inventory.Operation `json:"lastOperation,omitempty"`
	Boot          *inventory.Boot      `json:"boot,omitempty"`
	Run           *runs.UnderWay       `json:"run,omitempty" minReader:"8"`
	Ran           string               `json:"ran,omitempty" minReader:"10"`
	LostRuns      int                  `json:"lostRuns,omitempty"`
	Settings      *settings.State      `json:"settings,omitempty"`
	Hardware      *inventory.Facts     `json:"hardware,omitempty"`
	Adopted       string               `json:"adopted,omitempty"`
	Stranger      *inventory.Stranger  `json:"stranger,omitempty" minReader:"3"`
	Spent         []string             `json:"spent,omitempty"`
	// Erased are the starts of the newest erases of disks with content.
	Erased []time.Time `json:"erased,omitempty"`
	// Requests say which requests of the file wait, and for what.
	Requests []string `json:"requests,omitempty"`
	// Done are the requests that were done once on the machine.
	Done *requests.Done `json:"done,omitempty"`
	// Recovered says that the record was read from an earlier page after a loss of the journal. Forgotten is the
	// epoch at which the record was dropped.
	Recovered *inventory.Recovered `json:"recovered,omitempty" minReader:"2"`
	Forgotten inventory.Epoch      `json:"forgotten,omitempty" minReader:"2"`
	inventory.Pinned
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`
}

// Metadata names the host.
type Metadata struct {
	Name string `json:"name"`
	// ID is left out where the id is the name.
	ID     inventory.MachineID `json:"id,omitempty"`
	Labels map[string]string   `json:"labels,omitempty"`
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`
}

// Hold is change.Hold as a document has it.
type Hold struct {
	Reason  change.Reason `json:"reason"`
	Message string        `json:"message"`
	// Consent is to be written to spec.consent.erase: a text, or a list for several disks.
	Consent schemas.EraseConsents `json:"consent,omitempty"`
	// Takeover is to be written to spec.consent.takeover.
	Takeover string `json:"takeover,omitempty"`
	// Countersign are the commands for the second signature of the tag, when the signature is missing.
	Countersign []string `json:"countersign,omitempty"`
}

// Condition is a fact that holds or not, with the time of the last change.
type Condition struct {
	Type   string `json:"type"`
	Status string `json:"status"` // True, False, Unknown
	Reason string `json:"reason,omitempty"`
	Since  string `json:"since"` // RFC 3339, when Status last changed
	// Message says which Secret cannot be opened, and why, where that is the Reason.
	Message string `json:"message,omitempty"`
}

// Types of conditions.
const (
	Reachable = "Reachable" // the BMC answers
	Installed = "Installed" // the host runs what the fleet asks for
)

// NewMetadata names a host after a look.
func NewMetadata(name string, id inventory.MachineID, labels map[string]string) Metadata {
	m := Metadata{Name: cmp.Or(name, string(id)), Labels: labels}
	if m.Name != string(id) {
		m.ID = id
	}
	return m
}

// Host is the id of the host.
func (m Metadata) Host() inventory.MachineID { return cmp.Or(m.ID, inventory.MachineID(m.Name)) }

// Label is the name, with the id where the two differ.
func (m Metadata) Label() string { return inventory.Label(m.Name, m.ID) }

// Path is the path of a host's document: hosts/<shard>/<id>.yaml, with 256 shards by the FNV-1a hash of the id.
func Path(id inventory.MachineID) string {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id))
	return fmt.Sprintf("hosts/%02x/%s.yaml", hash.Sum32()&0xff, id)
}

// IDOf is the id in a path of the status branch. Call IsHost first.
func IDOf(file string) inventory.MachineID {
	return inventory.MachineID(strings.TrimSuffix(path.Base(file), ".yaml"))
}

var hostPath = regexp.MustCompile(`^hosts/[0-9a-f]{2}/[a-z0-9-]{1,63}\.yaml$`)

// IsHost reports whether a path of the status branch is the path of a host's document.
func IsHost(file string) bool {
	return hostPath.MatchString(file) && Path(IDOf(file)) == file
}

// Says reports whether two documents say the same, apart from the writer and the revision of the record.
func (d Document) Says(other Document) bool {
	d.Life, d.Revision = other.Life, other.Revision
	return reflect.DeepEqual(d, other)
}

// Encode gives the document's bytes.
func (d Document) Encode() []byte { return encodeDocument(d) }

// Parse reads a document. Unknown members of the host, the record, the operations, the boot and the hardware are
// kept. The error is format.ErrNewer if only a newer ingot may read the document. An unknown phase or stage is an
// error, as nothing could be decided from such a document.
func Parse(data []byte) (Document, error) {
	if len(data) > MaxDocument {
		return Document{}, fmt.Errorf("status document has %d bytes, at most %d are read", len(data), MaxDocument)
	}
	var d Document
	if err := decodeDocument(data, &d); err != nil {
		return Document{}, fmt.Errorf("status document: %w", err)
	}
	if d.APIVersion != schemas.APIVersion || d.Kind != KindHostStatus || d.Metadata.Name == "" {
		return Document{}, fmt.Errorf("status document: %s %s is not a HostStatus of %s", d.APIVersion, d.Kind,
			schemas.APIVersion)
	}
	if err := d.checkKnown(); err != nil {
		return Document{}, fmt.Errorf("status document: %w: install the ingot that wrote it, or a newer one", err)
	}
	record := d.Record().FromOlder()
	d.Recovered, d.Unknown = record.Recovered, record.Unknown
	return d, nil
}

// checkKnown refuses unknown phases and stages: nothing could be decided from them.
func (d Document) checkKnown() error {
	if !slices.Contains(plan.Phases, d.Phase) {
		return fmt.Errorf("phase %q is not known", d.Phase)
	}
	return d.Record().CheckValues()
}

// Page reads the document of a host's page, by the path on the status branch. A document of another host than the
// path names is an error.
func Page(file string, data []byte) (Document, error) {
	d, err := Parse(data)
	if err != nil {
		return Document{}, err
	}
	if !IsHost(file) || Path(d.Metadata.Host()) != file {
		return Document{}, fmt.Errorf("status document: it speaks of another host, %q", d.Metadata.Label())
	}
	return d, nil
}

// Remains reads what it can of a page that Page refuses, by the path: another version of ingot wrote the page, or a
// person edited the page.
func Remains(file string, data []byte) inventory.Record {
	var d struct {
		Metadata Metadata `json:"metadata"`
	}
	record := inventory.Record{}
	if len(data) <= MaxDocument && yaml.Unmarshal(data, &d) == nil && Path(d.Metadata.Host()) == file {
		if body, err := yaml.YAMLToJSON(data); err == nil {
			record = remains.Read(body)
		}
	}
	record.ID = IDOf(file)
	return record
}

// Record is the record that the document was written from, with the unknown members of the document.
func (d Document) Record() inventory.Record {
	return inventory.Record{
		ID: d.Metadata.Host(), Life: d.Life, Revision: d.Revision, Epoch: d.Epoch, Installed: d.Installed,
		Operation: d.Operation, Last: d.LastOperation, Boot: d.Boot, Run: d.Run, Ran: d.Ran, LostRuns: d.LostRuns, Settings: d.Settings,
		Facts: d.Hardware, Adopted: d.Adopted, Stranger: d.Stranger, Spent: d.Spent,
		Erased: d.Erased, Done: d.Done, Recovered: d.Recovered, Forgotten: d.Forgotten,
		Pinned: d.Pinned, Unknown: d.Unknown,
	}
}
