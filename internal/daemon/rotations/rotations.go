// Package rotations changes the passwords of BMC accounts that Host files ask for (requests.rotate): it does what package
// inventory/rotation decides. Every step is stored in the rotation's record before the next begins, and the ciphertext is on
// the proposal branch before anything is changed: a daemon that dies anywhere, or loses its records, goes on.
//
// Make a Keeper with New and call Run. Keeper.Open gives the credentials that hold for a Secret while its proposal is not
// merged, and Keeper.Told what a host's page says. Nothing here sends a power or boot command.
package rotations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/reconcile/view"
)

// Hosts are the hosts of the daemon's loop.
type Hosts interface {
	Fleet() (inventory.Fleet, bool)
	ViewHost(inventory.MachineID) (view.HostView, bool)
	RequestLook(inventory.MachineID)
}

// Records are the discovery records, which have the rotations and their proposals.
type Records interface {
	List() []discovery.Record
	Get(discovery.ID) (discovery.Record, error)
	Update(discovery.ID, func(*discovery.Record) error) error
	AddRotation(discovery.Record) error
	Forget(discovery.ID) error
}

// Sealer opens Secrets, and seals one with another password.
type Sealer interface {
	Open(document string) (map[string]secret.Value, error)
	Seal(document string, password secret.Value) (string, error)
}

// BMC is a BMC's Redfish service.
type BMC interface {
	LogIn(ctx context.Context, t accounts.Target, m accounts.Machine) account.Login
	ChangePassword(ctx context.Context, t accounts.Target, next secret.Value) error
}

// Config is what a Keeper needs. All but Now and Log are required.
type Config struct {
	Hosts   func() Hosts // of the loop, which is opened later
	Records Records
	Sealer  Sealer
	BMC     BMC
	// Read reads the Secret of a proposal branch, with the tip of the branch; nil without one.
	Read   func(ctx context.Context, branch, file string) (document []byte, tip string, err error)
	Prefix string // of the branches, for people
	MayAct func() error
	Mask   func(string) string
	Random io.Reader
	Now    func() time.Time
	Log    *slog.Logger
}

// Limits.
const (
	lookEvery = 10 * time.Second
	// bothRefused is the pause after a BMC let neither password in: both count against the account's budget.
	bothRefused = time.Hour
	stepTime    = 2 * time.Minute
	maxError    = 300
	keptFor     = 24 * time.Hour // a record is written anew that often, so that it does not end
)

// Keeper changes passwords. Its methods are safe for concurrent use.
type Keeper struct {
	config Config

	mu      sync.Mutex
	current map[string]*rotation.Rotation      // by Secret
	opened  map[string]map[string]secret.Value // by document
	told    map[inventory.MachineID]inventory.Rotation

	later   map[string]time.Time // when a Secret is tried again
	trouble map[string]string    // why the last try got nowhere, by Secret
	asked   map[discovery.ID]bool
}

// New makes a Keeper; it contacts nobody. What the records have holds from now on.
func New(c Config) *Keeper {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{config: c, current: map[string]*rotation.Rotation{}, opened: map[string]map[string]secret.Value{},
		told: map[inventory.MachineID]inventory.Rotation{}, later: map[string]time.Time{}, trouble: map[string]string{}, asked: map[discovery.ID]bool{}}
	for _, r := range c.Records.List() {
		if r.Rotation != nil && !r.Rotation.Ended {
			k.current[r.Rotation.Secret] = r.Rotation
		}
	}
	return k
}

// Run changes passwords until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		pause := lookEvery
		if _, known := k.config.Hosts().Fleet(); !known {
			pause = time.Second // what a BMC has is found out before much is asked of it
		}
		k.Pass(ctx)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// Open gives the credentials of a Secret where the trunk's do not hold: has is false where they do. While nobody knows
// which password the BMC has, the error says so. A nil Keeper has none.
func (k *Keeper) Open(name string) (data map[string]secret.Value, has bool, err error) {
	if k == nil {
		return nil, false, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.current[name]
	switch r.Uses() {
	case rotation.Trunk:
		return nil, false, nil
	case rotation.Newer:
		data, err = k.open(r.Document)
		return maps.Clone(data), true, err
	default:
		return nil, true, fmt.Errorf("the password of Secret %s is being changed at the BMC: %s", name, r.Error)
	}
}

// open opens a document, once. The caller holds the lock.
func (k *Keeper) open(document string) (map[string]secret.Value, error) {
	if data, known := k.opened[document]; known {
		return data, nil
	}
	data, err := k.config.Sealer.Open(document)
	if err == nil {
		k.opened[document] = data
	}
	return data, err
}

func (k *Keeper) openDocument(document string) (map[string]secret.Value, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open(document)
}

// Told is what the page of a host says of its request.
func (k *Keeper) Told(host inventory.MachineID) inventory.Rotation {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told[host]
}

// job is a rotation that is looked at, with the host that asks.
type job struct {
	inventory.Desired
	record  inventory.Record
	id      discovery.ID
	value   string
	due     bool
	sealed  inventory.Sealed // the trunk's Secret
	refused string
}

// Pass takes every step that is due.
func (k *Keeper) Pass(ctx context.Context) {
	fleet, known := k.config.Hosts().Fleet()
	if !known {
		return
	}
	for _, j := range k.listJobs(fleet) {
		for range 10 { // each step is stored before the next
			again, err := k.step(ctx, j)
			if err != nil && !errors.Is(err, context.Canceled) {
				k.config.Log.Warn("the password of a BMC is not changed", "secret", j.sealed.Name, "host", j.ID, "why", k.clean(err.Error()))
				k.later[j.sealed.Name] = k.config.Now().Add(time.Minute)
				k.trouble[j.sealed.Name] = k.clean(err.Error())
			}
			if !again || err != nil {
				break
			}
			delete(k.trouble, j.sealed.Name)
		}
	}
}

// listJobs gives the hosts that ask, and the rotations that nobody asks for any more.
func (k *Keeper) listJobs(fleet inventory.Fleet) (jobs []job) {
	used := rotation.ListAccounts(fleet)
	seen := map[discovery.ID]bool{}
	for _, id := range slices.Sorted(maps.Keys(fleet.Hosts)) {
		d := fleet.Hosts[id]
		host, known := k.config.Hosts().ViewHost(id)
		if d.Requests.Rotate == "" || d.BMC == nil || !known || host.Orphaned {
			continue
		}
		name := d.BMC.Credentials
		_, due := rotation.IsAsked(d, host.Observed.Record)
		j := job{Desired: d, record: host.Observed.Record, value: d.Requests.Rotate, due: due && rotation.WhyWaits(d) == "",
			sealed: fleet.Secrets[name], id: discovery.ID(rotation.Branch(name, d.Requests.Rotate)), refused: used.Refuse(d)}
		if j.refused == "" {
			seen[j.id] = true
		}
		jobs = append(jobs, j)
	}
	for _, r := range k.config.Records.List() {
		if r.Rotation == nil || seen[r.ID] {
			continue
		}
		d := fleet.Hosts[r.Rotation.Host]
		host, _ := k.config.Hosts().ViewHost(r.Rotation.Host)
		jobs = append(jobs, job{Desired: d, record: host.Observed.Record, id: r.ID, value: r.Rotation.Value, sealed: fleet.Secrets[r.Rotation.Secret]})
	}
	return jobs
}

// tell keeps what the page says, and has the host looked at where that is news.
func (k *Keeper) tell(j job, r *rotation.Rotation, refused string) {
	if j.Requests.Rotate != j.value {
		return
	}
	told := r.Told(j.value, k.config.Prefix+string(j.id), refused)
	if why := k.trouble[j.sealed.Name]; why != "" && !told.Ended {
		told.Note = why
	}
	k.mu.Lock()
	isNews := k.told[j.ID] != told
	k.told[j.ID] = told
	k.mu.Unlock()
	if isNews && j.due {
		k.config.Hosts().RequestLook(j.ID)
	}
}

// step takes one step for a job; again says that the next may be due at once.
func (k *Keeper) step(ctx context.Context, j job) (again bool, err error) {
	if j.refused != "" {
		k.tell(j, nil, j.refused)
		return false, nil
	}
	r, s, err := k.see(ctx, j)
	if err != nil {
		return false, err
	}
	var current *rotation.Rotation
	if r != nil {
		current = r.Rotation
	}
	k.tell(j, current, "")
	do := current.Next(s)
	switch {
	case do == rotation.Nothing || do == rotation.Push:
		return false, k.refresh(r)
	case k.config.MayAct() != nil || k.config.Now().Before(k.later[j.sealed.Name]):
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	switch do {
	case rotation.Seal:
		return true, k.seal(j, account.Long, "")
	case rotation.Adopt:
		return true, k.adopt(ctx, j)
	case rotation.Drop:
		return false, k.drop(*r)
	case rotation.Begin:
		return true, k.begin(ctx, j, *r.Rotation)
	case rotation.Resolve:
		return true, k.resolve(ctx, j, *r.Rotation)
	default:
		return false, fmt.Errorf("nobody knows how to do %q", do)
	}
}

// see reads the record of a job, nil without one, and what is known of it.
func (k *Keeper) see(ctx context.Context, j job) (r *discovery.Record, s rotation.Seen, err error) {
	s.Due = j.due
	other := k.of(j.sealed.Name)
	switch found, err := k.config.Records.Get(j.id); {
	case err == nil && found.Rotation != nil:
		r = &found
	case other != nil && other.Value != j.value:
		return nil, rotation.Seen{}, nil // one after the other: the proposal before waits for its merge
	case j.due || !k.asked[j.id]: // once at the start, and before each rotation
		document, _, err := k.config.Read(ctx, string(j.id), j.sealed.File)
		k.asked[j.id] = err == nil
		s.Left = document != nil
		return nil, s, err
	default:
		return nil, s, nil
	}
	if r.Rotation.Ended {
		return r, s, nil
	}
	s.Trunk = k.compare(j, *r.Rotation)
	p := r.Proposal
	s.Pushed = p != nil && p.State == discovery.Open && p.Tip != "" && p.Next == "" &&
		p.Secret == (&proposal.Secret{Document: []byte(r.Rotation.Document)}).Digest()
	return r, s, nil
}

func (k *Keeper) of(name string) *rotation.Rotation {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current[name]
}

// compare says which password the trunk's Secret has.
func (k *Keeper) compare(j job, r rotation.Rotation) rotation.Holds {
	switch string(j.sealed.Document) {
	case r.Document:
		return rotation.HasNew
	case r.Before:
		return rotation.HasOld
	case "":
		return rotation.HasOther // the Secret is gone
	}
	var passwords []string
	for _, document := range []string{string(j.sealed.Document), r.Document, r.Before} {
		data, err := k.openDocument(document)
		if err != nil {
			return rotation.Unknown
		}
		passwords = append(passwords, data["password"].Reveal())
	}
	switch passwords[0] {
	case passwords[1]:
		return rotation.HasNew
	case passwords[2]:
		return rotation.HasOld
	default:
		return rotation.HasOther
	}
}
