package accounts

import (
	"context"
	"errors"

	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/proposal"
)

// Proposals is the Branch of package proposals, which pushes what ProposedSecret gives, and notes in the record what
// the branch has.
type Proposals struct {
	Records Records
	Wake    func() // has the records looked at soon
}

// errNotPushed means that the branch does not have the ciphertext yet: the push is asked for again.
var errNotPushed = errors.New("the proposal branch does not have the Secret yet: `ingot discovered list` says what keeps it " +
	"from being pushed")

// ErrEnded means that the proposal has ended without the ciphertext.
var ErrEnded = errors.New("the proposal was merged before it had the account's Secret: write spec.bmc.credentials of the host")

// PushSecret implements Branch. It returns without an error once the branch that the daemon pushed has the document.
func (p Proposals) PushSecret(_ context.Context, id discovery.ID, document string) error {
	record, err := p.Records.Get(id)
	if err != nil {
		return err
	}
	if s := record.Proposal; s != nil {
		has := s.Tip != "" && s.Secret == (&proposal.Secret{Document: []byte(document)}).Digest()
		switch {
		case has && (s.State == discovery.Open || s.State == discovery.Merged):
			return nil
		case s.State == discovery.Merged:
			return ErrEnded
		}
	}
	p.Wake()
	return errNotPushed
}

// ProposedSecret is the Secret of a record's proposal; nil while there is no ciphertext.
func ProposedSecret(record discovery.Record) (*proposal.Secret, error) {
	a := record.Account
	switch {
	case !a.NeedsCiphertext() || a.Sealed == "":
		return nil, nil
	case a.Holds():
		return &proposal.Secret{Name: SecretName(record.ID), Document: []byte(a.Sealed)}, nil
	case a.Stage == account.Failed:
		return &proposal.Secret{Name: SecretName(record.ID), Document: []byte(a.Sealed),
			Note: "the account " + a.Name + " could not be made, and is left at the BMC: " + a.Error}, nil
	default:
		return &proposal.Secret{Name: SecretName(record.ID), Document: []byte(a.Sealed),
			Note: "the account " + a.Name + " is not verified yet: wait before you merge"}, nil
	}
}

// SecretName is the name of the Secret with the account of a record's BMC.
func SecretName(id discovery.ID) string { return "bmc-" + string(id.Machine()) }
