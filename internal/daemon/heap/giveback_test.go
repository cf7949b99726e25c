package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// Memory is given back where the process is quiet and holds much more than it uses.
func TestHasExcess(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, test := range map[string]struct {
		live, allocated, held uint64
		want                  bool
	}{
		"after a burst":           {200 * mib, 5 * mib, 500 * mib, true},
		"in the burst":            {200 * mib, 300 * mib, 500 * mib, false},
		"garbage of a usual size": {200 * mib, 5 * mib, 240 * mib, false},
		"a small daemon":          {10 * mib, 1 * mib, 40 * mib, false},
		"a small daemon's burst":  {10 * mib, 1 * mib, 80 * mib, true},
	} {
		before := usage{allocated: 1000 * mib}
		now := usage{live: test.live, allocated: before.allocated + test.allocated, held: test.held}
		if got := now.hasExcess(before); got != test.want {
			t.Errorf("%s: hasExcess = %t, want %t", name, got, test.want)
		}
	}
}

// The runtime tells what readUsage reads, and a burst is excess until it was given back.
func TestABurstIsGivenBack(t *testing.T) {
	burst := make([][]byte, 0, 256)
	for range cap(burst) {
		burst = append(burst, make([]byte, 1<<20))
	}
	runtime.KeepAlive(burst)
	runtime.GC()
	now := readUsage()
	if !now.hasExcess(now) {
		t.Fatalf("after a burst of 256 MiB: %+v, want an excess", now)
	}
	debug.FreeOSMemory()
	if now = readUsage(); now.hasExcess(now) {
		t.Errorf("after it was given back: %+v, want no excess", now)
	}
}
