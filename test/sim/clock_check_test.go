package sim

import (
	"testing"
	"time"
)

// TestClocksReadAsGoClocks holds the one assumption about package time: a wall clock that is set back moves no
// difference of two readings.
func TestClocksReadAsGoClocks(t *testing.T) {
	t.Parallel()
	w := &world{}
	c := &clock{w: w, rate: 1}
	before := c.read()
	w.now, c.offset = time.Minute, -24*time.Hour
	after := c.read()
	if got := after.Sub(before); got != time.Minute || !after.After(before) {
		t.Errorf("Sub = %v after a minute and a jump of a day, want 1m", got)
	}
	if got := after.Round(0).Sub(before.Round(0)); got != time.Minute-24*time.Hour {
		t.Errorf("the wall clock moved by %v, want a day back", got)
	}
	if got := after.UTC().Format(time.RFC3339); got != "2031-02-28T08:01:00Z" {
		t.Errorf("wall clock = %s", got)
	}
}
