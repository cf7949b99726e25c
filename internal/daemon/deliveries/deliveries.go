// Package deliveries logs in at the BMCs of machines that a fleet expects (kind Delivery), once each, and makes a discovery
// record of each machine that is the expected one. Nothing else is done to these machines.
//
// Make a Keeper with New and call Run. A refused login counts in the account's one budget, and is tried again after an hour.
package deliveries

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/arrivals"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/discovery/records"
)

// Records are the discovery records.
type Records interface {
	List() []discovery.Record
	Deliver(records.Delivered, *discovery.Known) (id discovery.ID, isNew bool, err error)
}

// Config is what a Keeper needs; all members are required.
type Config struct {
	Fleet   func() (inventory.Fleet, bool) // the accepted one
	Known   func() *discovery.Known        // the machines that are hosts
	Records Records
	Open    func(ctx context.Context, secret string) (map[string]secret.Value, error)
	Find    func(ctx context.Context, macs []string) (map[string]netip.Addr, error) // addresses of cards on the daemon's networks
	LogIn   func(ctx context.Context, t accounts.Target, m accounts.Machine) account.Login
	MayAct  func() error
	Mask    func(string) string
	Now     func() time.Time
	Log     *slog.Logger
}

// Limits.
const (
	lookEvery  = time.Minute
	workers    = 8                // logins at a time
	loginTime  = time.Minute      // of one login
	again      = 10 * time.Minute // after no answer
	afterError = time.Hour        // after an answer that is no success
)

// Keeper logs in. Its methods are not safe for concurrent use.
type Keeper struct {
	config Config
	later  map[string]time.Time // by Login.Key: when it is tried again
}

// New makes a Keeper; it contacts nobody.
func New(c Config) *Keeper { return &Keeper{c, map[string]time.Time{}} }

// Run logs in until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		k.Pass(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// tried is one login that is due, and how it ended.
type tried struct {
	arrivals.Login
	ended account.Login
}

// Pass logs in at each machine whose login is due.
func (k *Keeper) Pass(ctx context.Context) {
	fleet, known := k.config.Fleet()
	if !known || len(fleet.Deliveries) == 0 || k.config.MayAct() != nil {
		return
	}
	due := k.findAddresses(ctx, k.listDue(fleet))
	var all sync.WaitGroup
	places := make(chan struct{}, workers)
	for i := range due {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			due[i].ended = k.logIn(ctx, due[i].Login)
		})
	}
	all.Wait()
	for _, t := range due {
		k.keep(t)
	}
}

// listDue lists the machines that are expected now, of which no record says what their BMC showed, and that are no hosts.
func (k *Keeper) listDue(fleet inventory.Fleet) (due []tried) {
	now, hosts := k.config.Now(), k.config.Known()
	seen := map[string]bool{}
	for _, r := range k.config.Records.List() {
		if r.Delivery != "" && r.Identity.BMC != nil {
			seen[inventory.SerialKey(r.Identity.BMC.Serial)] = true
		}
	}
	for _, login := range arrivals.ListLogins(fleet.Deliveries, now) {
		if seen[inventory.SerialKey(login.Serial)] || now.Before(k.later[login.Key()]) || isHost(hosts, login) {
			continue
		}
		due = append(due, tried{Login: login})
	}
	return due
}

// isHost reports whether the BMC of a login is a host's: nobody logs in there.
func isHost(hosts *discovery.Known, l arrivals.Login) bool {
	return l.Address != "" && hosts.HasAddress("https://"+l.Address)
}

// findAddresses looks for the BMCs that are named by MAC, all at once. Those that are not there are looked for again later.
func (k *Keeper) findAddresses(ctx context.Context, due []tried) (there []tried) {
	macs := map[string]bool{}
	for _, t := range due {
		if t.Address == "" {
			macs[t.MAC] = true
		}
	}
	if len(macs) == 0 {
		return due
	}
	found, err := k.config.Find(ctx, slices.Sorted(maps.Keys(macs)))
	if err != nil {
		k.config.Log.Warn("the BMCs that Deliveries name by MAC are not found", "why", err, "again", again)
	}
	hosts, now := k.config.Known(), k.config.Now()
	for _, t := range due {
		if at, is := found[t.MAC]; t.Address == "" && is {
			t.Address = hostText(at)
		}
		if t.Address == "" || isHost(hosts, t.Login) {
			k.later[t.Key()] = now.Add(again)
			continue
		}
		there = append(there, t)
	}
	return there
}

// logIn logs in once. The certificate of the first contact is trusted, and is the pin of the proposal.
func (k *Keeper) logIn(ctx context.Context, l arrivals.Login) account.Login {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	data, err := k.config.Open(ctx, l.Credentials)
	if err != nil {
		return account.Login{Kind: account.NoAnswer, Error: err.Error()}
	}
	return k.config.LogIn(ctx, accounts.Target{Address: "https://" + l.Address, Username: data["username"].Reveal(), Password: data["password"]},
		accounts.Machine{Serials: []string{l.Serial}})
}

// hostText is an address as a URL has it.
func hostText(address netip.Addr) string {
	if address.Is6() {
		return "[" + address.String() + "]"
	}
	return address.String()
}

// hostOf is an address without a port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// keep makes the record of a machine that is the expected one. Anything else is told, and tried again later.
func (k *Keeper) keep(t tried) {
	now, key := k.config.Now(), t.Key()
	if t.ended.Kind != account.LoggedIn {
		pause := afterError
		if t.ended.Kind == account.NoAnswer {
			pause = again
		}
		k.later[key] = now.Add(pause)
		k.config.Log.Warn("an expected machine is not proposed", "delivery", t.Delivery, "serial", t.Serial, "bmc", t.Address,
			"why", k.config.Mask(t.ended.Error), "again", pause)
		return
	}
	id, isNew, err := k.config.Records.Deliver(records.Delivered{Delivery: t.Delivery, Address: hostOf(t.Address), Fingerprint: t.ended.Fingerprint, At: now,
		BMC: inventory.BMCIdentity{Address: t.ended.System, Serial: t.ended.Serial, UUID: t.ended.UUID}}, k.config.Known())
	switch {
	case err != nil:
		k.later[key] = now.Add(again)
		k.config.Log.Error("the record of an expected machine is not kept", "delivery", t.Delivery, "serial", t.Serial, "error", err)
	case id == "":
		k.later[key] = now.Add(afterError) // no room
	default:
		k.config.Log.Info("an expected machine is there", "delivery", t.Delivery, "serial", t.Serial, "record", id, "new", isNew)
	}
}
