package rotations_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/internal/daemon/rotations"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/bmctest"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/reconcile/view"
	"github.com/gitmetal/ingot/schemas"
)

const (
	oldPassword = "correct horse"
	accountPath = "/redfish/v1/AccountService/Accounts/1"
	file        = "secrets/bmc-r1.yaml"
	uuid        = "6d3b0d7e-0000-4000-8000-000000000009"
)

var errKilled = errors.New("killed")

// world is a fleet with one host that asks, its BMC, a repository with branches, and daemons that may be killed.
type world struct {
	*testing.T
	bmc      *bmc.BMC
	service  accounts.Service
	sealer   rotations.AgeSealer
	fleet    inventory.Fleet
	record   inventory.Record
	branches map[string]string // documents
	dir      string
	store    *records.Store
	now      time.Time
	changes  int // of the password that were sent
	calls    int // effects and stores so far
	killAt   int // the call that dies; 0: none
	behind   bool
}

func newWorld(t *testing.T, faults bmc.Faults) *world {
	t.Helper()
	b, at := bmctest.Serve(t, bmc.Config{Username: "admin", Password: secret.New(oldPassword), Faults: faults, Identity: bmc.Identity{Serial: "SN1", UUID: uuid}})
	w := &world{T: t, bmc: b, branches: map[string]string{}, dir: t.TempDir(), now: time.Now()}
	w.service = accounts.Service{Base: conn.Config{}}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "age.key")
	if err := os.WriteFile(keyFile, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := secrets.LoadKeys(keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.sealer = rotations.AgeSealer{Keys: keys, Mask: func(secret.Value) {}, Now: func() time.Time { return w.now }}
	document, err := secrets.SealSecret(secrets.Plain{Name: "bmc-r1", Scope: schemas.Scope{Hosts: []string{"web-1"}}, Data: map[string]secret.Value{
		"username": secret.New("admin"), "password": secret.New(oldPassword)}}, []age.Recipient{key.Recipient()}, w.now)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := b.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	d := inventory.Desired{ID: "web-1", Name: "web-1", BMC: &schemas.BMC{Address: "https://" + at, Credentials: "bmc-r1",
		TLS: schemas.BMCTLS{Fingerprint: fingerprint}}, Identity: schemas.Identity{Serial: "SN1"}, Requests: schemas.Requests{Rotate: "q4"}}
	w.fleet = inventory.Fleet{Commit: "c1", Hosts: map[inventory.MachineID]inventory.Desired{"web-1": d},
		Secrets: map[string]inventory.Sealed{"bmc-r1": {Name: "bmc-r1", File: file, Document: document}}}
	w.record.Done = &requests.Done{}
	w.openStore()
	return w
}

func (w *world) openStore() {
	w.Helper()
	var err error
	if w.store, err = records.Open(records.Config{Dir: w.dir + "/discovery", Inventories: w.dir + "/inventory"}); err != nil {
		w.Fatal(err)
	}
}

// die reports whether the daemon dies at this call, and counts the calls.
func (w *world) die(behind bool) bool {
	return w.killAt > 0 && w.calls == w.killAt && w.behind == behind
}

func (w *world) call(do func() error) error {
	if w.killAt > 0 && w.calls >= w.killAt {
		return errKilled // dead
	}
	w.calls++
	if w.die(false) {
		return errKilled
	}
	err := do()
	if w.die(true) {
		return errKilled
	}
	return err
}

// What a daemon needs.
type (
	killableRecords struct{ *world }
	killableBMC     struct{ *world }
	hosts           struct{ *world }
)

func (r killableRecords) List() []discovery.Record                      { return r.store.List() }
func (r killableRecords) Get(id discovery.ID) (discovery.Record, error) { return r.store.Get(id) }
func (r killableRecords) Forget(id discovery.ID) error {
	return r.call(func() error { return r.store.Forget(id) })
}
func (r killableRecords) Update(id discovery.ID, f func(*discovery.Record) error) error {
	return r.call(func() error { return r.store.Update(id, f) })
}
func (r killableRecords) AddRotation(record discovery.Record) error {
	return r.call(func() error { return r.store.AddRotation(record) })
}

func (b killableBMC) LogIn(ctx context.Context, t accounts.Target, m accounts.Machine) (end account.Login) {
	if err := b.call(func() error { end = b.service.LogIn(ctx, t, m); return nil }); err != nil {
		return account.Login{Kind: account.NoAnswer, Error: err.Error()}
	}
	return end
}

func (b killableBMC) ChangePassword(ctx context.Context, t accounts.Target, next secret.Value) error {
	return b.call(func() error { b.changes++; return b.service.ChangePassword(ctx, t, next) })
}

func (h hosts) Fleet() (inventory.Fleet, bool) { return h.fleet, true }
func (h hosts) ViewHost(id inventory.MachineID) (view.HostView, bool) {
	return view.HostView{ID: id, Desired: h.fleet.Hosts[id], Observed: inventory.Observed{Record: h.record}}, true
}
func (hosts) RequestLook(inventory.MachineID) {}

// start is a daemon that begins anew.
func (w *world) start() *rotations.Keeper {
	return rotations.New(rotations.Config{Hosts: func() rotations.Hosts { return hosts{w} }, Records: killableRecords{w}, Sealer: w.sealer, BMC: killableBMC{w},
		Read: func(_ context.Context, branch, _ string) ([]byte, string, error) {
			if document, there := w.branches[branch]; there {
				return []byte(document), "t", nil
			}
			return nil, "", nil
		}, Prefix: "ingot/proposals/", MayAct: func() error { return nil }, Mask: func(text string) string { return text }, Random: rand.Reader,
		Now: func() time.Time { return w.now }})
}

// push is package proposals: branches are as the records say.
func (w *world) push() {
	w.Helper()
	for _, head := range w.store.List() {
		r, err := w.store.Get(head.ID)
		if err != nil || r.Rotation == nil {
			w.Fatal(err)
		}
		if gone := r.Rotation.Ended || r.Rotation.Stage == rotation.Failed; gone {
			delete(w.branches, string(r.ID))
			r.Proposal = &discovery.Proposal{State: discovery.Withdrawn}
		} else {
			w.branches[string(r.ID)] = r.Rotation.Document
			r.Proposal = &discovery.Proposal{State: discovery.Open, Tip: "t", Secret: (&proposal.Secret{Document: []byte(r.Rotation.Document)}).Digest()}
		}
		if err := w.store.Update(r.ID, func(now *discovery.Record) error { now.Proposal = r.Proposal; return nil }); err != nil {
			w.Fatal(err)
		}
	}
}

// follow lets a daemon work, with pushes between its passes, and writes what the planner would.
func (w *world) follow(k *rotations.Keeper, passes int) {
	w.Helper()
	for range passes {
		k.Pass(w.Context())
		if w.killAt > 0 && w.calls >= w.killAt {
			return
		}
		w.push()
		if told := k.Told("web-1"); told.Ended && told.Value == "q4" {
			w.record.Done = w.record.Done.With(requests.Request{Kind: requests.Rotate, Value: "q4"}, told.Note)
		}
		w.now = w.now.Add(2 * time.Minute)
	}
}

func (w *world) password(document string) string {
	w.Helper()
	data, err := w.sealer.Open(document)
	if err != nil {
		w.Fatal(err)
	}
	return data["password"].Reveal()
}

// check says that the BMC has the password of the branch, that the daemon uses it, and that a merge ends everything.
func (w *world) check(k *rotations.Keeper, about string) {
	w.Helper()
	branch := rotation.Branch("bmc-r1", "q4")
	document := w.branches[branch]
	if document == "" {
		w.Fatalf("%s: the branch has no Secret", about)
	}
	next := w.password(document)
	if !w.bmc.Login("admin", secret.New(next)) || w.bmc.Login("admin", secret.New(oldPassword)) || len(next) < 16 {
		w.Errorf("%s: the BMC does not have the password of the branch alone", about)
	}
	data, has, err := k.Open("bmc-r1")
	if err != nil || !has || data["password"].Reveal() != next {
		w.Errorf("%s: the daemon does not use the password of the branch: %v, %v", about, has, err)
	}
	if !w.record.Done.Has(requests.Request{Kind: requests.Rotate, Value: "q4"}) || !strings.Contains(w.record.Done.Notes[requests.Rotate], "merge ingot/proposals/"+branch) {
		w.Errorf("%s: the page says %+v", about, w.record.Done)
	}
	w.fleet.Secrets = map[string]inventory.Sealed{"bmc-r1": {Name: "bmc-r1", File: file, Document: []byte(document)}}
	changes := w.changes
	w.follow(k, 4)
	if _, has, err := k.Open("bmc-r1"); has || err != nil || len(w.store.List()) != 0 || len(w.branches) != 0 {
		w.Errorf("%s: after the merge the daemon has %v, %v, %d records, branches %v", about, has, err, len(w.store.List()), w.branches)
	}
	w.follow(w.start(), 3)
	if w.changes != changes {
		w.Errorf("%s: the password was changed again after the merge", about)
	}
}

// TestRotation: the ciphertext is on the branch before the change, the daemon uses the new password from then on, and the
// merge ends it. The value is done once.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{})
	k := w.start()
	k.Pass(t.Context())
	if told := k.Told("web-1"); w.changes != 0 || told.Ended || !strings.Contains(told.Note, "the push of the new Secret") {
		t.Errorf("before the push: %d changes, %+v", w.changes, told)
	}
	w.follow(k, 4)
	if w.changes != 1 {
		t.Errorf("%d changes were sent, want one", w.changes)
	}
	w.check(k, "a rotation")
}

// TestEveryKill: a daemon that dies before or behind any store or call of the BMC, also where its records are lost with it,
// is followed by one that ends the rotation: the BMC has the password of the branch.
func TestEveryKill(t *testing.T) {
	t.Parallel()
	total := newWorld(t, bmc.Faults{})
	total.follow(total.start(), 4)
	if total.calls < 5 {
		t.Fatalf("a rotation has %d calls", total.calls)
	}
	for at := 1; at <= total.calls; at++ {
		for _, how := range []struct{ behind, lost bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			about := fmt.Sprintf("killed at call %d, %+v", at, how)
			t.Run(about, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, bmc.Faults{})
				w.killAt, w.behind = at, how.behind
				w.follow(w.start(), 6)
				if w.calls != at {
					t.Fatalf("it was not killed: %d calls", w.calls)
				}
				w.killAt = 0
				if how.lost {
					w.dir = t.TempDir()
				}
				w.openStore()
				k := w.start()
				w.follow(k, 6)
				if w.changes > 2 {
					t.Errorf("%d changes were sent", w.changes)
				}
				w.check(k, about)
			})
		}
	}
}

// refuseChange has the BMC answer every change of the account's password with a status.
func (w *world) refuseChange(status int) {
	w.bmc.Rules().Put([]rules.Rule{{Match: rules.Match{Method: "PATCH", Path: accountPath}, Then: rules.Then{Status: status}}})
}

// TestRefusedRotations: what cannot be rotated is left as it is, and the page says why.
func TestRefusedRotations(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*world)
		says    string
		changes int
	}{
		"two services": {func(w *world) {
			w.fleet.Hosts = maps.Clone(w.fleet.Hosts)
			d := w.fleet.Hosts["web-1"]
			d.ID, d.Requests.Rotate, d.BMC = "web-2", "", &schemas.BMC{Address: "https://10.0.0.9", Credentials: "bmc-r1"}
			w.fleet.Hosts["web-2"] = d
		}, "used at 2 BMC services", 0},
		"not the first host": {func(w *world) {
			w.fleet.Hosts = maps.Clone(w.fleet.Hosts)
			d := w.fleet.Hosts["web-1"]
			d.ID, d.Requests.Rotate = "a-blade", ""
			w.fleet.Hosts["a-blade"] = d
		}, "rotated by a request of a-blade", 0},
		"a protected machine": {func(w *world) {
			d := w.fleet.Hosts["web-1"]
			d.Protect = true
			w.fleet.Hosts = map[inventory.MachineID]inventory.Desired{"web-1": d}
		}, "", 0},
		"a BMC that takes no password": {func(w *world) {
			w.refuseChange(400)
		}, "takes no other password from ingot", 3},
		"an account without the privilege": {func(w *world) { w.refuseChange(403) }, "changes no password of this account", 1},
		"a read-only account service":      {func(w *world) { w.refuseChange(405) }, "changes no password of this account", 1},
		"no account service":               {func(w *world) { w.refuseChange(501) }, "changes no password of this account", 1},
		"a wrong password in the trunk":    {func(w *world) { w.bmc.SetPassword(secret.New("another")) }, "the BMC keeps the old password", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmc.Faults{})
			test.prepare(w)
			k := w.start()
			w.follow(k, 6)
			if said := w.record.Done.Notes[requests.Rotate]; !strings.Contains(said, test.says) || w.changes != test.changes {
				t.Errorf("%d changes, the page says %q", w.changes, said)
			}
			if _, has, err := k.Open("bmc-r1"); has || err != nil || len(w.branches) != 0 {
				t.Errorf("the daemon uses another password: %v, %v, branches %v", has, err, w.branches)
			}
		})
	}
}

// TestDifficultBMCs: a BMC that wants another password at the first login, one that refuses the long form, and one whose
// answer is lost each have the password of the branch in the end.
func TestDifficultBMCs(t *testing.T) {
	t.Parallel()
	nothing := 0
	for name, test := range map[string]struct {
		faults  bmc.Faults
		rule    *rules.Rule
		changes int
		length  int
	}{
		"must be changed first":   {bmc.Faults{MustChange: "admin"}, nil, 1, 20},
		"refuses 20 characters":   {bmc.Faults{}, &rules.Rule{Match: rules.Match{Method: "PATCH", Path: accountPath}, Times: 1, Then: rules.Then{Status: 400}}, 2, 16},
		"the answer is lost":      {bmc.Faults{}, &rules.Rule{Match: rules.Match{Method: "PATCH", Path: accountPath}, Times: 1, Then: rules.Then{Cut: &nothing}}, 1, 20},
		"is busy, and changes it": {bmc.Faults{}, &rules.Rule{Match: rules.Match{Method: "PATCH", Path: accountPath}, Times: 1, Then: rules.Then{Status: 503}}, 2, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.faults)
			if test.rule != nil {
				w.bmc.Rules().Put([]rules.Rule{*test.rule})
			}
			k := w.start()
			w.follow(k, 40)
			if length := len(w.password(w.branches[rotation.Branch("bmc-r1", "q4")])); w.changes != test.changes || length != test.length {
				t.Errorf("%d changes, %d characters; want %d, %d", w.changes, length, test.changes, test.length)
			}
			if unmet := w.bmc.Rules().Unmet(); len(unmet) > 0 {
				t.Errorf("rules that were never met: %v", unmet)
			}
			w.check(k, name)
		})
	}
}

// TestAForeignCiphertextIsNotSet: somebody who may push branches, and knows the daemon's age recipient, has no password of
// their own set at the BMC.
func TestAForeignCiphertextIsNotSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{})
	foreign, err := w.sealer.Seal(string(w.fleet.Secrets["bmc-r1"].Document), secret.New("known to somebody"))
	if err != nil {
		t.Fatal(err)
	}
	w.branches[rotation.Branch("bmc-r1", "q4")] = foreign
	k := w.start()
	w.follow(k, 12)
	if w.bmc.Login("admin", secret.New("known to somebody")) || w.changes != 1 {
		t.Errorf("the BMC has the foreign password, or %d changes were sent", w.changes)
	}
	w.check(k, "a foreign ciphertext")
}

// TestASecretOfOtherKeys: a Secret that the daemon's own age keys do not open is not rotated, and the page says why.
func TestASecretOfOtherKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{})
	w.sealer.Keys = secrets.Keys{}
	k := w.start()
	for range 3 {
		k.Pass(t.Context())
	}
	if told := k.Told("web-1"); told.Ended || !strings.Contains(told.Note, "seal Secret bmc-r1") || w.changes != 0 {
		t.Errorf("%d changes, the page says %+v", w.changes, told)
	}
}
