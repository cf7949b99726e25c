package conn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
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

// refusals remembers, over all connections of the process, which credentials a BMC has refused, and until when the
// credentials are not tried again. Only a keyed digest of the credentials is kept.
var refusals = struct {
	sync.Mutex
	until map[[sha256.Size]byte]time.Time
	salt  string
}{until: map[[sha256.Size]byte]time.Time{}, salt: rand.Text()}

func (c *Conn) refusalKey() [sha256.Size]byte {
	return sha256.Sum256([]byte(refusals.salt + "\x00" + c.base.Host + "\x00" + c.config.Username + "\x00" +
		c.config.Password.Reveal()))
}

// refusedUntil is when the credentials may be tried again; zero means now.
func (c *Conn) refusedUntil() time.Time {
	refusals.Lock()
	defer refusals.Unlock()
	key := c.refusalKey()
	until := refusals.until[key]
	if !until.After(c.config.Now()) {
		delete(refusals.until, key)
		return time.Time{}
	}
	return until
}

// holdBack stops the credentials from being tried for LoginBackoff.
func (c *Conn) holdBack() {
	refusals.Lock()
	defer refusals.Unlock()
	refusals.until[c.refusalKey()] = c.config.Now().Add(LoginBackoff)
}
