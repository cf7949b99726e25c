// Package known keeps the list of the machines that the daemon knows: the hosts of the fleet, and the machines of which the
// journal has a record. Whoever meets a machine that no host file names asks Cache.Machines first.
package known

import (
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/reconcile/view"
)

// Hosts are the hosts of the daemon's loop.
type Hosts interface {
	Fleet() (inventory.Fleet, bool)
	View() view.View
}

// learnEvery is how old the list may be while the fleet's commit is the same: records of machines grow.
const learnEvery = 30 * time.Second

// Cache keeps the list. The zero value is ready; its methods are safe for concurrent use.
type Cache struct {
	mu       sync.Mutex
	machines *discovery.Known // as of commit and learned
	commit   string
	learned  time.Time
}

// Machines are the machines that are known now.
func (c *Cache) Machines(hosts Hosts) *discovery.Known {
	fleet, _ := hosts.Fleet()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.machines != nil && c.commit == fleet.Commit && time.Since(c.learned) < learnEvery {
		return c.machines
	}
	machines := discovery.NewKnown()
	for _, desired := range fleet.Hosts {
		machines.Add(desired, inventory.Record{})
	}
	for _, host := range hosts.View().Hosts {
		machines.Add(host.Desired, host.Observed.Record)
	}
	c.machines, c.commit, c.learned = machines, fleet.Commit, time.Now()
	return machines
}
