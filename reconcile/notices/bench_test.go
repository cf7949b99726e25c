package notices_test

import (
	"fmt"
	"testing"

	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// BenchmarkPass is what a pass over 10,000 hosts costs, of which a tenth is held.
func BenchmarkPass(b *testing.B) {
	var hosts []notices.Host
	for i := range 10_000 {
		hosts = append(hosts, done(fmt.Sprintf("host-%05d", i)))
		if i%10 == 0 {
			hosts[i] = page(fmt.Sprintf("host-%05d", i), plan.Held, "NeedsConsent", fmt.Sprint(i))
		}
	}
	fleet := notices.Fleet{Commit: commit, Rings: []admit.Progress{{Name: "canary", Commit: "rel"}}}
	memory := notices.NewMemory(0)
	for b.Loop() {
		memory.Tell(notices.Collect(fleet, hosts), fleet, noon)
		memory.JudgeCommits(fleet, hosts, noon)
		if _, err := memory.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
