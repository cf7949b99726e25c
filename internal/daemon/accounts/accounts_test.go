package accounts_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/agent/ipmi"
	ipmiaccount "github.com/gitmetal/ingot/agent/ipmi/account"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/console"
	redfish "github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/internal/daemon/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/bmctest"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

const (
	id       = discovery.ID("7f3a9c21e0b4")
	agentKey = "the agent's key"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// died is the panic of a daemon or an agent that dies.
type died struct{}

// world is a machine with its BMC, its agent, the remote repository, and what a daemon has on disk.
type world struct {
	t       *testing.T
	bmc     *bmc.BMC
	service redfish.Service
	record  []byte // on disk
	branch  string // the ciphertext at the remote repository
	// branchOf takes what is pushed, in place of the test
	branchOf accounts.Branch
	key      *age.X25519Identity
	now      time.Time
	asked    bool
	noPush   bool
	told     int // orders with a password
	masked   console.Secrets
	// sealedAll are all ciphertexts that were made
	sealedAll []string
	// cut is the number of the call of a port at which the daemon dies: before it if odd, behind it if even. 0 never.
	cut, calls int
	aside      error // why the daemon may not act
	runner     *accounts.Runner
}

var hosts atomic.Int32

func newWorld(t *testing.T, faults bmc.Faults, inBand inband.Faults) *world {
	t.Helper()
	// an address of its own, for the budget of logins
	n := hosts.Add(1)
	address := netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
	b, at := bmctest.Serve(t, bmc.Config{Username: "admin", Password: secret.New("factory"), Faults: faults, Identity: bmc.Identity{Serial: "LAB0009"},
		InBand: inband.Config{Slots: 6, Faults: inBand, Channels: []inband.Channel{{Number: 8, Medium: 4, Redfish: true, IPv4: address}}}})
	w := &world{t: t, bmc: b, now: noon, asked: true}
	w.service = redfish.Service{Base: conn.Config{Now: w.clock, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}}}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.key = key
	w.keep(discovery.Record{ID: id, Registered: noon, LastWord: noon, Agent: &discovery.Agent{Key: agentKey}, Addresses: []string{address.String()},
		Identity: inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{Serial: "LAB0009"}}})
	w.restart()
	return w
}

func (w *world) clock() time.Time { return w.now }

// restart starts a daemon, which knows what is on disk.
func (w *world) restart() {
	w.runner = accounts.Open(accounts.Config{Records: w, Branch: w, Sealer: w, BMC: w, Random: rand.Reader, Now: w.clock, Mask: w.masked.Mask,
		Asked: func(discovery.Record) bool { return w.asked }, MayAct: func() error { return w.aside }})
}

// around is a call of a port, at which the daemon may die.
func (w *world) around(call func()) {
	w.calls++
	if w.cut == 2*w.calls-1 {
		panic(died{})
	}
	call()
	if w.cut == 2*w.calls {
		panic(died{})
	}
}

func (w *world) keep(r discovery.Record) {
	data, err := format.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.record = data
}

func (w *world) read() (r discovery.Record) {
	if err := format.Unmarshal(w.record, &r); err != nil {
		w.t.Fatal(err)
	}
	r.LastWord = w.now
	return r
}

func (w *world) account() account.Account {
	if a := w.read().Account; a != nil {
		return *a
	}
	return account.Account{}
}

// List, Get and Update implement accounts.Records.
func (w *world) List() []discovery.Record                   { return []discovery.Record{w.read()} }
func (w *world) Get(discovery.ID) (discovery.Record, error) { return w.read(), nil }
func (w *world) Update(_ discovery.ID, change func(*discovery.Record) error) (err error) {
	w.around(func() {
		r := w.read()
		if err = change(&r); err == nil {
			w.keep(r)
		}
	})
	return err
}

// PushSecret implements accounts.Branch.
func (w *world) PushSecret(ctx context.Context, id discovery.ID, document string) (err error) {
	if w.branchOf != nil {
		return w.branchOf.PushSecret(ctx, id, document)
	}
	w.around(func() {
		if err = errors.New("the remote repository is away"); !w.noPush {
			w.branch, err = document, nil
		}
	})
	return err
}

// Seal and Open implement accounts.Sealer with the fleet's own format.
func (w *world) Seal(_ context.Context, record discovery.ID, username string, password secret.Value) (document string, err error) {
	plain := secrets.Plain{Name: "bmc-" + string(record.Machine()), Scope: schemas.Scope{Hosts: []string{string(record.Machine())}},
		Data: map[string]secret.Value{"username": secret.New(username), "password": password}}
	w.masked.Add(password)
	data, err := secrets.SealSecret(plain, []age.Recipient{w.key.Recipient()}, w.now)
	w.sealedAll = append(w.sealedAll, string(data))
	return string(data), err
}

func (w *world) Open(_ context.Context, document string) (secret.Value, error) {
	file := filepath.Join(w.t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(w.key.String()), 0o600); err != nil {
		return secret.Value{}, err
	}
	keys, err := secrets.LoadKeys(file, nil)
	if err != nil {
		return secret.Value{}, err
	}
	data, err := secrets.OpenSecret([]byte(document), keys)
	w.masked.Add(data["password"])
	return data["password"], err
}

// LogIn, ChangePassword and Delete implement accounts.BMC.
func (w *world) LogIn(ctx context.Context, t redfish.Target, m redfish.Machine) (end account.Login) {
	w.around(func() { end = w.service.LogIn(ctx, t, m) })
	return end
}

func (w *world) ChangePassword(ctx context.Context, t redfish.Target, next secret.Value) (err error) {
	w.around(func() { err = w.service.ChangePassword(ctx, t, next) })
	return err
}

func (w *world) Delete(ctx context.Context, t redfish.Target) (err error) {
	w.around(func() { err = w.service.Delete(ctx, t) })
	return err
}

// kcs is the agent's way to the BMC.
type kcs struct{ *inband.Controller }

func (k kcs) Send(_ context.Context, r ipmi.Request) (byte, []byte, error) {
	code, data := k.Answer(r.NetFn, r.Code, r.Data)
	return code, data, nil
}

// turn is what happens in a moment: the daemon does what is due, and the agent asks.
func (w *world) turn() (err error) {
	defer func() {
		if what := recover(); what != nil && what != (died{}) {
			panic(what)
		} else if what != nil {
			w.restart()
		}
	}()
	_, err = w.runner.Step(w.t.Context(), id)
	order, asking := w.answer(agentKey, nil)
	if order == nil {
		return errors.Join(err, asking)
	}
	if order.Password != "" {
		w.told++
		if kept, failed := w.Open(w.t.Context(), w.branch); failed != nil || kept.Reveal() != order.Password {
			w.t.Errorf("the agent is told a password that the branch does not have: %v", failed)
		}
	}
	report := ipmiaccount.Carry(w.t.Context(), kcs{w.bmc.InBand()}, *order)
	_, reporting := w.answer(agentKey, &report)
	return errors.Join(err, reporting)
}

// answer is what the door asks for an agent.
func (w *world) answer(key string, report *wire.AccountReport) (*wire.AccountOrder, error) {
	seen := w.read()
	seen.Agent = &discovery.Agent{Key: key}
	return w.runner.Answer(w.t.Context(), seen, report)
}

// turns is more than any story takes: a BMC that does not answer is asked for 10 minutes, every 20 seconds.
const turns = 300

// settle lets moments pass until nothing is under way.
func (w *world) settle() account.Account {
	w.t.Helper()
	for range turns {
		before := w.calls
		_ = w.turn() // it is tried again
		if a := w.read().Account; !a.IsUnderWay() && w.calls == before {
			return w.account()
		}
		w.now = w.now.Add(5 * time.Second)
	}
	return w.account()
}

// works reports whether the password of a ciphertext lets the account in.
func (w *world) works(document string) bool {
	if document == "" {
		return false
	}
	password, err := w.Open(w.t.Context(), document)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.bmc.Login(w.account().Name, password)
}

// TestAnAccountIsMadeAndProved: with the password's form that the BMC takes.
func TestAnAccountIsMadeAndProved(t *testing.T) {
	t.Parallel()
	for about, test := range map[string]struct {
		faults bmc.Faults
		inBand inband.Faults
		form   account.Form
	}{
		"well-behaved":               {form: account.Long},
		"refuses 20 bytes":           {inBand: inband.Faults{RefuseLong: true}, form: account.Short},
		"keeps 16 of 20 bytes":       {inBand: inband.Faults{KeepShort: true}, form: account.Short},
		"cannot test":                {inBand: inband.Faults{NoTest: true}, form: account.Long},
		"keeps 16, and cannot test":  {inBand: inband.Faults{KeepShort: true, NoTest: true}, form: account.Short},
		"wants a special character":  {inBand: inband.Faults{RefusePlain: true}, form: account.Special},
		"does not answer for a time": {faults: bmc.Faults{DropConnections: 5}, form: account.Long},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.faults, test.inBand)
			a := w.settle()
			record := w.read()
			if a.Stage != account.Verified || a.Form != test.form || !w.works(w.branch) || w.branch != a.Sealed {
				t.Fatalf("%+v, the branch's password works: %t", a, w.works(w.branch))
			}
			if fingerprint, _ := w.bmc.Fingerprint(); record.Fingerprint != fingerprint || record.ProvenBy(a.System) != discovery.ByAccount {
				t.Errorf("the pin is %s, the certificate %s, proof %+v", record.Fingerprint, fingerprint, record.Proof)
			}
			if refused := w.bmc.Log().Counts().RefusedLogins; refused > account.MaxLogins {
				t.Errorf("%d refused logins", refused)
			}
			for _, line := range w.bmc.Log().Story() {
				if !strings.HasPrefix(line, "in-band") && line != "login-refused" {
					t.Errorf("the BMC was told: %s", line)
				}
			}
			w.asked = false // a rule that asks no more takes no account away
			if again := w.settle(); again.Stage != account.Verified {
				t.Errorf("the rule is gone: %+v", again)
			}
		})
	}
}

// TestFailures: what fails is told with its reason, nothing at the BMC works, and an operator's word begins it anew.
func TestFailures(t *testing.T) {
	t.Parallel()
	for about, test := range map[string]struct {
		faults        bmc.Faults
		inBand        inband.Faults
		change        func(*world)
		problem, text string
		left          string
		logins        int
	}{
		"network login failing": {faults: bmc.Faults{RefuseLogin: true}, problem: account.LoginRefused, text: "401", left: account.Free, logins: 3},
		"no route to the BMC":   {faults: bmc.Faults{DropConnections: 1000}, problem: account.NoLogin, text: "no answer", left: account.Free},
		"another machine's BMC": {change: func(w *world) {
			r := w.read()
			r.Identity.SMBIOS.Serial = "LAB0010"
			w.keep(r)
		}, problem: account.OtherMachine, text: `is that of another machine: it shows serial "LAB0009"`, left: account.Free},
		"wrong channel":  {inBand: inband.Faults{IgnoreAccess: true}, problem: "Refused", text: "the BMC took the access on channel 8", left: account.Free},
		"keeps the name": {faults: bmc.Faults{RefuseLogin: true}, inBand: inband.Faults{KeepName: true}, problem: account.LoginRefused, text: "cannot be taken away", left: account.Disabled, logins: 3},
		"table full": {change: func(w *world) {
			for slot := range 4 {
				w.bmc.InBand().Answer(6, 0x45, append([]byte{byte(3 + slot)}, append([]byte("user"), make([]byte, 12)...)...))
			}
		}, problem: "Full", text: "none of the BMC's 6 accounts is free"},
		"a word against the record": {change: func(w *world) {
			w.cut = -1
			for range 6 {
				_ = w.turn()
			}
			r := w.read()
			r.Conflicts = []discovery.Conflict{{Kind: discovery.KnownMachine}}
			w.keep(r)
		}, faults: bmc.Faults{Unavailable: 1000}, problem: account.Cancelled, text: "speaks against the record", left: account.Free},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.faults, test.inBand)
			if test.change != nil {
				test.change(w)
			}
			a := w.settle()
			if a.Stage != account.Failed || a.Problem != test.problem || !strings.Contains(a.Error, test.text) || a.Left != test.left {
				t.Fatalf("%+v, want %s %q, left %q", a, test.problem, test.text, test.left)
			}
			if got := w.bmc.Log().Counts().RefusedLogins; got != test.logins {
				t.Errorf("%d refused logins, want %d", got, test.logins)
			}
			w.bmc.Inject(func(f *bmc.Faults) { *f = bmc.Faults{} })
			if w.works(w.branch) {
				t.Error("the account works")
			}
			if a.NeedsCiphertext() != (test.left == account.Disabled) {
				t.Errorf("the ciphertext is needed: %t", a.NeedsCiphertext())
			}
			if text := string(w.record); w.branch != "" {
				if password, err := w.Open(t.Context(), w.branch); err != nil || strings.Contains(text, password.Reveal()) {
					t.Errorf("the record has the password (%v): %s", err, text)
				}
			}
		})
	}
}

// TestEveryCrash kills the daemon before and behind each call of each port, and lets it go on. Whatever happened, the
// account is made, the branch has its password, and no account is left that nobody knows.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	for about, faults := range map[string]struct {
		redfish bmc.Faults
		inBand  inband.Faults
	}{"well-behaved": {}, "the second form": {inBand: inband.Faults{RefuseLong: true}}} {
		for cut := 1; ; cut++ {
			w := newWorld(t, faults.redfish, faults.inBand)
			w.cut = cut
			a := w.settle()
			if a.Stage != account.Verified || !w.works(w.branch) || w.told < 1 {
				t.Fatalf("%s, cut %d: %+v, the branch's password works: %t", about, cut, a, w.works(w.branch))
			}
			ours := 0
			for slot := byte(3); slot <= 6; slot++ {
				if code, name := w.bmc.InBand().Answer(6, 0x46, []byte{slot}); code == 0 && strings.HasPrefix(string(name), "ingot-") {
					ours++
				}
			}
			if ours != 1 {
				t.Errorf("%s, cut %d: %d accounts of ours at the BMC", about, cut, ours)
			}
			if cut > 2*w.calls {
				if w.calls < 7 {
					t.Errorf("%d calls: this test shows little", w.calls)
				}
				break
			}
		}
	}
}

// TestNoPushNoAccount: while the ciphertext cannot be pushed, the agent is told nothing but to read.
func TestNoPushNoAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{}, inband.Faults{})
	w.noPush = true
	if a := w.settle(); a.Stage != account.Sealed || w.told != 0 || len(w.bmc.InBand().Log()) != 0 {
		t.Errorf("%+v, told %d, the BMC was told %v", a, w.told, w.bmc.InBand().Log())
	}
	w.noPush = false
	if a := w.settle(); a.Stage != account.Verified {
		t.Errorf("with the repository back: %+v", a)
	}
}

// TestAReportKeepsNoPassword: an agent that writes its password into a report, in any encoding and at any place, writes
// nothing of it into the record.
func TestAReportKeepsNoPassword(t *testing.T) {
	t.Parallel()
	for about, encode := range map[string]func(string) string{
		"as it is":   func(password string) string { return password },
		"at the cut": func(password string) string { return strings.Repeat("x", 388) + password },
		"base64, of HTTP": func(password string) string {
			return base64.StdEncoding.EncodeToString([]byte("ingot-abcdef:" + password))
		},
	} {
		w := newWorld(t, bmc.Faults{}, inband.Faults{})
		for w.account().Stage != account.Pushed {
			if w.account().Stage == account.Surveying {
				_ = w.turn()
			} else if _, err := w.runner.Step(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		order, err := w.answer(agentKey, nil)
		if err != nil || order == nil || order.Password == "" {
			t.Fatalf("the agent is told %+v, %v", order, err)
		}
		said := encode(order.Password)
		if _, err := w.answer(agentKey, &wire.AccountReport{ID: order.ID, Problem: "Refused", Error: said, Left: account.Free}); err != nil {
			t.Fatal(err)
		}
		end := strings.TrimLeft(said, "x")
		if about == "base64, of HTTP" {
			end = said[len(said)-12 : len(said)-2]
		}
		if a := w.account(); a.Stage != account.Failed || a.Error == "" || strings.Contains(a.Error, end[:8]) {
			t.Errorf("%s: %+v, the password is %s", about, a, order.Password)
		}
	}
}

// TestRetry: an operator has a failed account made again, once what kept it is mended. A slot that the BMC did not give back
// is freed first. Nothing is begun for a machine that nobody asks for, that is silent, or that has its account.
func TestRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{RefuseLogin: true}, inband.Faults{KeepName: true})
	first := w.settle()
	if err := w.runner.Retry(id); first.Left != account.Disabled || err != nil {
		t.Fatalf("%+v, %v", first, err)
	}
	w.bmc.Inject(func(f *bmc.Faults) { *f = bmc.Faults{} })
	w.bmc.InBand().Inject(func(f *inband.Faults) { *f = inband.Faults{} })
	freed := w.settle()
	if freed.Stage != account.Failed || freed.Left != account.Free || freed.Name != first.Name {
		t.Fatalf("%+v", freed)
	}
	w.asked = false
	if err := w.runner.Retry(id); err == nil || !strings.Contains(err.Error(), "no rule asks") || w.account().Stage != account.Failed {
		t.Errorf("nobody asks: %v", err)
	}
	w.asked = true
	if err := w.runner.Retry(id); err != nil {
		t.Fatal(err)
	}
	again := w.settle()
	if again.Stage != account.Verified || again.Name == first.Name || !w.works(w.branch) {
		t.Errorf("%+v", again)
	}
	if err := w.runner.Retry(id); err == nil || !strings.Contains(err.Error(), "no failed account") {
		t.Errorf("an account that holds: %v", err)
	}
}

// TestNoFourthLogin: also a daemon that dies in a login has used it up.
func TestNoFourthLogin(t *testing.T) {
	t.Parallel()
	for cut := 1; ; cut++ {
		w := newWorld(t, bmc.Faults{RefuseLogin: true}, inband.Faults{})
		w.cut = cut
		if a := w.settle(); a.Stage != account.Failed || a.Problem != account.LoginRefused || a.Left != account.Free {
			t.Fatalf("cut %d: %+v", cut, a)
		}
		if refused := w.bmc.Log().Counts().RefusedLogins; refused > account.MaxLogins || refused < account.MaxLogins-1 {
			t.Errorf("cut %d: %d refused logins", cut, refused)
		}
		if cut > 2*w.calls {
			break
		}
	}
}

// TestMergedMeanwhile: a machine that became a host gets no account any more that no Secret of the fleet has.
func TestMergedMeanwhile(t *testing.T) {
	t.Parallel()
	merge := func(w *world, s discovery.Proposal) {
		r := w.read()
		s.State = discovery.Merged
		r.Proposal = &s
		w.keep(r)
	}
	w := newWorld(t, bmc.Faults{}, inband.Faults{})
	merge(w, discovery.Proposal{})
	if a := w.settle(); a.Stage != "" {
		t.Errorf("a host: %+v", a)
	}
	w = newWorld(t, bmc.Faults{}, inband.Faults{})
	w.branchOf = accounts.Proposals{Records: w, Wake: func() {}}
	for w.account().Stage != account.Sealed {
		_ = w.turn()
	}
	merge(w, discovery.Proposal{Tip: "t"})
	if a := w.settle(); a.Stage != account.Failed || a.Problem != account.NoPush || w.told != 0 {
		t.Errorf("merged without the Secret: %+v, told %d", a, w.told)
	}
	w = newWorld(t, bmc.Faults{}, inband.Faults{})
	for w.account().Stage != account.Sealed {
		_ = w.turn()
	}
	w.branchOf, w.branch = accounts.Proposals{Records: w, Wake: func() {}}, w.account().Sealed
	merge(w, discovery.Proposal{Tip: "t", Secret: (&proposal.Secret{Document: []byte(w.branch)}).Digest()})
	if a := w.settle(); a.Stage != account.Verified || !w.works(w.branch) {
		t.Errorf("merged with the Secret: %+v", a)
	}
}

// TestFirstLoginChange: a BMC that wants another password at the first login gets one, whose ciphertext is on the branch
// before the change; a daemon that dies anywhere on the way goes on.
func TestFirstLoginChange(t *testing.T) {
	t.Parallel()
	for cut := 0; ; cut++ {
		w := newWorld(t, bmc.Faults{}, inband.Faults{})
		for w.account().Stage != account.Made {
			_ = w.turn()
		}
		w.bmc.Inject(func(f *bmc.Faults) { f.MustChange = w.account().Name })
		w.calls, w.cut = 0, cut
		first := w.branch
		a := w.settle()
		if a.Stage != account.Verified || w.branch == first || !w.works(w.branch) || w.works(first) || a.Before != "" {
			t.Fatalf("cut %d: %+v, works %t, the first %t", cut, a, w.works(w.branch), w.works(first))
		}
		if cut > 2*w.calls {
			break
		}
	}
}

// TestDeclined: the account of a declined proposal is deleted over Redfish; what is left is told with its slot, and tried
// again.
func TestDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{}, inband.Faults{})
	a := w.settle()
	w.bmc.Inject(func(f *bmc.Faults) { f.Unavailable = 10_000 })
	r := w.read()
	r.Proposal = &discovery.Proposal{State: discovery.Declined}
	w.keep(r)
	if a := w.settle(); a.Stage != account.Deleting || !strings.Contains(a.Error, fmt.Sprintf("is still at the BMC %s, in slot 3", a.Address)) {
		t.Errorf("%+v", a)
	}
	w.bmc.Inject(func(f *bmc.Faults) { f.Unavailable = 0 })
	w.now = w.now.Add(2 * time.Hour)
	if gone := w.settle(); gone.Stage != account.Deleted || w.works(a.Sealed) {
		t.Errorf("%+v", gone)
	}
}

// TestADaemonThatStandsAside has another daemon run the fleet from each moment of a story on: nothing is done at the BMC, nothing is pushed and no
// agent is told anything, until this daemon runs the fleet again.
func TestADaemonThatStandsAside(t *testing.T) {
	t.Parallel()
	for moment := range 8 {
		t.Run(fmt.Sprint(moment), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmc.Faults{}, inband.Faults{})
			for range moment {
				_ = w.turn() // it is tried again
			}
			w.aside = errors.New("another daemon runs this fleet")
			before, told := w.calls, w.told
			for range 20 {
				_ = w.turn() // says why
				w.now = w.now.Add(time.Minute)
			}
			if w.calls != before || w.told != told {
				t.Errorf("%d calls of ports, the agent was told a password %d times, at stage %s", w.calls-before, w.told-told, w.account().Stage)
			}
			w.aside = nil
			if a := w.settle(); a.Stage != account.Verified && a.Problem == "" {
				t.Errorf("then %+v", a)
			}
		})
	}
}

// TestAnotherAgentIsToldNothing: only the record's own agent gets an order, and only its report counts.
func TestAnotherAgentIsToldNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{}, inband.Faults{})
	for w.account().Stage != account.Pushed {
		if w.account().Stage == account.Surveying {
			_ = w.turn()
		} else if _, err := w.runner.Step(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if order, err := w.answer("another key", nil); order != nil || err != nil {
		t.Errorf("another agent is told %+v, %v", order, err)
	}
	order, err := w.answer(agentKey, nil)
	if err != nil || order == nil || order.Do != wire.AccountCreate {
		t.Fatalf("the agent is told %+v, %v", order, err)
	}
	done := wire.AccountReport{ID: order.ID, Slot: order.Slot}
	for _, lie := range []struct {
		key    string
		report wire.AccountReport
	}{{"another key", done}, {agentKey, wire.AccountReport{ID: "guess"}}, {agentKey, wire.AccountReport{}}} {
		if _, err := w.answer(lie.key, &lie.report); err != nil || w.account().Stage != account.Creating {
			t.Errorf("%v, stage %s", err, w.account().Stage)
		}
	}
	// An agent that says done without having done it does not become the machine: the login fails, and it is undone.
	if _, err := w.answer(agentKey, &done); err != nil {
		t.Fatal(err)
	}
	if a := w.settle(); a.Stage != account.Verified && a.Problem != account.LoginRefused {
		t.Errorf("%+v", a)
	}
	if proof := w.read().Proof; proof.Kind != discovery.NoProof && w.account().Stage != account.Verified {
		t.Errorf("proof %+v", proof)
	}
}
