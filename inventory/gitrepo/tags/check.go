package tags

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// Signers decides which signatures count.
type Signers interface {
	// Verify gives the names of the signers of the payload.
	Verify(signature string, payload []byte) (names []string, err error)
}

// Policy is the conditions for a tag, besides being on the trunk.
type Policy struct {
	Signers Signers // nil: no signature is needed
	Limit   int64   // bytes of a tag object
}

// CheckTag says why a tag does not count. A tag object must name its own ref, so that a signed tag cannot be shown
// under another name, must be a tag of a commit, and must be signed as the policy says. ErrUnknown when the object is
// not in the store.
func (p Policy) CheckTag(store storer.EncodedObjectStorer, ref Ref) error {
	_, err := p.verifyTag(store, ref)
	return err
}

// verifyTag names the signers of a tag that counts, none where no signature is needed.
func (p Policy) verifyTag(store storer.EncodedObjectStorer, ref Ref) ([]string, error) {
	if !ref.IsAnnotated() {
		if p.Signers != nil {
			return nil, errors.New("it is not signed, having no tag object: " +
				"tag the commit under a new name with `git tag -s`")
		}
		return nil, nil
	}
	tag, err := p.readTag(store, ref)
	if err != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("%w: tag the commit under a new name with `git tag`", err)
	}
	switch {
	case err != nil:
		return nil, err
	case tag.Name != ref.Name:
		return nil, fmt.Errorf("its object is that of a tag %q: delete it, and make a tag with `git tag`", tag.Name)
	case tag.TargetType != plumbing.CommitObject || tag.Target != ref.Commit:
		return nil, fmt.Errorf("it is a tag of a %s: delete it, and tag the commit itself", tag.TargetType)
	case p.Signers == nil:
		return nil, nil
	}
	names, err := VerifyObject(p.Signers, tag, tag.PGPSignature)
	if err != nil {
		return nil, fmt.Errorf("%w: have an allowed signer tag the commit under a new name with `git tag -s`", err)
	}
	return names, nil
}

func (p Policy) readTag(store storer.EncodedObjectStorer, ref Ref) (*object.Tag, error) {
	encoded, err := store.EncodedObject(plumbing.AnyObject, ref.Object)
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, ErrUnknown
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	case encoded.Size() > p.Limit:
		return nil, fmt.Errorf("its object has more than %d bytes", p.Limit)
	}
	tag, err := object.DecodeTag(store, encoded)
	if err != nil {
		return nil, fmt.Errorf("its object cannot be read: %w", err)
	}
	return tag, nil
}

// Signed is a commit or a tag.
type Signed interface {
	EncodeWithoutSignature(into plumbing.EncodedObject) error
}

// VerifyObject gives the names of the signers of an object.
func VerifyObject(signers Signers, o Signed, signature string) ([]string, error) {
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
