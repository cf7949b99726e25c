package tags

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// Signers says whose signature counts.
type Signers interface {
	// Verify gives the names of whoever signed the payload.
	Verify(signature string, payload []byte) (names []string, err error)
}

// Policy is what a tag must be like, beside being on the trunk.
type Policy struct {
	Signers Signers // nil: no signature is needed
	// Two asks for two distinct signers, without a name in common: git has no way to put two signatures on one tag (git verify-tag refuses a second
	// one), so whoever signed the tag and whoever signed its commit are counted. Both must be of Signers: a forge's merge key counts only where it
	// may sign releases.
	Two bool
	// Limit bounds the bytes of a tag object.
	Limit int64
}

// Check says why a tag does not count: a tag object must name the ref it is found at, so that nobody shows a signed tag under another name; it must be
// of a commit, and signed as the policy says. ErrUnknown when the object is not in the store.
func (p Policy) Check(store storer.EncodedObjectStorer, ref Ref) error {
	if !ref.Annotated() {
		if p.Signers != nil {
			return errors.New("it is not signed, having no tag object: tag the commit under a new name with `git tag -s`")
		}
		return nil
	}
	tag, err := p.read(store, ref)
	if err != nil {
		return err
	}
	switch {
	case tag.Name != ref.Name:
		return fmt.Errorf("its object is that of a tag %q: delete it, and make a tag with `git tag`", tag.Name)
	case tag.TargetType != plumbing.CommitObject || tag.Target != ref.Commit:
		return fmt.Errorf("it is a tag of a %s: delete it, and tag the commit itself", tag.TargetType)
	case p.Signers == nil:
		return nil
	}
	names, err := SignersOf(p.Signers, tag, tag.PGPSignature)
	if err != nil {
		return fmt.Errorf("%w: have an allowed signer tag the commit under a new name with `git tag -s`", err)
	}
	if !p.Two {
		return nil
	}
	return p.second(store, tag, names)
}

func (p Policy) read(store storer.EncodedObjectStorer, ref Ref) (*object.Tag, error) {
	encoded, err := store.EncodedObject(plumbing.AnyObject, ref.Object)
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, ErrUnknown
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	case encoded.Size() > p.Limit:
		return nil, fmt.Errorf("its object has more than %d bytes: tag the commit under a new name", p.Limit)
	}
	tag, err := object.DecodeTag(store, encoded)
	if err != nil {
		return nil, fmt.Errorf("its object cannot be read: %w: make a tag with `git tag`", err)
	}
	return tag, nil
}

// second checks that somebody else signed the commit.
func (p Policy) second(store storer.EncodedObjectStorer, tag *object.Tag, names []string) error {
	commit, err := object.GetCommit(store, tag.Target)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	others, err := SignersOf(p.Signers, commit, commit.PGPSignature)
	if err != nil {
		return fmt.Errorf("a release needs two signers, one of the tag and one of its commit; of the commit, %w: tag a commit that an allowed signer of tags signed", err)
	}
	if slices.ContainsFunc(others, func(name string) bool { return slices.Contains(names, name) }) {
		return fmt.Errorf("a release needs two signers, and %s signed both the tag and its commit: have somebody else tag it under a new name", strings.Join(names, ", "))
	}
	return nil
}

// Signed is a commit or a tag.
type Signed interface {
	EncodeWithoutSignature(into plumbing.EncodedObject) error
}

// SignersOf gives the names of those who signed an object.
func SignersOf(signers Signers, o Signed, signature string) ([]string, error) {
	encoded := &plumbing.MemoryObject{}
	if err := o.EncodeWithoutSignature(encoded); err != nil {
		return nil, err
	}
	reader, err := encoded.Reader()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	payload, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	return signers.Verify(signature, payload)
}
