package schemas

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones of windows mean the same on every machine

	"github.com/robfig/cron/v3"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// ParseSchedule reads when a window opens. Names such as @daily and zones within the schedule are errors. Sunday is 0 or 7.
//
// A schedule that names hours opens once for each of its times of the day, also when clocks change: a time that the
// clocks skip opens when they have skipped it, and a time that they repeat opens the first time. A schedule for every
// hour (* as its hour) goes by the time that passes.
func ParseSchedule(w Window) (cron.Schedule, error) {
	if fields, named := namedSchedules[strings.ToLower(strings.TrimSpace(w.Start))]; named {
		return nil, fmt.Errorf("%q is not a schedule: write %q", w.Start, fields)
	}
	if strings.Contains(w.Start, "=") {
		return nil, fmt.Errorf("%q is not a schedule: write the zone as zone", yamltext.ShortenText(w.Start))
	}
	if strings.Contains(w.Start, "@") {
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
	if len(fields) == 5 {
		fields[4] = spellSundays(fields[4])
	}
	if why := explainFields(strings.Fields(w.Start), fields); why != "" {
		return nil, fmt.Errorf("%q is not a schedule: %s", yamltext.ShortenText(w.Start), why)
	}
	schedule, err := cron.ParseStandard("CRON_TZ=" + named + " " + strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("%q is not a schedule: %w", yamltext.ShortenText(w.Start), err)
	}
	if hourly {
		return schedule, nil
	}
	return wallSchedule{clock: schedule, zone: zone}, nil
}

// fieldsOfSchedule name the fields of a schedule and say which values they take.
var fieldsOfSchedule = [...]struct{ name, takes string }{
	{"minute", "0 to 59"}, {"hour", "0 to 23"}, {"day of the month", "1 to 31"}, {"month", "1 to 12, or JAN to DEC"},
	{"day of the week", "0 to 7, or SUN to SAT"},
}

// explainFields says which field of a schedule cannot be read; "" for none. The written fields are for people; the read
// ones are without the days that package cron does not know.
func explainFields(written, read []string) string {
	if len(read) != len(fieldsOfSchedule) {
		return fmt.Sprintf("it has %d fields, and needs 5: minute, hour, day of the month, month, day of the week", len(read))
	}
	for i, field := range fieldsOfSchedule {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = read[i]
		if _, err := cron.ParseStandard(strings.Join(alone, " ")); err != nil || strings.Trim(read[i], ",") == "" {
			return fmt.Sprintf("its %s %q cannot be read: write %s, such as *, 3, 1-5, */2 or 1,4", field.name,
				yamltext.ShortenText(written[i]), field.takes)
		}
	}
	return ""
}

// namedSchedules are the names that some versions of cron know, with the fields that they stand for.
var namedSchedules = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// daysOfWeek are the names of days that end a range, or begin one, in their order.
var daysOfWeek = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// spellSundays writes the Sundays of a day of week as 0: a 7, and the last day of a range such as 5-7 or FRI-SUN. Package
// cron knows no 7. What cannot be read stays as it is.
func spellSundays(field string) string {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		days, by, stepped := strings.Cut(part, "/")
		first, last, ranged := strings.Cut(days, "-")
		from, to, step := findDay(first), findDay(last), 1
		if stepped {
			step, _ = strconv.Atoi(by)
		}
		switch {
		case part == "7":
			parts[i] = "0"
		case ranged && from >= 0 && step > 0 && (to == 7 || to == 0 && from > 0):
			var listed []string
			for day := from; day <= 7; day += step {
				listed = append(listed, strconv.Itoa(day%7))
			}
			parts[i] = strings.Join(listed, ",")
		}
	}
	return strings.Join(parts, ",")
}

// findDay gives the number of a day of the week, by number or name; -1 for none.
func findDay(text string) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 7 {
		return n
	}
	return slices.Index(daysOfWeek, strings.ToLower(text))
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
