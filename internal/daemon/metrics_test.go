package daemon_test

import (
	"cmp"
	"errors"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/reconcile/plan"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestAScrapeDuringARollout compares a scrape with a golden. The rollout has stopped: the canary's install failed, was
// given up, and the hosts of the later ring wait. What depends on time or on the number of looks is written as N.
func TestAScrapeDuringARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.makeRings(t, 2)
	w.edit(t, "hosts/machine-2.yaml", ", ring: canary}", ", ring: early}")
	w.edit(t, "../ingot.yaml", "  web:", "  metrics: "+freeAddress(t)+"\n  web:")
	w.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 100ms\nreinstall: {allHosts: true}")
	w.edit(t, "../ingot.yaml", "poll: 10s", "poll: 1s")
	w.edit(t, "workloads/hello.yaml", "spec:\n", "spec:\n  update: Reinstall\n")
	settings, err := config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + settings.Listen.Metrics
	first := w.release(t, "v1", "first")
	w.start(t)
	w.await(t, 2, "Active", runs(first))
	awaitStatus(t, base+"/readyz", http.StatusOK)
	if head, body := get(t, http.MethodGet, base+"/healthz", nil); head.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz of a daemon that works: %s %q", head.Status, body)
	}

	w.rack.Sim("machine-1").BreakWrites(func(wire.Install) error {
		return errors.New("this release does not work here")
	})
	w.release(t, "v2", "second")
	w.await(t, 2, "stopped at the canary", func(h daemon.HostView) bool {
		if h.Metadata.Name != "machine-1" {
			return h.Phase == plan.Pending
		}
		return h.Phase == plan.Held && h.LastOperation != nil && h.Hold != nil && len(h.Hold.Consent) == 1
	})
	awaitGolden(t, base+"/metrics", filepath.Join("testdata", "scrape.prom"))
}

// awaitStatus asks until the answer has a status: a probe sees a start only after it.
func awaitStatus(t *testing.T, url string, want int) (body string) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		head, body := get(t, http.MethodGet, url, nil)
		if head.StatusCode == want {
			return body
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s = %s %s, want %d", url, head.Status, body, want)
		}
	}
}

// awaitGolden scrapes until the scrape is the golden: the last push may still be on its way.
func awaitGolden(t *testing.T, url, golden string) {
	t.Helper()
	want, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_, body := get(t, http.MethodGet, url, nil)
		got := normaliseScrape(body)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if got == string(want) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the scrape differs from %s (go test -update writes it):\n%s", golden, gocmp.Diff(string(want), got))
		}
	}
}

// exact are the metrics whose values the rollout decides.
var exact = []string{"ingot_hosts", "ingot_hosts_held", "ingot_operations", "ingot_operations_started_total",
	"ingot_operations_ended_total", "ingot_erases_begun_total", "ingot_agents", "ingot_fleet_commit_refused",
	"ingot_fleet_frozen", "ingot_fleet_paused", "ingot_standing_aside", "ingot_images", "ingot_image_fetches_total"}

// sometimes are samples that one rollout has and another has not: of requests that were repeated, and of an image that
// was fetched before it was asked for; and whether the agent or the BMC switched a machine off.
var sometimes = regexp.MustCompile(`^ingot_(actions|journal_requests|bmc_requests)_total\{.*` +
	`(result="(Waiting|Retry|Stalled|conflict|error|Unreachable|Unauthorized|Refused|Protocol|NotSent|Other)"|FetchImage|PowerOff)|request="get"`)

// normaliseScrape leaves out what Go and the process say of themselves and the buckets of histograms, and writes N for
// what varies; 0 stays 0 where nothing may have happened.
func normaliseScrape(text string) string {
	sample := regexp.MustCompile(`^([a-z_]+)(\{[^}]*\})? (\S+)$`)
	lines := map[string]string{}
	var comments []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if fields := strings.Fields(line); strings.HasPrefix(line, "#") && strings.HasPrefix(fields[2], "ingot_") {
			comments = append(comments, line)
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || !strings.HasPrefix(m[1], "ingot_") || strings.HasSuffix(m[1], "_bucket") {
			continue
		}
		if sometimes.MatchString(m[1] + m[2]) {
			continue
		}
		value := "N"
		if slices.Contains(exact, m[1]) {
			value = m[3]
		}
		lines[m[1]+m[2]] = value
	}
	var out strings.Builder
	for _, line := range comments {
		out.WriteString(line + "\n")
	}
	for _, key := range slices.SortedFunc(maps.Keys(lines), func(a, b string) int { return cmp.Compare(a, b) }) {
		out.WriteString(key + " " + lines[key] + "\n")
	}
	return out.String()
}
