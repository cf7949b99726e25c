package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxWalk is how many functions stand between the command line and the first byte on a disk.
const maxWalk = 25

// TestTheWalkInContributing finds each function of the walk in CONTRIBUTING.md where the walk says.
func TestTheWalkInContributing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| `([a-z/_]+\\.go)` \\|").FindAllStringSubmatch(string(text), -1)
	if len(steps) < 10 || len(steps) > maxWalk {
		t.Errorf("the walk has %d functions, want 10 to %d", len(steps), maxWalk)
	}
	for _, step := range steps {
		name, file := step[1], step[2]
		source, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		function := name[strings.LastIndex(name, ".")+1:]
		if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + function + `\(`).Match(source) {
			t.Errorf("%s declares no function %s", file, function)
		}
	}
}
