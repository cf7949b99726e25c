package account_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/ipmi/account"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/secret"
)

const (
	name     = "ingot-4be91c"
	password = "Aa0123456789bcdefghi" // 20
	address  = "10.0.0.13"
)

// lan is the channel with the address; the other network is not connected.
var channels = []inband.Channel{
	{Number: 0, Medium: 1},
	{Number: 3, Medium: 4, Redfish: true, MAC: [6]byte{4, 0x32, 1, 0xaa, 0xbb, 0xc1}, IPv4: netip.MustParseAddr(address),
		IPv6: []netip.Addr{netip.MustParseAddr("2001:db8::13")}},
	{Number: 8, Medium: 4},
}

// rig is a BMC in process, which can fail at a command.
type rig struct {
	*inband.Controller
	list *accounts.List
	// fail is asked before each message that changes something, with its number from 1 on.
	fail    func(number int) failure
	changes int
}

type failure int

const (
	works      failure = iota
	diesBefore         // the agent's process ends before the BMC has the message
	diesAfter          // the agent's process ends before it has the answer
	lost               // the message is lost
	unheard            // the answer is lost
)

// died is the panic of an agent that dies.
type died struct{}

var errSilence = errors.New("the BMC gave no answer")

// Send implements ipmi.BMC.
func (r *rig) Send(_ context.Context, m ipmi.Request) (byte, []byte, error) {
	how := works
	if changes(m) {
		r.changes++
		if r.fail != nil {
			how = r.fail(r.changes)
		}
	}
	switch how {
	case diesBefore:
		panic(died{})
	case lost:
		return 0, nil, errSilence
	}
	code, data := r.Answer(m.NetFn, m.Code, m.Data)
	switch how {
	case diesAfter:
		panic(died{})
	case unheard:
		return 0, nil, errSilence
	}
	return code, data, nil
}

// changes reports whether a message changes an account: Set User Access, Name, or Password but for its test.
func changes(m ipmi.Request) bool {
	return m.NetFn == 6 && (m.Code == 0x43 || m.Code == 0x45 || (m.Code == 0x47 && m.Data[1] != 3))
}

func newRig(t *testing.T, faults inband.Faults) *rig {
	t.Helper()
	list := accounts.New("admin", secret.New("factory"))
	for _, a := range []accounts.Account{{User: "backup", Password: secret.New("b"), Role: accounts.Operator, Enabled: true},
		{User: "parked", Password: secret.New("p"), Role: accounts.ReadOnly}} {
		if _, added := list.Add(a); !added {
			t.Fatal("an account cannot be added")
		}
	}
	return &rig{Controller: inband.New(list, inband.Config{Channels: channels, Faults: faults}), list: list}
}

// carry carries out an order; false means that the agent died.
func (r *rig) carry(t *testing.T, order wire.AccountOrder) (report wire.AccountReport, lived bool) {
	t.Helper()
	defer func() {
		if what := recover(); what != nil && what != (died{}) {
			panic(what)
		}
	}()
	r.changes = 0
	return account.Carry(t.Context(), r, order), true
}

// canLogIn reports whether the account works over the network, as an administrator.
func (r *rig) canLogIn(password string) bool {
	a, good := r.list.Find(name, password)
	return good && a.Role == accounts.Administrator
}

// others are the accounts of other people, as text.
func (r *rig) others() (list []string) {
	for slot := accounts.FirstSlot; slot <= accounts.LastSlot; slot++ {
		if a := r.list.At(slot); a.User != "" && a.User != name {
			list = append(list, fmt.Sprint(slot, a.User, a.Role, a.Enabled, a.Password.Reveal(), a.Channels))
		}
	}
	return list
}

func order(do string, slot int) wire.AccountOrder {
	o := wire.AccountOrder{ID: "o1", Do: do, Name: name, Slot: slot, Address: address}
	if do == wire.AccountCreate {
		o.Password = password
	}
	return o
}

func TestAnAccountIsMadeAndRemoved(t *testing.T) {
	t.Parallel()
	for about, faults := range map[string]inband.Faults{"well-behaved": {}, "wants padding": {WantPadding: true}, "IPMI 1.5": {NoStatus: true},
		"cannot test a password": {NoTest: true}} {
		r := newRig(t, faults)
		before := r.others()
		survey, _ := r.carry(t, order(wire.AccountSurvey, 0))
		want := []wire.BMCNetwork{{Channel: 3, MAC: "04:32:01:aa:bb:c1", Addresses: []string{address, "2001:db8::13"}}, {Channel: 8}}
		if diff := cmp.Diff(want, survey.Networks); diff != "" || survey.Problem != "" || len(r.Log()) != 0 {
			t.Errorf("%s: survey %+v, changed %v (-want +got)\n%s", about, survey, r.Log(), diff)
		}
		if survey.Slot != 5 { // 2, 3 and 4 have names
			t.Errorf("%s: slot %d, want 5", about, survey.Slot)
		}
		made, _ := r.carry(t, order(wire.AccountCreate, survey.Slot))
		if made.Problem != "" || !r.canLogIn(password) || made.Tested == faults.NoTest {
			t.Errorf("%s: %+v, login %t", about, made, r.canLogIn(password))
		}
		if last := made.Commands[len(made.Commands)-1]; last.Name != "Set User Password (enable)" || last.Code != 0 {
			t.Errorf("%s: the last command is %+v: enable must be the last", about, last)
		}
		if a := r.list.At(survey.Slot); a.Channels[8] != 0 {
			t.Errorf("%s: access on another network: %v", about, a.Channels)
		}
		gone, _ := r.carry(t, order(wire.AccountRemove, survey.Slot))
		if gone.Problem != "" || gone.Left != wire.AccountFree || r.list.At(survey.Slot).User != "" || r.list.At(survey.Slot).Enabled {
			t.Errorf("%s: removed: %+v, slot %+v", about, gone, r.list.At(survey.Slot))
		}
		if kept := r.list.At(survey.Slot).Password; kept.Equal(secret.New(password)) {
			t.Errorf("%s: the BMC still keeps the password", about)
		}
		if diff := cmp.Diff(before, r.others()); diff != "" {
			t.Errorf("%s: accounts of others changed (-want +got)\n%s", about, diff)
		}
	}
}

// TestRefusals: each refusal is told with its reason, and leaves the slot free.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for about, test := range map[string]struct {
		faults  inband.Faults
		order   func(*wire.AccountOrder)
		list    func(*accounts.List)
		problem string
		text    string
		left    string
	}{
		"table full": {list: fill, problem: wire.AccountFull, text: "none of the BMC's 10 accounts is free"},
		"the name is taken": {list: func(l *accounts.List) { l.Add(accounts.Account{User: name, Enabled: true}) },
			problem: wire.AccountNameTaken, text: "slot 5 of the BMC already has an account ingot-4be91c"},
		"no network with the address": {order: func(o *wire.AccountOrder) { o.Address = "10.0.0.14" },
			problem: wire.AccountNoNetwork, text: "no network channel of the BMC has the address 10.0.0.14"},
		"not ours":          {order: func(o *wire.AccountOrder) { o.Name = "admin" }, problem: wire.AccountNotUnderstood, text: "ingot- and 6 hex digits"},
		"an order of later": {order: func(o *wire.AccountOrder) { o.Do = "paint" }, problem: wire.AccountNotUnderstood, text: `no order "paint"`},
		"refuses 20 bytes": {faults: inband.Faults{RefuseLong: true}, problem: wire.AccountPasswordRefused,
			text: "Set User Password (set): the BMC does not take a value of the request (completion code 0xcc)", left: wire.AccountFree},
		"takes 20 bytes and keeps 16": {faults: inband.Faults{KeepShort: true}, problem: wire.AccountPasswordRefused,
			text: "the BMC took the password of 20 bytes, and keeps 16 of them", left: wire.AccountFree},
		"wants another character": {faults: inband.Faults{RefusePlain: true}, problem: wire.AccountPasswordRefused, text: "0xcc", left: wire.AccountFree},
		"refuses the name": {faults: inband.Faults{Codes: map[byte]byte{0x45: 0xd4}}, problem: wire.AccountRefused,
			text: "Set User Name: the BMC does not let this interface do that (completion code 0xd4)", left: wire.AccountFree},
		"refuses access": {faults: inband.Faults{Codes: map[byte]byte{0x43: 0xcc}}, problem: wire.AccountRefused, text: "Set User Access", left: wire.AccountFree},
		"wrong channel": {faults: inband.Faults{IgnoreAccess: true}, problem: wire.AccountRefused,
			text: "the BMC took the access on channel 3, and shows privilege 15", left: wire.AccountFree},
		"keeps the name": {faults: inband.Faults{RefuseLong: true, KeepName: true}, problem: wire.AccountPasswordRefused,
			text: `slot 5 of the BMC is left with the name "ingot-4be91c", disabled: Set User Name: the BMC does not take`, left: wire.AccountDisabled},
		"cannot be read": {faults: inband.Faults{Codes: map[byte]byte{0x44: 0xc0}}, problem: wire.AccountUnreadable, text: "Get User Access: the BMC is busy"},
	} {
		r := newRig(t, test.faults)
		if test.list != nil {
			test.list(r.list)
		}
		before, o := r.others(), order(wire.AccountSurvey, 0)
		if test.order != nil {
			test.order(&o)
		}
		report, _ := r.carry(t, o)
		if report.Problem == "" {
			o.Do, o.Password, o.Slot = wire.AccountCreate, password, report.Slot
			report, _ = r.carry(t, o)
		}
		if report.Problem != test.problem || !strings.Contains(report.Error, test.text) || report.Left != test.left {
			t.Errorf("%s: %s %q, left %q, want %s %q, left %q", about, report.Problem, report.Error, report.Left, test.problem, test.text, test.left)
		}
		if len(report.Error) > 320 || strings.Contains(fmt.Sprintf("%+v", report), password) {
			t.Errorf("%s: too long, or with the password: %+v", about, report)
		}
		if r.canLogIn(password) && about != "the name is taken" {
			t.Errorf("%s: the account works", about)
		}
		if diff := cmp.Diff(before, r.others()); diff != "" {
			t.Errorf("%s: accounts of others changed (-want +got)\n%s", about, diff)
		}
	}
}

// fill takes every slot.
func fill(l *accounts.List) {
	for i := range 20 {
		l.Add(accounts.Account{User: fmt.Sprint("user", i), Enabled: i%2 == 0, Role: accounts.Operator, Password: secret.New("x")})
	}
}

// TestEveryCut ends the procedure at each command, in each way. Whatever happened: the same order again makes the account,
// a removal frees the slot, no account of others changes, and nobody can log in before the last command.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	whole := newRig(t, inband.Faults{})
	if report, _ := whole.carry(t, order(wire.AccountCreate, 5)); report.Problem != "" {
		t.Fatal(report)
	}
	commands := whole.changes
	if commands < 4 {
		t.Fatalf("%d commands: this test shows little", commands)
	}
	for at := 1; at <= commands; at++ {
		for how := diesBefore; how <= unheard; how++ {
			about := fmt.Sprintf("command %d of %d, %d", at, commands, how)
			r := newRig(t, inband.Faults{})
			before := r.others()
			r.fail = func(number int) failure {
				if number == at {
					return how
				}
				return works
			}
			report, lived := r.carry(t, order(wire.AccountCreate, 5))
			if lived != (how >= lost) || lived && (report.Problem != wire.AccountNoAnswer || report.Left != wire.AccountFree) {
				t.Errorf("%s: lived %t, %+v", about, lived, report)
			}
			if works := r.canLogIn(password); works && (at != commands || how != diesAfter) {
				t.Errorf("%s: the account works", about)
			}
			r.fail = nil
			for _, next := range []string{wire.AccountCreate, wire.AccountRemove} {
				again := newRig(t, inband.Faults{})
				again.list, again.Controller = r.list, r.Controller
				o := order(next, 5)
				if next == wire.AccountCreate {
					o.Password = "Bb0123456789cdefghij"
				}
				report, _ := again.carry(t, o)
				if report.Problem != "" || again.canLogIn(o.Password) != (next == wire.AccountCreate) {
					t.Errorf("%s, then %s: %+v, login %t", about, next, report, again.canLogIn(o.Password))
				}
			}
			if diff := cmp.Diff(before, r.others()); diff != "" || r.list.At(5).User != "" {
				t.Errorf("%s: slot %+v, accounts of others (-want +got)\n%s", about, r.list.At(5), diff)
			}
		}
	}
}

// TestASlotThatSomebodyTookIsLeftAlone: between the survey and the order, and in the middle of the order.
func TestASlotThatSomebodyTookIsLeftAlone(t *testing.T) {
	t.Parallel()
	theirs := accounts.Account{User: "carol", Password: secret.New("c"), Role: accounts.Administrator, Enabled: true}
	r := newRig(t, inband.Faults{})
	r.list.Add(theirs)
	before := r.others()
	for _, do := range []string{wire.AccountCreate, wire.AccountRemove} {
		if report, _ := r.carry(t, order(do, 5)); report.Problem != wire.AccountSlotTaken || !slices.Equal(before, r.others()) || len(r.Log()) > 0 {
			t.Errorf("%s: %+v, accounts %v", do, report, r.others())
		}
	}
	for _, slot := range []int{0, 1, 17, -3} {
		if report, _ := r.carry(t, order(wire.AccountCreate, slot)); report.Problem != wire.AccountSlotTaken || len(r.Log()) > 0 {
			t.Errorf("slot %d: %+v", slot, report)
		}
	}
	r = newRig(t, inband.Faults{})
	r.fail = func(number int) failure {
		if number == 2 { // the name is set
			r.list.ChangeSlot(5, func(a *accounts.Account) bool { *a = theirs; return true })
			return lost
		}
		return works
	}
	report, _ := r.carry(t, order(wire.AccountCreate, 5))
	if a := r.list.At(5); report.Left != wire.AccountUnknown || a.User != "carol" || !a.Enabled || !a.Password.Equal(theirs.Password) {
		t.Errorf("%+v, slot %+v", report, a)
	}
}
