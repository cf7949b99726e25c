// Package waiting answers the agents that wait in the ramdisk of a discovery medium, once their machines' proposals are
// merged. Answerer.Answer tells an agent what to do, and Answerer.FindProved says which waiting agent is proved to run on a
// host's machine, Answerer.PowersOff whether one was told to power its machine off. Package discovery decides; do not decide
// here.
package waiting

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/reconcile/view"
)

// Hosts are the hosts of the accepted fleet.
type Hosts interface {
	ViewHost(inventory.MachineID) (view.HostView, bool)
	// RequestLook asks for a look at a host soon.
	RequestLook(inventory.MachineID)
}

// Records are the records of discovered machines.
type Records interface {
	Get(discovery.ID) (discovery.Record, error)
}

// Config is what an Answerer needs; all members are required.
type Config struct {
	Hosts   func() Hosts // of the loop, which is opened later than the door
	MayAct  func() error // why nothing may be changed at machines now, or nil
	Records Records
	Hub     *hub.Hub
	Log     *slog.Logger
}

// Answerer answers waiting agents. The methods are safe for concurrent use.
type Answerer struct {
	Config
	mu   sync.Mutex
	told map[inventory.MachineID]time.Time // when a host's waiting agent was told to power off last
}

// New makes an Answerer.
func New(c Config) *Answerer { return &Answerer{Config: c, told: map[inventory.MachineID]time.Time{}} }

// offWithin is how long an agent that was told to power off may take, with the two readings of its BMC.
const offWithin = 5 * time.Minute

// PowersOff reports whether the waiting agent of a host was told lately to power its machine off.
func (a *Answerer) PowersOff(host inventory.MachineID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, told := a.told[host]
	if told && time.Since(at) > offWithin {
		delete(a.told, host)
		return false
	}
	return told
}

// noteOff notes that a host's agent is told to power off, and has the host looked at until the machine is off.
func (a *Answerer) noteOff(host inventory.MachineID) {
	a.mu.Lock()
	a.told[host] = time.Now()
	a.mu.Unlock()
	a.Hosts().RequestLook(host)
}

// Answer is what the agent of a record is told.
func (a *Answerer) Answer(ctx context.Context, record discovery.Record) (wire.Waited, error) {
	seen, known := a.Hosts().ViewHost(record.ID.Machine())
	if !known || seen.Orphaned || a.MayAct() != nil {
		return wire.Waited{}, nil
	}
	host := discovery.Host{Desired: seen.Desired, Record: seen.Observed.Record}
	if seen.Plan.Hold != nil {
		host.Hold = string(seen.Plan.Hold.Reason)
	}
	switch discovery.Tell(record, host) {
	case discovery.ToPowerOff:
		a.Log.Info("the waiting agent of a merged machine is told to power it off", "host", seen.ID, "record", record.ID)
		a.noteOff(seen.ID)
		return wire.Waited{PowerOff: true}, nil
	case discovery.ToTakeBoot:
		id, boot := string(seen.ID), host.Record.Boot
		if err := a.Hub.Expect(ctx, id, boot.ID, boot.Epoch, boot.Agent); err != nil {
			return wire.Waited{}, err // a later boot is known
		}
		a.Log.Info("the waiting agent of a merged machine is proved, and takes the host's boot", "host", seen.ID, "record", record.ID)
		return wire.Waited{Boot: &wire.TakenOver{Host: id, Boot: boot.ID, Epoch: boot.Epoch,
			Token: a.Hub.BootToken(id, boot.ID, boot.Epoch).Reveal()}}, nil
	case discovery.ToBeLookedAt:
		a.Hosts().RequestLook(seen.ID)
	}
	return wire.Waited{}, nil
}

// FindProved is the key of the waiting agent that is proved to run on a host's machine; "" without one.
func (a *Answerer) FindProved(desired inventory.Desired) (agent string) {
	id, is := discovery.RecordOf(desired.ID)
	if !is || desired.BMC == nil {
		return ""
	}
	record, err := a.Records.Get(id)
	if err != nil {
		return "" // the record has ended, or cannot be read: there is no proof
	}
	return record.ProvenAgent(desired.BMC.Address, time.Now())
}
