package daemon

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	redfishaccounts "github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/internal/daemon/accounts"
	"github.com/gitmetal/ingot/internal/daemon/deliveries"
	"github.com/gitmetal/ingot/internal/daemon/proposals"
	"github.com/gitmetal/ingot/internal/daemon/rotations"
	"github.com/gitmetal/ingot/internal/neighbours"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/proposal"
)

// openProposals opens what proposes discovered machines, and what makes accounts at their BMCs.
func (d *Daemon) openProposals() error {
	s := &d.discoveries
	c := proposals.Config{Records: s.Store, Repo: d.repo, Trunk: d.proposableTrunk,
		Secret: accounts.ProposedSecret, Branch: d.config.Fleet.Branch, Path: d.config.Fleet.Path,
		Accounts: d.config.Discovery.Credentials,
		Signed:   d.config.Trust.AllowedSigners != "" || d.config.Trust.PGPKeys != "",
		Accept:   func(key string) bool { return slices.Contains(d.config.Discovery.Accept, key) },
		Changed:  func(waiting int) { d.loop.SetProposals(waiting) }, Log: d.log}
	if d.config.Forge != nil {
		client, err := d.openForge(*d.config.Forge)
		if err != nil {
			return fmt.Errorf("forge: %w", err)
		}
		c.Forge = client
	}
	s.proposer = proposals.New(c)
	s.rotations = rotations.New(rotations.Config{Hosts: func() rotations.Hosts { return d.loop }, Records: s.Store, Read: d.repo.ReadProposal,
		Sealer: rotations.AgeSealer{Keys: d.secrets.keys, Now: time.Now, Mask: func(v secret.Value) { d.secrets.everOpened.Add(v) }},
		BMC:    redfishaccounts.Service{Base: conn.Config{Fence: d.mayAct}}, Prefix: gitrepo.ProposalPrefix(c.Path), MayAct: d.mayAct,
		Mask: d.secrets.everOpened.Mask, Random: rand.Reader, Log: d.log})
	d.secrets.newer = s.rotations.Open
	s.deliveries = deliveries.New(deliveries.Config{Fleet: func() (inventory.Fleet, bool) { return d.loop.Fleet() }, Known: d.knownMachines, Records: s.Store,
		Open: d.secrets.openSecret, Find: neighbours.Find, LogIn: redfishaccounts.Service{Base: conn.Config{Fence: d.mayAct}}.LogIn, MayAct: d.mayAct,
		Mask: d.secrets.everOpened.Mask, Now: time.Now, Log: d.log})
	s.accounts = accounts.Open(accounts.Config{Records: s.Store, Random: rand.Reader, Log: d.log,
		Branch: accounts.Proposals{Records: s.Store, Wake: s.proposer.Wake},
		Sealer: accounts.AgeSealer{Keys: d.secrets.keys, Recipients: d.config.Discovery.Recipients, Now: time.Now,
			Trunk: func() (inventory.Snapshot, bool) { t, known := d.acceptedTrunk(); return t.Snapshot, known },
			Mask:  func(v secret.Value) { d.secrets.everOpened.Add(v) }},
		BMC: redfishaccounts.Service{Base: conn.Config{Fence: d.mayAct}}, Asked: d.asksForAccount, MayAct: d.mayAct,
		Mask: d.secrets.everOpened.Mask})
	return nil
}

// asksForAccount reports whether the rules ask for an account at a machine's BMC, and the daemon's configuration allows it.
func (d *Daemon) asksForAccount(r discovery.Record) bool {
	return d.config.Discovery.Credentials && r.Proposal != nil && r.Proposal.Account
}

// wakeDiscovery has a record looked at soon, after a change of it.
func (d *Daemon) wakeDiscovery(id discovery.ID) {
	d.discoveries.proposer.Wake()
	d.discoveries.accounts.Wake(id)
}

// keepTrunk keeps what was loaded of the fleet, for proposals.
func (d *Daemon) keepTrunk(trunk inventory.Snapshot, fleet inventory.Fleet, cache load.Cache) {
	d.discoveries.mu.Lock()
	defer d.discoveries.mu.Unlock()
	d.discoveries.trunk = proposal.Trunk{Snapshot: trunk, Fleet: fleet, Cache: cache}
}

// proposableTrunk is the accepted fleet, for proposals: there is none while this daemon may change nothing.
func (d *Daemon) proposableTrunk() (proposal.Trunk, bool) {
	trunk, known := d.acceptedTrunk()
	return trunk, known && d.mayAct() == nil
}

// acceptedTrunk is the accepted fleet; false while what was loaded last is not what is accepted.
func (d *Daemon) acceptedTrunk() (proposal.Trunk, bool) {
	fleet, known := d.loop.Fleet()
	d.discoveries.mu.Lock()
	defer d.discoveries.mu.Unlock()
	return d.discoveries.trunk, known && d.discoveries.trunk.Snapshot.Commit == fleet.Commit
}
