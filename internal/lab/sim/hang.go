package sim

import (
	"context"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Hang is where a start of a machine stops: it reads After bytes of its boot medium, writes lines onto the serial
// console, and does no more. A start from the disk reads no medium.
type Hang struct {
	From  bmc.Source // which starts hang; "" is those from the medium
	After int
	Says  []string
	Once  bool // only the next start hangs
}

// HangAt makes the next starts of the machine hang; nil mends the machine.
func (m *Machine) HangAt(hang *Hang) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hang = hang
}

// hangs does what a start that hangs does, and reports whether the start hangs.
func (m *Machine) hangs(ctx context.Context, boot bmc.Boot) bool {
	m.mu.Lock()
	hang := m.hang
	fromMedium := boot.From == bmc.FromCD && boot.MediaURL != ""
	stops := hang != nil && fromMedium == (hang.From != bmc.FromDisk)
	if stops && hang.Once {
		m.hang = nil
	}
	m.mu.Unlock()
	if !stops {
		return false
	}
	const step = 64 << 10
	for at := 0; at < hang.After && fromMedium; at += step {
		if _, _, err := readRange(ctx, boot.MediaURL, at, min(step, hang.After-at)); err != nil {
			m.printLine("firmware: %v", err)
			return true
		}
	}
	for _, line := range hang.Says {
		m.printLine("%s", line)
	}
	return true
}
