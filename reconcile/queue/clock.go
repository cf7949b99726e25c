package queue

import (
	"sync"
	"time"
)

// clockJump is how far the wall clock may leave the monotonic clock before the daemon counts as started anew: the
// machine was suspended, or somebody set the clock.
const clockJump = 30 * time.Second

// Clock compares the wall clock with the monotonic clock. Its methods may be called from several goroutines.
type Clock struct {
	Wall    func() time.Time
	Elapsed func() time.Duration // monotonic, since any moment

	mu     sync.Mutex
	ahead  time.Duration // of the wall clock, when starts was raised last
	starts int           // 0 before the first reading
}

// Read gives the monotonic time and the number of starts: the daemon's start, and every jump of the wall clock.
func (c *Clock) Read() (at time.Duration, starts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at = c.Elapsed()
	// without Round, the difference of two readings of the wall clock would be monotonic
	ahead := c.Wall().Round(0).Sub(time.Unix(0, 0)) - at
	if apart := (ahead - c.ahead).Abs(); c.starts == 0 || apart >= clockJump {
		c.ahead = ahead
		c.starts++
	}
	return at, c.starts
}
