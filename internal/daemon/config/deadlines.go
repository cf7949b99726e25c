package config

import (
	"maps"
	"slices"
	"time"
)

// longestDeadline bounds every deadline: a machine that needs longer to start is broken.
const longestDeadline = 24 * time.Hour

// checkFields finds deadlines that are no deadlines.
func (d Deadlines) checkFields(p *problems) {
	fields := map[string]time.Duration{"start": d.Start.Duration, "medium": d.Medium.Duration,
		"agent": d.Agent.Duration, "silence": d.Silence.Duration, "lost": d.Lost.Duration, "home": d.Home.Duration}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if value := fields[name]; value < 0 || value > longestDeadline {
			p.addBad("deadlines."+name, "want a time of at most 24h", "leave it out for the default")
		}
	}
}
