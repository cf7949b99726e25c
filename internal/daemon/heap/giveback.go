package heap

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// checkEvery is the time between two looks at the memory.
	checkEvery = 15 * time.Second
	// leastExcess is the least memory beyond the live heap, in bytes, that is worth a collection.
	leastExcess = 32 << 20
)

// Memory of the process by runtime/metrics, in bytes.
const (
	liveBytes      = "/gc/heap/live:bytes"   // found in use by the last collection
	allocatedBytes = "/gc/heap/allocs:bytes" // allocated since the start
	objectBytes    = "/memory/classes/heap/objects:bytes"
	freeBytes      = "/memory/classes/heap/free:bytes"
	unusedBytes    = "/memory/classes/heap/unused:bytes"
)

// usage is one look at the memory.
type usage struct {
	live, allocated, held uint64 // held: what the heap has taken from the system and not given back
}

// GiveBack gives memory back to the system after a burst, such as the first look at a large fleet, until ctx ends. The
// runtime alone keeps what the burst needed for minutes. A daemon that is busy, or has little to give, is left alone. The
// end of ctx is no error.
func GiveBack(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	before := readUsage()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := readUsage()
		if now.hasExcess(before) {
			debug.FreeOSMemory()
		}
		before = now
	}
}

// hasExcess reports whether the process is quiet since an earlier look, and holds much more than the last collection
// found in use.
func (u usage) hasExcess(before usage) bool {
	quiet := u.allocated-before.allocated < u.live/8+leastExcess/4
	return quiet && u.held > u.live+max(u.live/4, leastExcess)
}

func readUsage() usage {
	samples := []metrics.Sample{{Name: liveBytes}, {Name: allocatedBytes}, {Name: objectBytes}, {Name: freeBytes}, {Name: unusedBytes}}
	metrics.Read(samples)
	held := samples[2].Value.Uint64() + samples[3].Value.Uint64() + samples[4].Value.Uint64()
	return usage{live: samples[0].Value.Uint64(), allocated: samples[1].Value.Uint64(), held: held}
}
