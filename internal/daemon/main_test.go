package daemon_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain runs four tests at a time, also on two processors: they wait for BMCs, machines and Git most of the time.
// The flag -parallel overrides it.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
