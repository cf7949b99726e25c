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

// maxCountersigned is the most countersignatures of one tag that are verified, so that pushing tags cannot cause many
// fetches.
const maxCountersigned = 16

// ListCountersignatures picks the countersignatures of a tag out of the refs of a server, as ListTags does.
func ListCountersignatures(refs map[plumbing.ReferenceName]plumbing.Hash, tag string) Listed {
	begins := refPrefix + inventory.CountersignPrefix + tag + "/"
	listed := Listed{}
	for name, object := range refs {
		if !strings.HasPrefix(name.String(), begins) || name.Validate() != nil {
			continue
		}
		ref := Ref{Name: strings.TrimPrefix(name.String(), refPrefix), Object: object, Commit: object}
		if commit, annotated := refs[name+"^{}"]; annotated {
			ref.Commit = commit
		}
		listed[ref.Name] = ref
	}
	return listed
}

// FirstRefs gives the refs that are verified, by name, at most maxCountersigned.
func (l Listed) FirstRefs() []Ref {
	var refs []Ref
	for _, name := range slices.Sorted(maps.Keys(l)) {
		refs = append(refs, l[name])
	}
	return refs[:min(len(refs), maxCountersigned)]
}

// MayCountersign reports whether a ref may countersign a tag, by the listing alone: a tag object that resolves to the
// same commit.
func (r Ref) MayCountersign(tag Ref) bool { return r.IsAnnotated() && r.Commit == tag.Commit }

// CountSigners says who signed and who countersigned a tag. A countersignature counts when its object names its own
// ref, is a tag of exactly this tag object, and is signed by a signer who shares no name with the tag's signers.
// Countersignatures must be in the store: ErrUnknown when no countersignature counts and an object is missing.
func (p Policy) CountSigners(
	store storer.EncodedObjectStorer, tag Ref, countersigns Listed,
) (inventory.Signatures, error) {
	s := inventory.Signatures{Tag: tag.Name, Object: tag.Object.String()}
	tagSigners, err := p.verifyTag(store, tag)
	if err != nil {
		s.Why = fmt.Sprintf("tag %s: %v", tag.Name, err)
		return s, onlyUnknown(err)
	}
	s.Signer = strings.Join(tagSigners, ", ")
	var troubles []string
	var missing error
	for _, ref := range countersigns.FirstRefs() {
		names, err := p.verifyCountersignature(store, tag, tagSigners, ref)
		if err == nil {
			s.Second = strings.Join(names, ", ")
			return s, nil
		}
		missing = errors.Join(missing, onlyUnknown(err))
		troubles = append(troubles, fmt.Sprintf("%s does not count: %v", ref.Name, err))
	}
	if more := len(countersigns) - maxCountersigned; more > 0 {
		troubles = append([]string{fmt.Sprintf("%d others are there, of which the first %d are looked at: "+
			"delete those that do not count", len(countersigns), maxCountersigned)}, troubles...)
	}
	s.Why = summarizeTroubles(troubles)
	return s, missing
}

// onlyUnknown gives ErrUnknown for an error that wraps ErrUnknown, else nil.
func onlyUnknown(err error) error {
	if errors.Is(err, ErrUnknown) {
		return ErrUnknown
	}
	return nil
}

// verifyCountersignature names the signers of a countersignature, or says why the countersignature does not count.
func (p Policy) verifyCountersignature(
	store storer.EncodedObjectStorer, tag Ref, tagSigners []string, ref Ref,
) ([]string, error) {
	switch {
	case !ref.IsAnnotated():
		return nil, errors.New("it is not signed, having no tag object")
	case !ref.MayCountersign(tag):
		return nil, fmt.Errorf("it is of another commit than tag %s", tag.Name)
	}
	countersignature, err := p.readTag(store, ref)
	if err != nil {
		return nil, err
	}
	switch {
	case countersignature.Name != ref.Name:
		return nil, fmt.Errorf("its object is that of a tag %q", countersignature.Name)
	case countersignature.TargetType != plumbing.TagObject:
		return nil, fmt.Errorf("it is of the %s, not of tag %s", countersignature.TargetType, tag.Name)
	case countersignature.Target != tag.Object:
		return nil, fmt.Errorf("it is of another tag object, %.12s, than tag %s is, %.12s",
			countersignature.Target, tag.Name, tag.Object)
	}
	names, err := VerifyObject(p.Signers, countersignature, countersignature.PGPSignature)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if slices.ContainsFunc(tagSigners, func(other string) bool { return strings.EqualFold(name, other) }) {
			return nil, fmt.Errorf("%s signed the tag too", name)
		}
	}
	return names, nil
}
