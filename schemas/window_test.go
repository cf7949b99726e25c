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
