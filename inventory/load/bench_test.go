package load_test

import (
	"testing"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/lab/bigfleet"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
)

// BenchmarkFleet loads a fleet of 10,000 hosts from scratch.
func BenchmarkFleet(b *testing.B) {
	sources := inventory.Sources{Trunk: bigfleet.Snapshot("1111111111111111111111111111111111111111", bigfleet.Files(10_000))}
	for b.Loop() {
		if _, findings := load.Fleet(sources, ignition.Checker{}); len(findings) > 3 {
			b.Fatal(findings[0])
		}
	}
}
