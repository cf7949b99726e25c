package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/cause"
)

var (
	seedsFlag  = flag.Int("seeds", 12, "how many seeds TestSim runs")
	fromFlag   = flag.Uint64("from", 1, "the first seed of TestSim")
	stepsFlag  = flag.Int("steps", 0, "the least steps that TestSim must have run")
	kindsFlag  = flag.Int("kinds", 0, "the least kinds of faults that TestSim must have reached")
	untilFlag  = flag.Int("until", 0, "the most seeds of TestUntilBroken")
	shrinkFlag = flag.Duration("shrink", time.Minute, "how long a broken story is made smaller")
	longFlag   = flag.Duration("longest", 10*time.Minute, "how long one world may run, by the wall clock")
	allFlag    = flag.Bool("all", false, "TestSim goes on after a broken rule, and counts")
)

// TestMain collects garbage less often than usual: worlds make much of it, and keep little. GOGC overrides it.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
	debug.SetTraceback("all") // of a world that does not end
	m.Run()
}

// survey is the sum of many worlds.
type survey struct {
	seeds   int
	steps   int
	years   float64
	reached map[string]int
	causes  map[cause.Name]int
	broken  []result
	took    time.Duration
}

// surveySeeds runs a world for each seed, as many at a time as there are processors. Each world stays in one goroutine.
func surveySeeds(from uint64, count int, stop func(result) bool) survey {
	var mu sync.Mutex
	var workers sync.WaitGroup
	s := survey{reached: map[string]int{}, causes: map[cause.Name]int{}}
	began, next, ended := time.Now(), from, false
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				done := ended || seed >= from+uint64(count)
				mu.Unlock()
				if done {
					return
				}
				r := runInTime(seed)
				mu.Lock()
				s.add(r)
				ended = ended || r.rule != "" && stop(r)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	s.took = time.Since(began)
	slices.SortFunc(s.broken, func(a, b result) int { return int(a.story.seed) - int(b.story.seed) })
	return s
}

// runInTime runs a world, and ends the program with the seed when the world does not end.
func runInTime(seed uint64) result {
	late := time.AfterFunc(*longFlag, func() {
		panic(fmt.Sprintf("seed %d has run for %s: see it with go test ./test/sim -run 'TestSeed$' -seed %[1]d -tell", seed, *longFlag))
	})
	defer late.Stop()
	return run(newStory(seed), nil)
}

func (s *survey) add(r result) {
	s.seeds++
	s.steps += r.steps
	s.years += r.years
	for kind, count := range r.reached {
		s.reached[kind] += count
	}
	for name, count := range r.causes {
		s.causes[name] += count
	}
	if r.rule != "" {
		s.broken = append(s.broken, r)
	}
}

// String is the figures of a survey.
func (s survey) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d steps (%.0f a second), %.1f machine-years, %d kinds of fault reached, %d broken rules\n",
		s.seeds, s.steps, float64(s.steps)/s.took.Seconds(), s.years, len(s.reached), len(s.broken))
	for _, kind := range slices.Sorted(maps.Keys(s.reached)) {
		fmt.Fprintf(&b, "%9d  %s\n", s.reached[kind], kind)
	}
	fmt.Fprintf(&b, "%d causes of `ingot why` met\n", len(s.causes))
	for _, name := range slices.Sorted(maps.Keys(s.causes)) {
		fmt.Fprintf(&b, "%9d  %s\n", s.causes[name], name)
	}
	return b.String()
}

// TestSim runs worlds: `make sim` runs a thousand.
func TestSim(t *testing.T) {
	s := surveySeeds(*fromFlag, *seedsFlag, func(r result) bool { return !*allFlag })
	fmt.Print(s)
	if *allFlag {
		rules := map[string][]uint64{}
		for _, r := range s.broken {
			rules[r.rule] = append(rules[r.rule], r.story.seed)
		}
		for _, rule := range slices.Sorted(maps.Keys(rules)) {
			fmt.Printf("%4d  %s: %v\n", len(rules[rule]), rule, rules[rule][:min(12, len(rules[rule]))])
		}
	}
	for _, r := range s.broken[:min(len(s.broken), 1)] {
		t.Errorf("seed %d: %s\nsee it whole with go test ./test/sim -run 'TestSeed$' -seed %[1]d -tell", r.story.seed,
			explain(r, *shrinkFlag))
	}
	if s.steps < *stepsFlag || len(s.reached) < *kindsFlag {
		t.Errorf("%d steps and %d kinds of fault, want at least %d and %d", s.steps, len(s.reached), *stepsFlag, *kindsFlag)
	}
	if *seedsFlag >= 1000 {
		for _, name := range readShownCauses(t) {
			if s.causes[name] == 0 {
				t.Errorf("no site met the cause %s: show it elsewhere, and say where in %s", name, shownCauses)
			}
		}
	}
}

// shownCauses says where each cause of `ingot why` is met.
const shownCauses = "../../reconcile/cause/testdata/shown.txt"

// readShownCauses gives the causes that a thousand sites must meet.
func readShownCauses(t *testing.T) (names []cause.Name) {
	t.Helper()
	data, err := os.ReadFile(shownCauses)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) == 2 && words[1] == "simulator" {
			names = append(names, cause.Name(words[0]))
		}
	}
	if len(names) < 70 {
		t.Errorf("%s names %d causes of the simulator: this test would prove little", shownCauses, len(names))
	}
	return names
}

// TestUntilBroken runs worlds until a rule breaks: the program in guards calls it, with a
// guard taken out.
func TestUntilBroken(t *testing.T) {
	if *untilFlag == 0 {
		return
	}
	const share = 50 // seeds between two looks at the result
	for from := 1; from <= *untilFlag; from += share {
		s := surveySeeds(uint64(from), min(share, *untilFlag-from+1), func(result) bool { return true })
		if len(s.broken) > 0 {
			r := s.broken[0]
			fmt.Printf("BROKEN AFTER %d %s: %s\n", r.story.seed, r.rule, strings.SplitN(r.broke, "\n", 2)[0])
			return
		}
	}
	fmt.Println("NOTHING BROKEN")
}
