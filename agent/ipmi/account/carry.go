package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/wire"
)

// undoTime bounds the undoing after a failure, which also runs when the order's own time is over.
const undoTime = 2 * time.Minute

// ours is the grammar of the names that an order may name: no account of anybody else is ever touched.
var ours = regexp.MustCompile(`^ingot-[0-9a-f]{6}$`)

// Carry carries out an order, and says what became of it. Every command that changes something is in the report with
// the BMC's answer. Carry may be called again with the same order after it ended at any point.
func Carry(ctx context.Context, bmc ipmi.BMC, order wire.AccountOrder) wire.AccountReport {
	w := work{ctx: ctx, bmc: bmc, order: order, report: wire.AccountReport{ID: order.ID, Slot: order.Slot}}
	var err error
	switch {
	case !ours.MatchString(order.Name):
		err = problemf(wire.AccountNotUnderstood, "an account of ingot's is named ingot- and 6 hex digits")
	case order.Do == wire.AccountSurvey:
		err = w.survey()
	case order.Do == wire.AccountCreate:
		err = w.create()
	case order.Do == wire.AccountRemove:
		err = w.remove()
	default:
		err = problemf(wire.AccountNotUnderstood, "this agent knows no order %q: rebuild the ramdisk with the daemon's "+
			"version", order.Do)
	}
	w.note(err)
	return w.report
}

// work is one order under way.
type work struct {
	ctx    context.Context
	bmc    ipmi.BMC
	order  wire.AccountOrder
	table  table
	report wire.AccountReport
}

// note puts an error into the report.
func (w *work) note(err error) {
	var known *problem
	var refused *ipmi.CodeError
	switch {
	case err == nil:
		return
	case errors.As(err, &known):
		w.report.Problem = known.kind
	case errors.As(err, &refused):
		w.report.Problem = wire.AccountRefused
	default:
		w.report.Problem = wire.AccountNoAnswer
	}
	w.report.Error = err.Error()
}

// read reads the table; what cannot be read is a problem before anything is changed.
func (w *work) read() error {
	id, err := ipmi.Ask(w.ctx, w.bmc, ipmi.GetDeviceID())
	if err != nil {
		return unreadable(err)
	}
	w.report.Device = fmt.Sprintf("manufacturer %d, product %d, firmware %s, IPMI %s", id.Manufacturer, id.Product,
		id.Firmware, id.Version)
	if id.Updating {
		return problemf(wire.AccountUnreadable, "the BMC starts, or its firmware is being updated")
	}
	if w.table, err = readTable(w.ctx, w.bmc); err != nil {
		return unreadable(err)
	}
	w.report.Networks = wireNetworks(w.table.networks)
	return nil
}

func unreadable(err error) error { return problemf(wire.AccountUnreadable, "%v", err) }

// survey reads only.
func (w *work) survey() error {
	if err := w.read(); err != nil {
		return err
	}
	if _, missing := w.table.chooseChannels(w.order.Address); missing != nil {
		return missing
	}
	slot, missing := w.table.chooseSlot(w.order.Name)
	if missing != nil {
		return missing
	}
	w.report.Slot = int(slot)
	return nil
}

// create makes the account, or undoes what it did.
func (w *work) create() error {
	if err := w.read(); err != nil {
		return err
	}
	channels, missing := w.table.chooseChannels(w.order.Address)
	if missing != nil {
		return missing
	}
	if taken := w.table.checkSlot(w.order); taken != nil {
		return taken
	}
	err := w.makeAccount(channels)
	if err == nil {
		return nil
	}
	if left := w.undo(); left != nil {
		err = fmt.Errorf("%w; %w", err, left)
	}
	return err
}

// remove takes the account away.
func (w *work) remove() error {
	if err := w.read(); err != nil {
		return err
	}
	if taken := w.table.checkSlot(w.order); taken != nil {
		return taken
	}
	if w.table.users[w.order.Slot-1].isFree() {
		w.report.Left = wire.AccountFree
		return nil
	}
	return w.undo()
}

// makeAccount sends the commands. The account works after the last of them, and not before.
func (w *work) makeAccount(channels []byte) error {
	slot, name := byte(w.order.Slot), w.order.Name
	if w.table.users[slot-1].status == ipmi.StatusEnabled { // an earlier try of this order ended behind its last command
		if err := w.setStatus(ipmi.DisableUser(slot)); err != nil {
			return err
		}
	}
	if w.table.users[slot-1].name != name {
		set, err := ipmi.SetUserName(slot, name)
		if err = errors.Join(err, w.tell(set)); err != nil {
			return err
		}
		kept, err := ipmi.Ask(w.ctx, w.bmc, ipmi.GetUserName(slot))
		if err != nil {
			return err
		}
		if kept != name {
			return problemf(wire.AccountRefused, "the BMC took the name %s, and shows %q", name, kept)
		}
	}
	if err := w.setPassword(); err != nil {
		return err
	}
	for _, channel := range channels {
		if err := w.giveAccess(channel); err != nil {
			return err
		}
	}
	if err := w.setStatus(ipmi.EnableUser(slot)); err != nil {
		return err
	}
	return w.checkEnabled(channels)
}

// setPassword sets the password, and asks the BMC whether it keeps the whole of it. A BMC that cannot tell is believed:
// the daemon logs in.
func (w *work) setPassword() error {
	slot, password := byte(w.order.Slot), w.order.Password
	set, err := ipmi.SetPassword(slot, password)
	if err != nil {
		return problemf(wire.AccountPasswordRefused, "%v", err)
	}
	if err := w.tell(set); err != nil {
		var refused *ipmi.CodeError
		if errors.As(err, &refused) {
			return problemf(wire.AccountPasswordRefused, "%v", err)
		}
		return err
	}
	kept, err := w.keepsPassword(password)
	if err != nil {
		return err
	}
	if kept == no {
		return problemf(wire.AccountPasswordRefused, "the BMC took the password of %d bytes, and does not keep it",
			len(password))
	}
	if part := shorter(password); part != "" {
		short, err := w.keepsPassword(part)
		if err != nil {
			return err
		}
		if short == yes {
			return problemf(wire.AccountPasswordRefused, "the BMC took the password of %d bytes, and keeps %d of them",
				len(password), len(part))
		}
	}
	w.report.Tested = kept == yes
	return nil
}

// answer of a BMC that need not know the question.
type answer int

const (
	unknown answer = iota
	yes
	no
)

func (w *work) keepsPassword(password string) (answer, error) {
	test, err := ipmi.TestPassword(byte(w.order.Slot), password)
	if err != nil {
		return unknown, err
	}
	_, err = ipmi.Ask(w.ctx, w.bmc, test)
	var refused *ipmi.CodeError
	switch {
	case err == nil:
		return yes, nil
	case ipmi.WantsAnotherPassword(err):
		return no, nil
	case errors.As(err, &refused):
		return unknown, nil
	default:
		return unknown, err
	}
}

// giveAccess makes the account an administrator on a channel, and reads the access back.
func (w *work) giveAccess(channel byte) error {
	slot := byte(w.order.Slot)
	if err := w.tell(ipmi.SetUserAccess(channel, slot, ipmi.PrivilegeAdministrator)); err != nil {
		return err
	}
	access, err := ipmi.Ask(w.ctx, w.bmc, ipmi.GetUserAccess(channel, slot))
	if err != nil {
		return err
	}
	if access.Privilege != ipmi.PrivilegeAdministrator {
		return problemf(wire.AccountRefused, "the BMC took the access on channel %d, and shows privilege %d: see how much "+
			"its channel allows", channel, access.Privilege)
	}
	return nil
}

func (w *work) checkEnabled(channels []byte) error {
	access, err := ipmi.Ask(w.ctx, w.bmc, ipmi.GetUserAccess(channels[0], byte(w.order.Slot)))
	if err != nil {
		return err
	}
	if access.Status == ipmi.StatusDisabled {
		return problemf(wire.AccountRefused, "the BMC took the command to enable the account, and shows it disabled")
	}
	return nil
}

// setStatus enables or disables; some BMCs ask for an empty password behind.
func (w *work) setStatus(c ipmi.Command[ipmi.Done]) error {
	err := w.tell(c)
	if ipmi.HasCode(err, ipmi.CodeLength, ipmi.CodeTruncated) {
		return w.tell(ipmi.Padded(c))
	}
	return err
}

// undo disables the account, takes its access, its password and its name away, and reads back what is left. The error
// says that the slot is not free. The order of the commands is fixed by what matters most if one of them is the last.
func (w *work) undo() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), undoTime)
	defer cancel()
	before := w.ctx
	w.ctx = ctx
	defer func() { w.ctx = before }()
	slot := byte(w.order.Slot)
	if u, err := readUser(ctx, w.bmc, w.table.networks, slot); err == nil && u.name != "" && u.name != w.order.Name {
		w.report.Left = wire.AccountUnknown
		return fmt.Errorf("slot %d of the BMC was given the name %q by somebody else meanwhile, and is left alone", slot,
			u.name)
	}
	var errs []error
	errs = append(errs, w.setStatus(ipmi.DisableUser(slot)))
	for _, n := range w.table.networks {
		if n.isOpen(ctx, w.bmc, slot) {
			errs = append(errs, w.tell(ipmi.SetUserAccess(n.channel, slot, ipmi.PrivilegeNone)))
		}
	}
	if forgotten, err := ipmi.SetPassword(slot, rand.Text()[:16]); err == nil {
		_ = w.tell(forgotten) // the account does not work: a refusal changes nothing
		errs = append(errs, w.setStatus(ipmi.DisableUser(slot)))
	}
	if clear, err := ipmi.SetUserName(slot, ""); err == nil {
		errs = append(errs, w.tell(clear))
	}
	u, err := readUser(ctx, w.bmc, w.table.networks, slot)
	if err != nil {
		w.report.Left = wire.AccountUnknown
		return fmt.Errorf("slot %d of the BMC could not be read back: %w", slot, errors.Join(append(errs, err)...))
	}
	if w.report.Left = leftAs(u); w.report.Left == wire.AccountFree {
		return nil
	}
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	why := "the BMC took the commands, and did not do them"
	if i >= 0 {
		why = errs[i].Error()
	}
	return fmt.Errorf("slot %d of the BMC is left with the name %q, %s: %s", slot, u.name, spellStatus(u), why)
}

func spellStatus(u user) string {
	if u.isDisabled() {
		return "disabled"
	}
	return "enabled"
}

// isOpen reports whether a slot may do anything on a channel, or that cannot be told.
func (n network) isOpen(ctx context.Context, bmc ipmi.BMC, slot byte) bool {
	access, err := ipmi.Ask(ctx, bmc, ipmi.GetUserAccess(n.channel, slot))
	return err != nil || access.Messaging || (access.Privilege != ipmi.PrivilegeNone && access.Privilege != 0)
}

// tell sends a command that changes something, and keeps the answer in the report.
func (w *work) tell(c ipmi.Command[ipmi.Done]) error {
	_, err := ipmi.Ask(w.ctx, w.bmc, c)
	done := wire.BMCCommand{Name: c.Name}
	var refused *ipmi.CodeError
	switch {
	case errors.As(err, &refused):
		done.Code, done.Said = int(refused.Code), refused.Meaning()
	case err != nil:
		done.Code, done.Said = -1, err.Error()
	}
	w.report.Commands = append(w.report.Commands, done)
	return err
}
