package schemas

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones of windows mean the same on every machine

	"github.com/robfig/cron/v3"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// ParseSchedule reads when a window opens. Names such as @daily and zones within the schedule are errors.
//
// A schedule that names hours opens once for each of its times of the day, also when clocks change: a time that the
// clocks skip opens when they have skipped it, and a time that they repeat opens the first time. A schedule for every
// hour (* as its hour) goes by the time that passes.
func ParseSchedule(w Window) (cron.Schedule, error) {
	if strings.ContainsAny(w.Start, "@=") {
		return nil, fmt.Errorf("%q is not a schedule", yamltext.ShortenText(w.Start))
	}
	zone, err := time.LoadLocation(w.Zone) // "" is UTC
	if err != nil {
		zone = time.UTC // reported elsewhere
	}
	named := "UTC"
	fields := strings.Fields(w.Start)
	hourly := len(fields) > 1 && fields[1] == "*"
	if hourly {
		named = zone.String()
	}
	schedule, err := cron.ParseStandard("CRON_TZ=" + named + " " + w.Start)
	if err != nil {
		return nil, fmt.Errorf("%q is not a schedule: %w", yamltext.ShortenText(w.Start), err)
	}
	if hourly {
		return schedule, nil
	}
	return wallSchedule{clock: schedule, zone: zone}, nil
}

// wallSchedule opens by the clocks of a zone. The schedule clock has no changes of clocks: times of the zone are given to
// it, and taken from it, as if they were UTC.
type wallSchedule struct {
	clock cron.Schedule
	zone  *time.Location
}

// maxRepeated is more than any clock is put back.
const maxRepeated = 25 * time.Hour

// Next gives the first opening after t, zero for none within five years.
func (s wallSchedule) Next(t time.Time) time.Time {
	for wall := readWall(t.In(s.zone)).Add(-maxRepeated); ; {
		if wall = s.clock.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		if opens := findInstant(wall, s.zone); opens.After(t) {
			return opens.In(t.Location())
		}
	}
}

// readWall gives what the clocks show at t, as if it were UTC.
func readWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// findInstant gives the first moment at which the clocks of a zone show a time; where the clocks skip the time, the moment
// after.
func findInstant(wall time.Time, zone *time.Location) time.Time {
	_, before := wall.Add(-maxRepeated).In(zone).Zone()
	_, after := wall.Add(maxRepeated).In(zone).Zone()
	for _, offset := range []int{max(before, after), min(before, after)} { // the larger offset is the earlier moment
		moment := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if readWall(moment).Equal(wall) {
			return moment
		}
	}
	skipped, _ := wall.Add(-time.Duration(before) * time.Second).In(zone).ZoneBounds()
	return skipped
}
