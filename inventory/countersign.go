package inventory

import (
	"maps"
	"regexp"
)

// CountersignPrefix begins the name of a countersignature, before the name of the countersigned tag:
// countersign/v1.4.0/jo is jo's of v1.4.0. A countersignature is a tag of the tag's object, so it covers name, commit
// and first signature. It is never a release.
const CountersignPrefix = "countersign/"

// Signatures are the signatures on the tag of a release.
type Signatures struct {
	Tag    string `json:"tag,omitempty"`    // "" for a ring without a tag: there is nothing to countersign
	Object string `json:"object,omitempty"` // id of the tag object
	Signer string `json:"signer,omitempty"` // signer of the tag; "" when unknown
	Second string `json:"second,omitempty"` // countersigner; "" without a countersignature that counts
	Why    string `json:"why,omitempty"`    // why an existing countersignature does not count
}

// Countersigned gives the fleet of a daemon that wants two signers for an erase. Signers are counted on the tag of the
// host's ring. A caller without keys passes the counts of a daemon, by ring, for the same tag objects.
func (f Fleet) Countersigned(counted map[string]Signatures) Fleet {
	rings := maps.Clone(f.Rings)
	for name, ring := range rings {
		if count := counted[name]; count.Object != "" && count.Object == ring.Signatures.Object {
			ring.Signatures = count
		}
		ring.Signatures.Tag = ring.Tag
		rings[name] = ring
	}
	hosts := make(map[MachineID]Desired, len(f.Hosts))
	for id, d := range f.Hosts {
		signatures := rings[d.Ring].Signatures
		d.Signatures = &signatures
		hosts[id] = d
	}
	f.Hosts, f.Rings, f.TwoSigners = hosts, rings, true
	return f
}

var typable = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+=@-]*$`)

// Countersign gives the two commands that countersign a tag and push the countersignature. There are none for a name
// that a shell would not take literally.
func Countersign(tag string) []string {
	if !typable.MatchString(tag) {
		return nil
	}
	name := CountersignPrefix + tag + "/$USER"
	return []string{"git tag -s -m ok " + name + " " + tag, "git push origin " + name}
}
