package tags

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/gitmetal/ingot/inventory"
)

// maxCountersigned is how many countersignatures of one tag are looked at, so that whoever may push tags cannot have many objects fetched.
const maxCountersigned = 16

// ListCountersigns picks the countersignatures of a tag out of a listing of refs, as List does.
func ListCountersigns(refs map[plumbing.ReferenceName]plumbing.Hash, tag string) Listed {
	begins := prefix + inventory.Countersigning + tag + "/"
	listed := Listed{}
	for name, object := range refs {
		if !strings.HasPrefix(name.String(), begins) || name.Validate() != nil {
			continue
		}
		ref := Ref{Name: strings.TrimPrefix(name.String(), prefix), Object: object, Commit: object}
		if commit, annotated := refs[name+"^{}"]; annotated {
			ref.Commit = commit
		}
		listed[ref.Name] = ref
	}
	return listed
}

// Looked gives those that are looked at, in the order of their names.
func (l Listed) Looked() []Ref {
	var refs []Ref
	for _, name := range slices.Sorted(maps.Keys(l)) {
		refs = append(refs, l[name])
	}
	return refs[:min(len(refs), maxCountersigned)]
}

// Of reports whether a countersignature may be one of a tag, by what is listed alone: it is a tag object that comes to the same commit.
func (r Ref) Of(tag Ref) bool { return r.Annotated() && r.Commit == tag.Commit }

// Count says who signed a tag, and who else countersigned it, whose objects are in the store as far as they may be of that tag. A countersignature counts
// when its object names its own ref, is a tag of this tag's object and of no other, and is signed by somebody who shares no name with the tag's signer.
// It is ErrUnknown when nobody's counts and one of the objects is not in the store.
func (p Policy) Count(store storer.EncodedObjectStorer, tag Ref, countersigns Listed) (inventory.Signatures, error) {
	s := inventory.Signatures{Tag: tag.Name, Object: tag.Object.String()}
	first, err := p.signers(store, tag)
	if err != nil {
		s.Why = fmt.Sprintf("tag %s: %v", tag.Name, err)
		return s, unknown(err)
	}
	s.Signer = strings.Join(first, ", ")
	var troubles []string
	var missing error
	for _, ref := range countersigns.Looked() {
		names, err := p.second(store, tag, first, ref)
		if err == nil {
			s.Second = strings.Join(names, ", ")
			return s, nil
		}
		missing = errors.Join(missing, unknown(err))
		troubles = append(troubles, fmt.Sprintf("%s does not count: %v", ref.Name, err))
	}
	if more := len(countersigns) - maxCountersigned; more > 0 {
		troubles = append([]string{fmt.Sprintf("%d others are there, of which the first %d are looked at: delete those that do not count", len(countersigns), maxCountersigned)}, troubles...)
	}
	s.Why = oneLine(troubles)
	return s, missing
}

// unknown is ErrUnknown where that is why.
func unknown(err error) error {
	if errors.Is(err, ErrUnknown) {
		return ErrUnknown
	}
	return nil
}

// second names who countersigned a tag, or says why that does not count.
func (p Policy) second(store storer.EncodedObjectStorer, of Ref, first []string, ref Ref) ([]string, error) {
	switch {
	case !ref.Annotated():
		return nil, errors.New("it is not signed, having no tag object")
	case !ref.Of(of):
		return nil, fmt.Errorf("it is of another commit than tag %s", of.Name)
	}
	tag, err := p.read(store, ref)
	if err != nil {
		return nil, err
	}
	switch {
	case tag.Name != ref.Name:
		return nil, fmt.Errorf("its object is that of a tag %q", tag.Name)
	case tag.TargetType != plumbing.TagObject:
		return nil, fmt.Errorf("it is of the %s, not of tag %s", tag.TargetType, of.Name)
	case tag.Target != of.Object:
		return nil, fmt.Errorf("it is of another tag object, %.12s, than tag %s is, %.12s", tag.Target, of.Name, of.Object)
	}
	names, err := SignersOf(p.Signers, tag, tag.PGPSignature)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if slices.ContainsFunc(first, func(other string) bool { return strings.EqualFold(name, other) }) {
			return nil, fmt.Errorf("%s signed the tag too", name)
		}
	}
	return names, nil
}
