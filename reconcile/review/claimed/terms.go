package claimed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
)

// addTerms says which terms of a Workload change, besides what its batch computes: fields by the names of the file.
func (c *Change) addTerms(was, now runs.Work) {
	paused := "runs begin again"
	if now.Paused {
		paused = "no more runs begin"
	}
	for _, term := range []struct {
		field    string
		was, now any
		so       string // what follows; "" where the field says it
	}{
		{"replicas", was.Replicas, now.Replicas, ""},
		{"hosts", describeSelector(was), describeSelector(now), ""},
		{"priority", was.Priority, now.Priority, ""},
		{"paused", was.Paused, now.Paused, paused},
		{"run.completions", was.Completions, now.Completions, ""},
		{"run.deadline", was.Deadline, now.Deadline, "of each run that begins"},
		{"run.retries", was.Retries, now.Retries, ""},
		{"run.onFailure", describeStop(was.StopAfter), describeStop(now.StopAfter), ""},
		{"run.whenDone", describeEnd(was.Keeps), describeEnd(now.Keeps), ""},
		{"run.results", describeLimits(was.Results), describeLimits(now.Results), "of each run that begins"},
		{"run.results.keep", describeKeep(was.Keep), describeKeep(now.Keep), "ended batches over it are removed for good"},
	} {
		if term.was == term.now {
			continue
		}
		line := fmt.Sprintf("%s %v → %v", term.field, term.was, term.now)
		if term.so != "" {
			line += ": " + term.so
		}
		c.add("%s", line)
	}
}

func describeSelector(w runs.Work) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(w.MatchLabels)) {
		parts = append(parts, key+"="+w.MatchLabels[key])
	}
	if w.When != "" {
		parts = append(parts, "when "+strings.Join(strings.Fields(w.When), " "))
	}
	return strings.Join(parts, ", ")
}

func describeStop(after int) string {
	if after == 0 {
		return "never stops"
	}
	return fmt.Sprintf("stops after %d failed items", after)
}

func describeEnd(keeps bool) string {
	if keeps {
		return "PowerOff"
	}
	return "Release"
}

func describeLimits(l runs.Limits) string {
	files := "no patterns"
	if len(l.Files) > 0 {
		files = strings.Join(l.Files, " ")
	}
	text := fmt.Sprintf("%s, at most %d bytes in %d files", files, l.MaxSize, l.MaxFiles)
	if !l.Required {
		text += ", not required"
	}
	return text
}

func describeKeep(k runs.Keep) string {
	var parts []string
	if k.Age > 0 {
		parts = append(parts, fmt.Sprintf("%d days", k.Age/(24*time.Hour)))
	}
	if k.Size > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", k.Size))
	}
	if len(parts) == 0 {
		return "as the daemon's configuration says"
	}
	return strings.Join(parts, ", ")
}
