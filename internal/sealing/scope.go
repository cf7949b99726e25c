package sealing

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// ChangeScope writes another scope into the file of a Secret. Where the Secret's MAC leaves the scope out, no key is
// needed. Otherwise keys gives the keys that open the Secret, which is sealed again for the same recipients, with a MAC
// over the values alone: the next change needs no key. sealedAgain says which of the two was done.
func ChangeScope(file string, scope schemas.Scope, keys func() (secrets.Keys, error)) (sealedAgain bool, err error) {
	document, err := readFile(file)
	if err != nil {
		return false, err
	}
	reviewed, err := secrets.IsScopeReviewed(document)
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	var changed []byte
	if reviewed {
		changed, err = secrets.ReplaceScope(document, scope)
	} else {
		changed, err = sealForReview(document, scope, keys)
	}
	if err == nil {
		err = checkFile(file, changed)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	return !reviewed, replaceFile(file, changed)
}

// sealForReview seals a document again, with another scope that the MAC leaves out.
func sealForReview(document []byte, scope schemas.Scope, keys func() (secrets.Keys, error)) ([]byte, error) {
	opened, err := keys()
	if err != nil {
		return nil, fmt.Errorf("its mac covers the scope: %w", err)
	}
	clear, err := secrets.RevealText(document, opened)
	if err != nil {
		return nil, fmt.Errorf("its mac covers the scope: %w", err)
	}
	names, err := secrets.ListRecipients(document)
	if err != nil {
		return nil, err
	}
	recipients, err := secrets.ParseRecipients(names)
	if err != nil {
		return nil, err
	}
	if clear, err = secrets.ReplaceScope(clear, scope); err != nil {
		return nil, err
	}
	return secrets.SealReviewed(clear, recipients, time.Now())
}
