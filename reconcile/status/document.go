// Package status says what was seen and done, in the words of the fleet: one document per host, one for the fleet, and the board that a
// forge shows. Same values, same bytes: nothing in it ages. Pure.
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

	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// KindHostStatus is the kind of a host's document.
const KindHostStatus = "HostStatus"

// MaxDocument is the largest document that is read, in bytes.
const MaxDocument = 1 << 20

// Document is what the status branch says of one host. With the journal lost, the host's record is rebuilt from it.
type Document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	// Phase sums the host up in one word.
	Phase plan.Phase `json:"phase"`
	// Commit is the accepted commit this document speaks of.
	Commit   string `json:"commit,omitempty"`
	File     string `json:"file,omitempty"` // where the host is written
	Workload string `json:"workload,omitempty"`
	Ring     string `json:"ring,omitempty"`
	// Pending says what the trunk asks for that the host's ring has not released.
	Pending string `json:"pending,omitempty"`
	// Hold says why nothing goes on, in words a person can act on, and the consent that would let it.
	Hold *Hold `json:"hold,omitempty"`
	// Waits is what it waits for.
	Waits string `json:"waits,omitempty"`
	// Due is the deadline of that wait, RFC 3339.
	Due string `json:"due,omitempty"`
	// Error is the last error, in words a person can act on.
	Error         string               `json:"error,omitempty"`
	Conditions    []Condition          `json:"conditions,omitempty"`
	Life          inventory.Life       `json:"life,omitzero"`
	Revision      uint64               `json:"revision,omitempty"`
	Epoch         inventory.Epoch      `json:"epoch"`
	Installed     *inventory.Installed `json:"installed,omitempty"`
	Operation     *inventory.Operation `json:"operation,omitempty"`
	LastOperation *inventory.Operation `json:"lastOperation,omitempty"`
	Boot          *inventory.Boot      `json:"boot,omitempty"`
	Hardware      *inventory.Facts     `json:"hardware,omitempty"`
	Adopted       string               `json:"adopted,omitempty"`
	Spent         []string             `json:"spent,omitempty"`
	// Recovered says that this was read from an earlier page, as after the loss of the journal; Forgotten at which
	// epoch what was known was dropped.
	Recovered *inventory.Recovered `json:"recovered,omitempty" minReader:"2"`
	Forgotten inventory.Epoch      `json:"forgotten,omitempty" minReader:"2"`
	inventory.Pinned
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// Metadata names the host.
type Metadata struct {
	Name string `json:"name"`
	// ID is left out where it is the name.
	ID     inventory.MachineID `json:"id,omitempty"`
	Labels map[string]string   `json:"labels,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// Hold is change.Hold as it is written.
type Hold struct {
	Reason  change.Reason `json:"reason"`
	Message string        `json:"message"`
	Consent string        `json:"consent,omitempty"` // to be written to spec.consent.erase
	// Countersign are the commands with which a second person signs the tag, when that is what is missing.
	Countersign []string `json:"countersign,omitempty"`
}

// Condition is one thing that holds or not, since when.
type Condition struct {
	Type   string `json:"type"`
	Status string `json:"status"` // True, False, Unknown
	Reason string `json:"reason,omitempty"`
	Since  string `json:"since"` // RFC 3339, when Status last changed
}

// Types of conditions.
const (
	Reachable = "Reachable" // the BMC answers
	Installed = "Installed" // it runs what the fleet asks for
)

// NewMetadata names a host that somebody looked at.
func NewMetadata(name string, id inventory.MachineID, labels map[string]string) Metadata {
	m := Metadata{Name: cmp.Or(name, string(id)), Labels: labels}
	if m.Name != string(id) {
		m.ID = id
	}
	return m
}

// Host is who the document is about.
func (m Metadata) Host() inventory.MachineID { return cmp.Or(m.ID, inventory.MachineID(m.Name)) }

// Label is the name, with the id where that is another one.
func (m Metadata) Label() string { return inventory.Label(m.Name, m.ID) }

// Path is where a host's document is: hosts/<shard>/<id>.yaml, with 256 shards by the FNV-1a hash of the id.
func Path(id inventory.MachineID) string {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id))
	return fmt.Sprintf("hosts/%02x/%s.yaml", hash.Sum32()&0xff, id)
}

// IDOf is the host that a path of the status branch names, if IsHost says that it names one.
func IDOf(file string) inventory.MachineID {
	return inventory.MachineID(strings.TrimSuffix(path.Base(file), ".yaml"))
}

var hostPath = regexp.MustCompile(`^hosts/[0-9a-f]{2}/[a-z0-9-]{1,63}\.yaml$`)

// IsHost reports whether a path of the status branch is a host's document.
func IsHost(file string) bool {
	return hostPath.MatchString(file) && Path(IDOf(file)) == file
}

// Says reports whether the document says what another one does: who wrote the host's record how often is no news.
func (d Document) Says(other Document) bool {
	d.Life, d.Revision = other.Life, other.Revision
	return reflect.DeepEqual(d, other)
}

// Encode gives the document's bytes.
func (d Document) Encode() []byte { return encodeDocument(d) }

// Parse reads a document. Of what it does not know it keeps what is the host's or in its record, operations, boot and hardware; the error of a document that
// says that a newer ingot must read it is format.ErrNewer. A phase or a stage that is not known is an error: nothing could be decided from it.
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

// checkKnown refuses phases and stages that there are none of: nothing could be decided from them.
func (d Document) checkKnown() error {
	if !slices.Contains(plan.Phases, d.Phase) {
		return fmt.Errorf("phase %q is not known", d.Phase)
	}
	return d.Record().CheckValues()
}

// Page reads the document of a host's page, by the page's path on the status branch: it must speak of the host that the path names.
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

// Remains gives what can be read of a page, by the page's path, that Page does not read: another version of this
// program wrote the page, or a person edited it.
func Remains(file string, data []byte) inventory.Record {
	var d struct {
		Metadata Metadata `json:"metadata"`
	}
	record := inventory.Record{}
	if len(data) <= MaxDocument && yaml.Unmarshal(data, &d) == nil && Path(d.Metadata.Host()) == file {
		if body, err := yaml.YAMLToJSON(data); err == nil {
			record = inventory.Remains(body)
		}
	}
	record.ID = IDOf(file)
	return record
}

// Record is the record that the document was written from. What is not known of the document may be the record's: the record has all of it.
func (d Document) Record() inventory.Record {
	return inventory.Record{
		ID: d.Metadata.Host(), Life: d.Life, Revision: d.Revision, Epoch: d.Epoch, Installed: d.Installed,
		Operation: d.Operation, Last: d.LastOperation, Boot: d.Boot,
		Facts: d.Hardware, Adopted: d.Adopted, Spent: d.Spent, Recovered: d.Recovered, Forgotten: d.Forgotten,
		Pinned: d.Pinned, Unknown: d.Unknown,
	}
}
