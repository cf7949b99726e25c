package rotations

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/rotation"
)

// seal draws a password of a form, and stores its ciphertext. The password is kept nowhere: it is opened where it is needed.
func (k *Keeper) seal(j job, form account.Form, why string) error {
	password, err := account.NewPassword(k.config.Random, form)
	if err != nil {
		return err
	}
	document, err := k.config.Sealer.Seal(string(j.sealed.Document), password)
	if err != nil {
		return fmt.Errorf("seal Secret %s: %w", j.sealed.Name, err)
	}
	return k.store(j.id, rotation.Rotation{Secret: j.sealed.Name, File: j.sealed.File, Host: j.ID, Value: j.value, Stage: rotation.Sealed,
		Document: document, Before: string(j.sealed.Document), Form: int(form), Error: why})
}

// adopt takes the ciphertext of a rotation that this daemon does not remember. The BMC may have either password.
func (k *Keeper) adopt(ctx context.Context, j job) error {
	document, tip, err := k.config.Read(ctx, string(j.id), j.sealed.File)
	if err != nil || document == nil {
		return err
	}
	switch data, err := k.openDocument(string(document)); {
	case err != nil:
		return fmt.Errorf("the Secret of %s%s: %w", k.config.Prefix, j.id, err)
	case data["password"].Empty():
		return fmt.Errorf("the Secret of %s%s has no password", k.config.Prefix, j.id)
	}
	k.config.Log.Info("the change of a BMC's password is taken up from its proposal", "secret", j.sealed.Name, "branch", k.config.Prefix+string(j.id))
	r := rotation.Rotation{Secret: j.sealed.Name, File: j.sealed.File, Host: j.ID, Value: j.value, Stage: rotation.Changing,
		Document: string(document), Before: string(j.sealed.Document), Adopted: true}
	now := k.config.Now()
	if err := k.config.Records.AddRotation(discovery.Record{ID: j.id, Registered: now, LastWord: now, Rotation: &r,
		Proposal: &discovery.Proposal{State: discovery.Open, Tip: tip}}); err != nil {
		return err
	}
	k.hold(r)
	return nil
}

// store writes a rotation into its record. What the record says holds from then on.
func (k *Keeper) store(id discovery.ID, r rotation.Rotation) error {
	_, err := k.config.Records.Get(id)
	if err != nil {
		err = k.config.Records.AddRotation(discovery.Record{ID: id, Registered: k.config.Now(), LastWord: k.config.Now(), Rotation: &r})
	} else {
		err = k.config.Records.Update(id, func(record *discovery.Record) error {
			record.Rotation, record.LastWord = &r, k.config.Now()
			return nil
		})
	}
	if err == nil {
		k.hold(r)
	}
	return err
}

// hold has Open answer by a rotation.
func (k *Keeper) hold(r rotation.Rotation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current[r.Secret] = &r
	if r.Ended {
		delete(k.current, r.Secret)
		clear(k.opened)
	}
}

// refresh keeps the record of a rotation from ending.
func (k *Keeper) refresh(r *discovery.Record) error {
	if r == nil || k.config.Now().Sub(r.LastWord) < keptFor {
		return nil
	}
	return k.store(r.ID, *r.Rotation)
}

// drop ends a rotation: its branch is taken back, and then the record goes.
func (k *Keeper) drop(r discovery.Record) error {
	if !r.Rotation.Ended {
		k.config.Log.Info("the change of a BMC's password is over", "secret", r.Rotation.Secret, "stage", r.Rotation.Stage)
		ended := *r.Rotation
		ended.Ended = true
		return k.store(r.ID, ended)
	}
	if p := r.Proposal; p != nil && p.State == discovery.Open && p.Tip+p.Next != "" {
		return nil // until the branch is gone
	}
	return k.config.Records.Forget(r.ID)
}

// passwords of a rotation.
type passwords struct{ before, next accounts.Target }

func (k *Keeper) openBoth(j job, r rotation.Rotation) (p passwords, err error) {
	if j.BMC == nil {
		return p, errors.New("the host has no BMC any more")
	}
	for document, target := range map[string]*accounts.Target{r.Before: &p.before, r.Document: &p.next} {
		data, err := k.openDocument(document)
		if err != nil {
			return p, err
		}
		*target = accounts.Target{Address: j.BMC.Address, Username: data["username"].Reveal(), Password: data["password"],
			TLS: &conn.TLS{Fingerprint: j.BMC.TLS.Fingerprint, CA: j.BMC.TLS.CA}}
	}
	return p, nil
}

// begin changes the password of a BMC that has the old one: the login with the old one comes first, and the note that the
// BMC may have either comes before the change.
func (k *Keeper) begin(ctx context.Context, j job, r rotation.Rotation) error {
	p, err := k.openBoth(j, r)
	if err != nil {
		return err
	}
	switch end := k.logIn(ctx, j, p.before); end.Kind {
	case account.LoggedIn, account.MustChange:
	case account.NoAnswer:
		return k.wait(j, r, end.Error, time.Minute)
	default:
		return k.fail(j, r, end.Error)
	}
	r.Stage, r.Error = rotation.Changing, ""
	if err := k.store(j.id, r); err != nil {
		return err
	}
	return k.change(ctx, j, r, p)
}

// resolve finds out which password the BMC has: the newer first.
func (k *Keeper) resolve(ctx context.Context, j job, r rotation.Rotation) error {
	p, err := k.openBoth(j, r)
	if err != nil {
		return err
	}
	switch end := k.logIn(ctx, j, p.next); end.Kind {
	case account.LoggedIn:
		return k.finish(j, r)
	case account.NotLetIn:
	default:
		return k.wait(j, r, end.Error, time.Minute)
	}
	switch end := k.logIn(ctx, j, p.before); end.Kind {
	case account.LoggedIn, account.MustChange:
		if r.Adopted { // whoever wrote that ciphertext: the BMC does not have its password
			r.Ended = true
			return k.store(j.id, r)
		}
		return k.change(ctx, j, r, p)
	case account.NotLetIn:
		return k.wait(j, r, "it lets neither password in, or has locked the account: "+end.Error, bothRefused)
	default:
		return k.wait(j, r, end.Error, time.Minute)
	}
}

// statusesOfNone are the answers of a service that changes no password: the account has no privilege, or the service is read
// only, does not list the account (0), or knows no such request. Another password gets the same answer.
var statusesOfNone = []int{0, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}

// change sends the one command, and logs in with the new password. A refusal means that the BMC keeps the old one: the next
// form of a password is sealed and pushed then, unless the service changes no password whatever its form.
func (k *Keeper) change(ctx context.Context, j job, r rotation.Rotation, p passwords) error {
	if err := k.config.BMC.ChangePassword(ctx, p.before, p.next.Password); err != nil {
		said := conn.AsError(err)
		isRefusal := said != nil && said.Kind == conn.Refused && !said.Temporary
		changesNone := isRefusal && slices.Contains(statusesOfNone, said.Status)
		if !isRefusal || said.Status >= http.StatusInternalServerError && !changesNone {
			return k.wait(j, r, err.Error(), time.Minute)
		}
		if end := k.logIn(ctx, j, p.before); end.Kind != account.LoggedIn && end.Kind != account.MustChange {
			return k.wait(j, r, err.Error(), time.Minute) // it refused, and nobody knows what it keeps
		}
		if changesNone {
			return k.fail(j, r, err.Error()+". Its Redfish service changes no password of this account: change it in the BMC's own interface, and the Secret")
		}
		if form := account.Form(r.Form); form < account.LastForm {
			return k.seal(j, form+1, k.clean(err.Error()))
		}
		return k.fail(j, r, err.Error()+". Its Redfish service takes no other password from ingot: change it in the BMC's own interface, and the Secret")
	}
	switch end := k.logIn(ctx, j, p.next); end.Kind {
	case account.LoggedIn:
		return k.finish(j, r)
	default:
		return k.wait(j, r, end.Error, time.Minute)
	}
}

func (k *Keeper) logIn(ctx context.Context, j job, t accounts.Target) account.Login {
	m := accounts.Machine{Serials: []string{j.Identity.Serial}, UUIDs: []string{j.Identity.UUID}}
	known := j.record.Identity()
	if known.BMC != nil {
		m.Serials, m.UUIDs = append(m.Serials, known.BMC.Serial), append(m.UUIDs, known.BMC.UUID)
	}
	if known.SMBIOS != nil {
		m.Serials, m.UUIDs = append(m.Serials, known.SMBIOS.Serial), append(m.UUIDs, known.SMBIOS.UUID)
	}
	return k.config.BMC.LogIn(ctx, t, m)
}

func (k *Keeper) finish(j job, r rotation.Rotation) error {
	k.config.Log.Info("the password of a BMC is changed", "secret", r.Secret, "host", r.Host, "branch", k.config.Prefix+string(j.id))
	r.Stage, r.Error = rotation.Changed, ""
	return k.store(j.id, r)
}

func (k *Keeper) fail(j job, r rotation.Rotation, why string) error {
	r.Stage, r.Error = rotation.Failed, k.clean(why)
	k.config.Log.Warn("the password of a BMC is not changed", "secret", r.Secret, "host", r.Host, "why", r.Error)
	return k.store(j.id, r)
}

// wait tries again after a pause.
func (k *Keeper) wait(j job, r rotation.Rotation, why string, pause time.Duration) error {
	k.later[j.sealed.Name] = k.config.Now().Add(pause)
	if r.Error = k.clean(why); r.Stage == "" {
		return nil
	}
	return k.store(j.id, r)
}

// clean is what a BMC says, without secrets, cut.
func (k *Keeper) clean(text string) string {
	text = k.config.Mask(text)
	return text[:min(len(text), maxError)]
}
