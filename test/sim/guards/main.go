// Command guards takes each guard of the safety rules out in turn, and counts the simulated seeds until a rule breaks.
//
// A guard is a line of the product that ends in `// guard: NAME` and is an if or a case: the program makes the
// condition false with `go test -overlay`, so that no file changes. A guard that no seed misses is a failure, and so is
// a name of the list that no line has.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// names are the guards that must be there.
var names = []string{"leave", "begun-before-yes", "only-the-disk-takes-back", "mark-compare", "lives", "attended-time",
	"two-readings", "identity-compare", "git-fence", "fence-before-effects", "published-before-arming", "epoch-compare",
	"exactly-one-disk", "commit-descends", "budget", "orphan", "no-power-while-a-job-runs", "request-done",
	"two-signers"}

// line is one guarded line.
type line struct {
	file   string
	number int // from 1
	text   string
}

func main() {
	seeds := flag.Int("seeds", 2000, "the most seeds for each guard")
	only := flag.String("guard", "", "only these guards, with commas between them")
	flag.Parse()
	if err := run(*seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run tries every guard and prints a table.
func run(seeds int, only string) error {
	found, err := findGuards(".")
	if err != nil {
		return err
	}
	var missing, survived []string
	fmt.Printf("%-26s %-8s %s\n", "guard", "seeds", "the rule that breaks without it")
	for _, name := range names {
		if only != "" && !slices.Contains(strings.Split(only, ","), name) {
			continue
		}
		if len(found[name]) == 0 {
			missing = append(missing, name)
			fmt.Printf("%-26s %-8s\n", name, "no line")
			continue
		}
		after, rule, err := breakWithout(found[name], seeds)
		if err != nil {
			return fmt.Errorf("guard %s: %w", name, err)
		}
		if after == "" {
			survived, after, rule = append(survived, name), "-", fmt.Sprintf("none within %d seeds", seeds)
		}
		fmt.Printf("%-26s %-8s %s\n", name, after, rule)
	}
	if len(missing) > 0 || len(survived) > 0 {
		return fmt.Errorf("guards without a line: %v; guards that no seed misses: %v", missing, survived)
	}
	return nil
}

var marker = regexp.MustCompile(`// guard: ([a-z-]+)\s*$`)

// findGuards finds the guarded lines of the product by name.
func findGuards(root string) (map[string][]line, error) {
	found := map[string][]line{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == filepath.Join(root, "test") || path == filepath.Join(root, "bin") || path == filepath.Join(root, "dist") || strings.HasPrefix(entry.Name(), ".") && path != root):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, text := range strings.Split(string(data), "\n") {
			named := marker.FindStringSubmatch(text)
			if named == nil {
				continue
			}
			if !slices.Contains(names, named[1]) {
				return fmt.Errorf("%s:%d: guard %s is not in the list", path, i+1, named[1])
			}
			found[named[1]] = append(found[named[1]], line{path, i + 1, text})
		}
		return nil
	})
	return found, err
}

// breakWithout runs the simulator without the lines of one guard, and gives the number of seeds until a rule broke; ""
// when none did.
func breakWithout(lines []line, seeds int) (after, rule string, err error) {
	dir, err := os.MkdirTemp("", "ingot-guards-*")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, lines)
	if err != nil {
		return "", "", err
	}
	command := exec.CommandContext(context.Background(), "go", "test", "-overlay", overlay, "./test/sim", "-count=1", "-timeout=6h", "-run", "TestUntilBroken$",
		"-v", "-until", fmt.Sprint(seeds))
	out, err := command.CombinedOutput()
	if said := regexp.MustCompile(`(?m)BROKEN AFTER (\d+) (.*)$`).FindSubmatch(out); said != nil {
		return string(said[1]), string(said[2]), nil
	}
	if err != nil {
		return "", "", fmt.Errorf("%w: %s", err, out[max(0, len(out)-2000):])
	}
	if !strings.Contains(string(out), "NOTHING BROKEN") {
		return "", "", errors.New("the simulator said nothing")
	}
	return "", "", nil
}

// writeOverlay writes the files without their guards, and the file that tells the compiler of them.
func writeOverlay(dir string, lines []line) (string, error) {
	texts := map[string][]string{}
	for _, guard := range lines {
		if texts[guard.file] == nil {
			data, err := os.ReadFile(guard.file)
			if err != nil {
				return "", err
			}
			texts[guard.file] = strings.Split(string(data), "\n")
		}
		without, err := disable(guard.text)
		if err != nil {
			return "", fmt.Errorf("%s:%d: %w", guard.file, guard.number, err)
		}
		texts[guard.file][guard.number-1] = without
	}
	replace := map[string]string{}
	for file, text := range texts {
		path, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		replace[path] = filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(replace[path], []byte(strings.Join(text, "\n")), 0o600); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}

var (
	asIf   = regexp.MustCompile(`^(\s*(?:\} else )?if )(.*)( \{ *// guard: .*)$`)
	asCase = regexp.MustCompile(`^(\s*case )(.*)(: *// guard: .*)$`)
)

// disable makes the condition of a line false, and keeps what the line declares.
func disable(text string) (string, error) {
	if parts := asIf.FindStringSubmatch(text); parts != nil {
		before, condition := "", parts[2]
		if at := strings.LastIndex(condition, "; "); at >= 0 {
			before, condition = condition[:at+2], condition[at+2:]
		}
		return parts[1] + before + "false && (" + condition + ")" + parts[3], nil
	}
	if parts := asCase.FindStringSubmatch(text); parts != nil {
		conditions := parts[2]
		if strings.Contains(conditions, ", ") && !strings.Contains(conditions, "(") {
			all := strings.Split(conditions, ", ")
			for i := range all {
				all[i] = "false && (" + all[i] + ")"
			}
			return parts[1] + strings.Join(all, ", ") + parts[3], nil
		}
		return parts[1] + "false && (" + conditions + ")" + parts[3], nil
	}
	return "", errors.New("the guarded line is neither an if nor a case")
}
