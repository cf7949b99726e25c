package schemas

import (
	"slices"
	"testing"
	"time"
)

// A change of clocks neither skips an opening nor repeats it.
func TestWindowsOverChangesOfClocks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		start, zone, from string
		want              []string
	}{
		"a skipped time": {"0 2 * * 0", "Europe/Berlin", "2027-03-20T00:00:00Z",
			[]string{"2027-03-21T01:00:00Z", "2027-03-28T01:00:00Z", "2027-04-04T00:00:00Z"}},
		"inside the skipped hour": {"30 2 * * 0", "Europe/Berlin", "2027-03-27T00:00:00Z",
			[]string{"2027-03-28T01:00:00Z", "2027-04-04T00:30:00Z"}},
		"a repeated time": {"0 2 * * 0", "Europe/Berlin", "2027-10-30T00:00:00Z",
			[]string{"2027-10-31T00:00:00Z", "2027-11-07T01:00:00Z"}},
		"several in the repeated hour": {"*/30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z",
			[]string{"2027-10-31T00:00:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:00:00Z"}},
		"several in the skipped hour": {"*/30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
			[]string{"2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"}},
		"half an hour": {"15 2 * * *", "Australia/Lord_Howe", "2027-10-02T00:00:00Z",
			[]string{"2027-10-02T15:30:00Z", "2027-10-03T15:15:00Z"}},
		"no midnight": {"0 0 * * 0", "America/Sao_Paulo", "2018-11-03T12:00:00Z",
			[]string{"2018-11-04T03:00:00Z", "2018-11-11T02:00:00Z"}},
		"midnight twice": {"0 0 * * *", "America/Havana", "2027-11-06T12:00:00Z",
			[]string{"2027-11-07T04:00:00Z", "2027-11-08T05:00:00Z"}},
		"every hour": {"0 * * * *", "Europe/Berlin", "2027-10-30T23:30:00Z",
			[]string{"2027-10-31T00:00:00Z", "2027-10-31T01:00:00Z", "2027-10-31T02:00:00Z"}},
		"UTC":   {"0 2 * * 0", "", "2027-03-27T00:00:00Z", []string{"2027-03-28T02:00:00Z", "2027-04-04T02:00:00Z"}},
		"never": {"0 2 31 2 *", "Europe/Berlin", "2027-03-27T00:00:00Z", []string{"0001-01-01T00:00:00Z"}},
	} {
		schedule, err := ParseSchedule(Window{Start: test.start, Duration: "1h", Zone: test.zone})
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, test.from)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range test.want {
			at = schedule.Next(at)
			got = append(got, at.UTC().Format(time.RFC3339))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: opens at %v, want %v", name, got, test.want)
		}
	}
}

// The day of the week is read as cron reads it: Sunday is 0 and 7, alone and at the end of a range.
func TestDaysOfTheWeek(t *testing.T) {
	t.Parallel()
	const sun, mon, tue, wed, thu, fri, sat = "Sun ", "Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat "
	const all = mon + tue + wed + thu + fri + sat + sun
	for field, want := range map[string]string{
		"0": sun, "7": sun, "SUN": sun, "sun": sun, "Mon,sun": mon + sun, "6": sat, "6,7": sat + sun, "7,1": mon + sun,
		"5-7": fri + sat + sun, "FRI-SUN": fri + sat + sun, "fri-7": fri + sat + sun, "6-7": sat + sun, "7-7": sun,
		"1-7": all, "0-7": all, "1-7/2": mon + wed + fri + sun, "1-7/3,2": mon + tue + thu + sun, "0-7/7": sun,
		"1-5": mon + tue + wed + thu + fri, "MON-FRI/2": mon + wed + fri, "*": all, "*/2": tue + thu + sat + sun,
		// refused: no cron has them
		"8": "", "5-8": "", "7-2": "", "6-1": "", "sunday": "", "SON": "", "1-7/0": "", "1-7/x": "", "-7": "", "7-": "", "--7": "", "+7": "",
	} {
		schedule, err := ParseSchedule(Window{Start: "0 2 * * " + field, Duration: "1h"})
		if (err != nil) != (want == "") {
			t.Errorf("%s: %v, want %q", field, err, want)
		}
		if err != nil {
			continue
		}
		var got string
		monday := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
		for at := schedule.Next(monday); at.Before(monday.AddDate(0, 0, 7)); at = schedule.Next(at) {
			got += at.Format("Mon ")
		}
		if got != want {
			t.Errorf("%s: opens on %s, want %s", field, got, want)
		}
	}
	for start, want := range map[string]string{
		"@weekly":                      `"@weekly" is not a schedule: write "0 0 * * 0"`,
		"@Weekly":                      `"@Weekly" is not a schedule: write "0 0 * * 0"`,
		"0 2 * * 8":                    `"0 2 * * 8" is not a schedule: its day of the week "8" cannot be read: write 0 to 7, or SUN to SAT, such as *, 3, 1-5, */2 or 1,4`,
		"0 2 * * ,":                    `"0 2 * * ," is not a schedule: its day of the week "," cannot be read: write 0 to 7, or SUN to SAT, such as *, 3, 1-5, */2 or 1,4`,
		"0 2 * * 7-2":                  `"0 2 * * 7-2" is not a schedule: its day of the week "7-2" cannot be read: write 0 to 7, or SUN to SAT, such as *, 3, 1-5, */2 or 1,4`,
		"0 24 * * *":                   `"0 24 * * *" is not a schedule: its hour "24" cannot be read: write 0 to 23, such as *, 3, 1-5, */2 or 1,4`,
		"x 2 * * *":                    `"x 2 * * *" is not a schedule: its minute "x" cannot be read: write 0 to 59, such as *, 3, 1-5, */2 or 1,4`,
		"0 2 * *":                      `"0 2 * *" is not a schedule: it has 4 fields, and needs 5: minute, hour, day of the month, month, day of the week`,
		" @midnight ":                  `" @midnight " is not a schedule: write "0 0 * * *"`,
		"@reboot":                      `"@reboot" is not a schedule`,
		"CRON_TZ=Asia/Tokyo 0 2 * * 1": `"CRON_TZ=Asia/Tokyo 0 2 * * 1" is not a schedule: write the zone as zone`,
	} {
		if _, err := ParseSchedule(Window{Start: start}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", start, err, want)
		}
	}
}

// In every week of ten years, in zones of all kinds, a weekly window opens once.
func TestAWeeklyWindowOpensOnceAWeek(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"} {
		for hour := range 24 {
			schedule, err := ParseSchedule(Window{Start: "0 " + string(rune('0'+hour/10)) + string(rune('0'+hour%10)) + " * * 0", Zone: zone})
			if err != nil {
				t.Fatal(err)
			}
			last := schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			for last.Year() < 2036 {
				next := schedule.Next(last)
				if week := next.Sub(last) - 168*time.Hour; week.Abs() > 2*time.Hour {
					t.Fatalf("%s, %d o'clock: %v follows %v", zone, hour, next, last)
				}
				last = next
			}
		}
	}
}
