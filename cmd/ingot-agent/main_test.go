package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// TestABootEntryIsTriedAgain has firmware that refuses so often, and firmware that refuses for good.
func TestABootEntryIsTriedAgain(t *testing.T) {
	t.Parallel()
	tries := 0
	refusing := func(times int) func() (*wire.BootEntry, error) {
		tries = 0
		return func() (*wire.BootEntry, error) {
			if tries++; tries <= times {
				return &wire.BootEntry{Current: "Boot0001"}, errors.New("no space left")
			}
			return &wire.BootEntry{Entry: "Boot0003"}, nil
		}
	}
	if entry, err := tryEntry(t.Context(), time.Millisecond, refusing(5)); err != nil || entry.Entry != "Boot0003" || tries != 6 {
		t.Errorf("after five refusals: %+v, %v, %d tries", entry, err, tries)
	}
	if entry, err := tryEntry(t.Context(), time.Millisecond, refusing(100)); err == nil || entry.Current != "Boot0001" || tries != entryTries {
		t.Errorf("refused for good: %+v, %v, %d tries", entry, err, tries)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tryEntry(ctx, time.Hour, refusing(100)); err == nil || tries != 1 {
		t.Errorf("in a step that ended: %v, %d tries", err, tries)
	}
}
