// Package status says what was seen and done, in the words of the fleet: one document per host, one for the fleet, and the board that a
// forge shows. Same values, same bytes: nothing in it ages. Pure.
package status

import (
	"fmt"
	"hash/fnv"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
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
	Epoch         inventory.Epoch      `json:"epoch"`
	Installed     *inventory.Installed `json:"installed,omitempty"`
	Operation     *inventory.Operation `json:"operation,omitempty"`
	LastOperation *inventory.Operation `json:"lastOperation,omitempty"`
	Boot          *inventory.Boot      `json:"boot,omitempty"`
	Hardware      *inventory.Facts     `json:"hardware,omitempty"`
	Adopted       string               `json:"adopted,omitempty"`
	Spent         []string             `json:"spent,omitempty"`
}

// Metadata names the host.
type Metadata struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

// Hold is plan.Hold as it is written.
type Hold struct {
	Reason  plan.Reason `json:"reason"`
	Message string      `json:"message"`
	Consent string      `json:"consent,omitempty"` // to be written to spec.consent.erase
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

// Path is where a host's document is: hosts/<shard>/<name>.yaml, with 256 shards by the FNV-1a hash of the name.
func Path(host string) string {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(host))
	return fmt.Sprintf("hosts/%02x/%s.yaml", hash.Sum32()&0xff, host)
}

var hostPath = regexp.MustCompile(`^hosts/[0-9a-f]{2}/[a-z0-9-]{1,63}\.yaml$`)

// IsHost reports whether a path of the status branch is a host's document.
func IsHost(file string) bool {
	return hostPath.MatchString(file) && Path(strings.TrimSuffix(path.Base(file), ".yaml")) == file
}

// Encode gives the document's bytes.
func (d Document) Encode() []byte { return encode(d) }

// Parse reads a document, strictly.
func Parse(data []byte) (Document, error) {
	if len(data) > MaxDocument {
		return Document{}, fmt.Errorf("status document has %d bytes, at most %d are read", len(data), MaxDocument)
	}
	var d Document
	if err := yaml.UnmarshalStrict(data, &d); err != nil {
		return Document{}, fmt.Errorf("status document: %w", err)
	}
	if d.APIVersion != schemas.APIVersion || d.Kind != KindHostStatus || d.Metadata.Name == "" {
		return Document{}, fmt.Errorf("status document: %s %s is not a HostStatus of %s", d.APIVersion, d.Kind, schemas.APIVersion)
	}
	return d, nil
}

// Record is the record that the document was written from.
func (d Document) Record() inventory.Record {
	return inventory.Record{
		Host: d.Metadata.Name, Epoch: d.Epoch, Installed: d.Installed, Operation: d.Operation, Last: d.LastOperation, Boot: d.Boot,
		Facts: d.Hardware, Adopted: d.Adopted, Spent: d.Spent,
	}
}
