package sim

import (
	"time"
	"unsafe"
)

// epoch is the wall clock at the start of every world.
var epoch = time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)

// clock is the clock of one daemon's machine: a wall clock that people, NTP and batteries move, and a monotonic clock
// that runs at a rate of its own.
type clock struct {
	w      *world
	offset time.Duration // of the wall clock, from the world's time
	rate   float64       // of both clocks
	since  time.Duration // the world's time at which the rate was set
	passed time.Duration // by this clock, until since
	booted time.Duration // the monotonic clock at the start of the process
}

// elapsed is the time by this clock since the start of the world.
func (c *clock) elapsed() time.Duration {
	return c.passed + time.Duration(float64(c.w.now-c.since)*c.rate)
}

func (c *clock) setRate(rate float64) {
	c.passed, c.since, c.rate = c.elapsed(), c.w.now, rate
}

// wall is the wall clock since the start of the world.
func (c *clock) wall() time.Duration { return c.elapsed() + c.offset }

// read gives the time as a Go program on this machine sees it: with the monotonic reading that Sub, Before and After go
// by, and a wall clock that may have left it.
func (c *clock) read() time.Time {
	elapsed := c.elapsed()
	return withMonotonic(epoch.Add(elapsed+c.offset), elapsed-c.booted+time.Second)
}

// goTime is time.Time of the Go runtime: package time documents the layout in its source (hasMonotonic).
type goTime struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

// wallEpoch is the year 1885, from which the wall seconds of a time with a monotonic reading count.
var wallEpoch = time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC)

// withMonotonic gives a wall time a monotonic reading.
func withMonotonic(wall time.Time, monotonic time.Duration) time.Time {
	seconds := uint64(wall.Unix() - wallEpoch.Unix())
	t := goTime{wall: 1<<63 | seconds<<30 | uint64(wall.Nanosecond()), ext: int64(monotonic)}
	return *(*time.Time)(unsafe.Pointer(&t))
}
