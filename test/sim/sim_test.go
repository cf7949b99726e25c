package sim

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "the seed of TestSeed")
	smallFlag = flag.Bool("small", false, "TestSeed prints the smallest story that breaks the same rule")
	runsFlag  = flag.Int("runs", 10, "how many sites TestRuns simulates")
	tellFlag  = flag.Bool("tell", false, "TestSeed prints the history")
)

// TestSeed runs one world, for people who look for what happened in it.
func TestSeed(t *testing.T) {
	if *seedFlag == 0 {
		return
	}
	s := newStory(*seedFlag)
	fmt.Print(s)
	var tell *os.File
	if *tellFlag {
		tell = os.Stdout
	}
	r := run(s, nil)
	if *smallFlag && r.rule != "" {
		fmt.Println(explain(r, *shrinkFlag))
	}
	if tell != nil {
		r = run(s, tell)
	}
	t.Logf("%d steps, %d of %d serve", r.steps, r.served, r.hosts)
	if r.rule != "" {
		t.Errorf("%s: %s", r.rule, r.broke)
	}
}

// TestTheSameSeedGivesTheSameHistory runs worlds twice.
func TestTheSameSeedGivesTheSameHistory(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 3; seed++ {
		var one, two bytes.Buffer
		run(newStory(seed), &one)
		run(newStory(seed), &two)
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("seed %d: %s", seed, difference(one.Bytes(), two.Bytes()))
		}
	}
}

// difference is where two histories part.
func difference(a, b []byte) string {
	one, two := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(one), len(two)) {
		if !bytes.Equal(one[i], two[i]) {
			return fmt.Sprintf("line %d:\n%s\n%s", i, one[i], two[i])
		}
	}
	return fmt.Sprintf("%d lines, then %d", len(one), len(two))
}
