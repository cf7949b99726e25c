package inventory

import (
	"maps"
	"regexp"
)

// Countersigning is what the name of a countersignature begins with, before the name of the tag that it is of: countersign/v1.4.0/jo is jo's of v1.4.0.
// It is a tag of that tag's object, so it covers the name, the commit and the first signature, and is never a release itself.
const Countersigning = "countersign/"

// Signatures are those on the tag of a release.
type Signatures struct {
	Tag    string `json:"tag,omitempty"`    // "" where no tag is followed: there is none on which two could be counted
	Object string `json:"object,omitempty"` // id of the tag's object, which is what is countersigned
	Signer string `json:"signer,omitempty"` // who signed the tag; "" when that is not known
	Second string `json:"second,omitempty"` // who else did; "" when nobody whose signature counts
	Why    string `json:"why,omitempty"`    // why a countersignature that is there does not count; "" when there is none
}

// Countersigned gives the fleet under a daemon's configuration that wants two signers for what erases. They are counted on the tag that a host's ring runs.
// Whoever has no keys to count them plans with what a daemon has counted, by ring, of the same tag objects.
func (f Fleet) Countersigned(counted map[string]Signatures) Fleet {
	rings := maps.Clone(f.Rings)
	for name, ring := range rings {
		if c := counted[name]; c.Object != "" && c.Object == ring.Signatures.Object {
			ring.Signatures = c
		}
		ring.Signatures.Tag = ring.Tag
		rings[name] = ring
	}
	hosts := make(map[MachineID]Desired, len(f.Hosts))
	for id, d := range f.Hosts {
		on := rings[d.Ring].Signatures
		d.Signatures = &on
		hosts[id] = d
	}
	f.Hosts, f.Rings, f.TwoSigners = hosts, rings, true
	return f
}

var typable = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+=@-]*$`)

// Countersign gives the two commands with which somebody who has a tag countersigns it and publishes that. There are none for a name that a shell would
// not take as it is.
func Countersign(tag string) []string {
	if !typable.MatchString(tag) {
		return nil
	}
	name := Countersigning + tag + "/$USER"
	return []string{"git tag -s -m ok " + name + " " + tag, "git push origin " + name}
}
