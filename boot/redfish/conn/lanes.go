package conn

import (
	"context"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/logins"
)

// lanes holds a lane per BMC with a request that runs or waits, over all connections of the process: a chassis may have
// several systems behind one address, and BMCs answer wrongly when asked two things at once.
var lanes = struct {
	sync.Mutex
	byHost map[string]*lane
}{byHost: map[string]*lane{}}

type lane struct {
	free  chan struct{} // holds a token while no request runs
	users int
}

// enterLane waits until no request to the host runs. The caller calls leave after its request.
func enterLane(ctx context.Context, host string) (leave func(), err error) {
	lanes.Lock()
	mine := lanes.byHost[host]
	if mine == nil {
		mine = &lane{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		lanes.byHost[host] = mine
	}
	mine.users++
	lanes.Unlock()
	select {
	case <-mine.free:
		return func() { mine.free <- struct{}{}; leaveLane(host, mine) }, nil
	case <-ctx.Done():
		leaveLane(host, mine)
		return nil, ctx.Err()
	}
}

func leaveLane(host string, mine *lane) {
	lanes.Lock()
	defer lanes.Unlock()
	if mine.users--; mine.users == 0 {
		delete(lanes.byHost, host)
	}
}

// account names the account for the budget of failed logins.
func (c *Conn) account() logins.Account {
	return logins.AccountAt(c.base.Host, c.config.Username)
}

// refusedUntil is when the credentials may be tried again; zero means now.
func (c *Conn) refusedUntil() time.Time {
	if c.config.NewAccount {
		return logins.UntilNew(c.account(), c.config.Now())
	}
	return logins.Until(c.account(), logins.Redfish, c.config.Password, c.config.Now())
}

// holdBack counts a refused login: the credentials are not tried for LoginBackoff.
func (c *Conn) holdBack() {
	logins.Refused(c.account(), logins.Redfish, c.config.Password, c.config.Now())
}
