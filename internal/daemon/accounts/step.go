package accounts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
)

// situation is what the daemon knows of a record, for the decision.
func (r *Runner) situation(record discovery.Record) account.Situation {
	now := r.config.Now()
	s := account.Situation{Asked: r.config.Asked(record), Clear: record.IsClear(), Address: chooseAddress(record.Addresses),
		Live: record.IsLive(now), Now: now}
	if record.Agent != nil {
		s.Agent = record.Agent.Key
	}
	if record.Proposal != nil {
		s.Declined, s.Merged = record.Proposal.State == discovery.Declined, record.Proposal.State == discovery.Merged
	}
	return s
}

// chooseAddress is the address by which the daemon logs in: an IPv4 address, else an IPv6 address.
func chooseAddress(addresses []string) string {
	for _, is := range []func(netip.Addr) bool{netip.Addr.Is4, netip.Addr.Is6} {
		for _, text := range addresses {
			if a, err := netip.ParseAddr(text); err == nil && is(a.Unmap()) {
				return a.Unmap().String()
			}
		}
	}
	return ""
}

// Step does the one thing that is due for a record, and says when to look again; 0 waits for a change. An error means
// that the thing was not done.
func (r *Runner) Step(ctx context.Context, id discovery.ID) (after time.Duration, err error) {
	if err := r.config.MayAct(); err != nil {
		return retryEvery, err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	record, err := r.config.Records.Get(id)
	if err != nil {
		return 0, nil // it was forgotten
	}
	a, now := record.Account, r.config.Now()
	do, after := a.Next(r.situation(record))
	switch do {
	case account.Nothing, account.Tell: // the agent asks by itself
		return after, nil
	case account.Begin:
		err = r.store(record, account.New(r.situation(record), r.fresh()))
	case account.Forget:
		err = r.store(record, nil)
	case account.Seal:
		err = r.seal(ctx, record)
	case account.Push:
		switch err = r.config.Branch.PushSecret(ctx, id, a.Sealed); {
		case err == nil:
			err = r.store(record, a.WithPushed(now))
		case errors.Is(err, ErrEnded):
			err = r.store(record, a.WithoutPush(err.Error(), r.fresh().Order, now))
		}
	case account.Undo:
		problem, text := why(r.situation(record), a)
		err = r.store(record, a.WithUndoing(problem, text, r.fresh().Order, now))
	case account.LogIn:
		return r.logIn(ctx, record)
	case account.Change:
		err = r.change(ctx, record)
	case account.Delete:
		return r.delete(ctx, record)
	default:
		return 0, fmt.Errorf("nobody knows how to do %q", do)
	}
	if err != nil {
		return retryEvery, err
	}
	return time.Nanosecond, nil // what follows is due at once
}

// why says why an account is taken away in the middle.
func why(s account.Situation, a *account.Account) (problem, text string) {
	switch {
	case !s.Clear:
		return account.Cancelled, "something speaks against the record: `ingot discovered list` says what"
	case s.Declined:
		return account.Cancelled, "the proposal was declined"
	case !s.Asked:
		return account.Cancelled, "no rule asks for an account any more, or discovery.credentials is off"
	case len(a.Logins) >= account.MaxLogins:
		return account.LoginRefused, "the BMC let the account in at none of the logins that are tried"
	case a.Agent != s.Agent:
		return account.AgentGone, "the machine was started again while its account was being made"
	default:
		return account.Cancelled, "it is not wanted any more"
	}
}

// store stores a record's account, if the record still has the one that the decision was made on.
func (r *Runner) store(seen discovery.Record, next *account.Account) error {
	return r.config.Records.Update(seen.ID, func(now *discovery.Record) error {
		if !same(now.Account, seen.Account) {
			return errChanged
		}
		now.Account = next
		if next == nil || next.Stage != account.Verified {
			return nil
		}
		now.Fingerprint = next.Fingerprint
		shown := inventory.BMCIdentity{}
		if now.Identity.BMC != nil {
			shown = *now.Identity.BMC
		}
		shown.Address = next.System
		now.Identity.BMC = &shown
		if now.Agent != nil && now.Agent.Key == next.Agent {
			now.Proof = discovery.Proof{Kind: discovery.ByAccount, Agent: next.Agent, System: next.System, At: next.Since}
		}
		return nil
	})
}

// same reports whether two readings are of the same account in the same state.
func same(a, b *account.Account) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Stage == b.Stage && a.Name == b.Name && a.Order == b.Order && a.Sealed == b.Sealed && a.Since.Equal(b.Since) &&
		slices.EqualFunc(a.Logins, b.Logins, time.Time.Equal)
}

// seal makes a password, and stores its ciphertext. The password itself is kept nowhere: it is opened again where it is
// needed.
func (r *Runner) seal(ctx context.Context, record discovery.Record) error {
	a := *record.Account
	password, err := account.NewPassword(r.config.Random, a.Form)
	if err != nil {
		return err
	}
	document, err := r.config.Sealer.Seal(ctx, record.ID, a.Name, password)
	if err != nil {
		return err
	}
	return r.store(record, a.WithSealed(document, r.config.Now()))
}

// logIn logs in once. The try is stored before it is made.
func (r *Runner) logIn(ctx context.Context, record discovery.Record) (time.Duration, error) {
	password, err := r.config.Sealer.Open(ctx, record.Account.Sealed)
	if err != nil {
		return retryEvery, err
	}
	a := record.Account.WithLogin(r.config.Now())
	if err := r.store(record, a); err != nil {
		return retryEvery, err
	}
	record.Account = a
	end := r.config.BMC.LogIn(ctx, r.target(a, password), machineOf(record))
	end.Error = r.clean(end.Error, maxError)
	next := a.WithLoginEnd(end, r.fresh(), r.config.Now())
	if err := r.store(record, next); err != nil {
		return retryEvery, err
	}
	if next.Stage == account.Verified {
		r.config.Log.Info("a BMC account holds", "record", record.ID, "account", a.Name, "bmc", a.Address)
	}
	if next.Stage == account.Made {
		return account.LoginPause, nil
	}
	return time.Nanosecond, nil
}

func (r *Runner) target(a *account.Account, password secret.Value) accounts.Target {
	return accounts.Target{Address: a.Address, Username: a.Name, Password: password, Fingerprint: a.Fingerprint,
		New: a.Stage != account.Verified && a.Stage != account.Deleting}
}

// machineOf is what the machine behind the BMC must show.
func machineOf(record discovery.Record) (m accounts.Machine) {
	if id := record.Identity.SMBIOS; id != nil {
		m.Serials, m.UUIDs = append(m.Serials, id.Serial), append(m.UUIDs, id.UUID)
	}
	if id := record.Identity.BMC; id != nil {
		m.Serials, m.UUIDs = append(m.Serials, id.Serial), append(m.UUIDs, id.UUID)
	}
	return m
}

// change changes the password over the network. A daemon that died behind the change finds that the new password works.
func (r *Runner) change(ctx context.Context, record discovery.Record) error {
	a := record.Account
	old, err := r.config.Sealer.Open(ctx, a.Before)
	if err != nil {
		return err
	}
	next, err := r.config.Sealer.Open(ctx, a.Sealed)
	if err != nil {
		return err
	}
	if end := r.config.BMC.LogIn(ctx, r.target(a, next), machineOf(record)); end.Kind == account.LoggedIn {
		return r.store(record, a.WithChanged(r.config.Now()))
	}
	if err := r.config.BMC.ChangePassword(ctx, r.target(a, old), next); err != nil {
		return r.store(record, a.WithUndoing(account.LoginRefused, r.clean(err.Error(), maxError), r.fresh().Order, r.config.Now()))
	}
	return r.store(record, a.WithChanged(r.config.Now()))
}

// delete deletes the account of a declined proposal. A failure is told, with the slot, and tried again every hour.
func (r *Runner) delete(ctx context.Context, record discovery.Record) (time.Duration, error) {
	a := record.Account
	if a.Stage == account.Deleting {
		if wait := a.Since.Add(deleteEvery).Sub(r.config.Now()); wait > 0 {
			return min(wait, deleteEvery), nil
		}
	}
	password, err := r.config.Sealer.Open(ctx, a.Sealed)
	failed := ""
	if err == nil {
		err = r.config.BMC.Delete(ctx, r.target(a, password))
	}
	if err != nil {
		failed = fmt.Sprintf("the account %s is still at the BMC %s, in slot %d: %s", a.Name, a.Address, a.Slot,
			r.clean(err.Error(), maxError))
		r.config.Log.Warn("a BMC account of a declined proposal is left", "record", record.ID, "why", failed)
	}
	return deleteEvery, r.store(record, a.WithDeleted(failed, r.config.Now()))
}

// fresh draws what an event may begin.
func (r *Runner) fresh() account.Fresh {
	var name [3]byte
	if _, err := io.ReadFull(r.config.Random, name[:]); err != nil {
		panic("accounts: there is no randomness: " + err.Error()) // crypto/rand never fails
	}
	return account.Fresh{Name: "ingot-" + hex.EncodeToString(name[:]), Order: rand.Text()}
}
