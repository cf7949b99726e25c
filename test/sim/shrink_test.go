package sim

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// shrink makes the story of a broken rule smaller, by dropping deeds as long as the same rule breaks (delta debugging).
// It ends after a time, with the smallest story so far.
func shrink(r result, limit time.Duration) result {
	deadline := time.Now().Add(limit)
	best := r
	breaks := func(deeds []deed) bool {
		next := best.story
		next.deeds = deeds
		again := run(next, nil)
		if again.rule != r.rule {
			return false
		}
		best = again
		return true
	}
	for size := len(best.story.deeds) / 2; size > 0 && time.Now().Before(deadline); {
		dropped := false
		for from := 0; from < len(best.story.deeds) && time.Now().Before(deadline); {
			rest := slices.Concat(best.story.deeds[:from], best.story.deeds[min(from+size, len(best.story.deeds)):])
			if breaks(rest) {
				dropped = true
				continue
			}
			from += size
		}
		if !dropped {
			size /= 2
		}
		size = min(size, len(best.story.deeds))
	}
	for best.story.machines > 1 && time.Now().Before(deadline) {
		next := best.story
		next.machines--
		again := run(next, nil)
		if again.rule != r.rule {
			break
		}
		best = again
	}
	return best
}

// explain tells a broken rule: the smallest story that breaks it, and the end of its history.
func explain(r result, limit time.Duration) string {
	small := shrink(r, limit)
	var told bytes.Buffer
	run(small.story, &told)
	lines := bytes.Split(told.Bytes(), []byte("\n"))
	const shown = 60
	return fmt.Sprintf("%s: %s\nsmallest story (%d of %d deeds): %s\nits end:\n%s", small.rule, small.broke,
		len(small.story.deeds), len(r.story.deeds), small.story, bytes.Join(lines[max(0, len(lines)-shown):], []byte("\n")))
}
