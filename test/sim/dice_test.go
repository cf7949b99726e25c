package sim

import (
	"hash/fnv"
	"time"
)

// dice is a stream of random numbers (splitmix64). Every actor has a stream of its own, so that dropping an event of
// one actor leaves the draws of the others as they are.
type dice struct{ state uint64 }

func newDice(seed uint64, name string) *dice {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	d := &dice{state: seed*0x9e3779b97f4a7c15 ^ h.Sum64()}
	d.next()
	return d
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number from 0 to n-1.
func (d *dice) below(n int) int { return int(d.next() % uint64(max(n, 1))) }

// chance is true with a probability.
func (d *dice) chance(p float64) bool { return d.float() < p }

// float is in [0, 1).
func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

// between is a duration from low to high.
func (d *dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.next()%uint64(max(high-low, 1)))
}

// choose is one of the choices.
func choose[T any](d *dice, choices []T) T { return choices[d.below(len(choices))] }
