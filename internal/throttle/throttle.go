// Package throttle limits how often strangers and machines may call: a Limiter has a token bucket for each name. Ask
// WouldAllow before an answer that is free, and take a token with Allow for what shall be rare, such as a failure.
package throttle

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter is a token bucket per name. The methods are safe for concurrent use.
type Limiter struct {
	mu      sync.Mutex
	every   rate.Limit
	burst   int
	buckets map[string]*rate.Limiter
}

// maxBuckets bounds the memory that strangers can use; over the bound all buckets start afresh.
const maxBuckets = 100_000

// New makes a limiter of a rate in tokens a second, and of a burst.
func New(perSecond float64, burst int) *Limiter {
	return &Limiter{every: rate.Limit(perSecond), burst: burst, buckets: map[string]*rate.Limiter{}}
}

func (l *Limiter) find(name string) *rate.Limiter {
	b := l.buckets[name]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets)
		}
		b = rate.NewLimiter(l.every, l.burst)
		l.buckets[name] = b
	}
	return b
}

// Allow takes a token, and reports whether there was one.
func (l *Limiter) Allow(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.find(name).AllowN(now, 1)
}

// WouldAllow reports whether the next Allow would succeed.
func (l *Limiter) WouldAllow(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[name]
	return !known || b.TokensAt(now) >= 1
}
