package erase

import "sync"

// Meter adds the progress of several disks, in bytes.
type Meter struct {
	report func(done, total uint64)

	mu          sync.Mutex
	sizes, done []uint64
}

// NewMeter is a meter for disks of these sizes.
func NewMeter(sizes []uint64, report func(done, total uint64)) *Meter {
	return &Meter{report: report, sizes: sizes, done: make([]uint64, len(sizes))}
}

// Of takes the progress of one disk, by its index: done of total, in the disk's own unit.
func (m *Meter) Of(disk int) func(done, total uint64) {
	return func(done, total uint64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if total > 0 {
			m.done[disk] = uint64(float64(m.sizes[disk]) * float64(done) / float64(total))
		}
		var sum, whole uint64
		for i, size := range m.sizes {
			sum, whole = sum+m.done[i], whole+size
		}
		m.report(sum, whole)
	}
}
