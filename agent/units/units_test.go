package units

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// systemctl makes a program that answers each show with the next state of a unit, the last one for ever, and notes the
// other calls.
func systemctl(t *testing.T, states ...string) (program string, calls func() string) {
	t.Helper()
	dir := t.TempDir()
	for i, state := range states {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "systemctl")
	script := fmt.Sprintf(`#!/bin/sh
cd %q
if [ "$1" != show ]; then
  echo "$*" >> calls
  [ "$1 $3" != "start missing.service" ] || { echo "Unit missing.service not found."; exit 5; }
  exit 0
fi
n=$(cat n 2>/dev/null || echo 0)
[ -e $((n+1)) ] && echo $((n+1)) > n
cat $n
`, dir)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, func() string {
		text, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// show is what systemctl says of a unit.
func show(active, sub, result, job string) string {
	return fmt.Sprintf("Result=%s\nActiveState=%s\nSubState=%s\nJob=%s\n", result, active, sub, job)
}

// TestAUnitIsWatchedToItsEnd has units that end well and not.
func TestAUnitIsWatchedToItsEnd(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		states []string
		err    string
	}{
		"a service that ends":            {[]string{show("inactive", "dead", "success", "7"), show("active", "running", "success", ""), show("inactive", "dead", "success", "")}, ""},
		"one that stays active":          {[]string{show("activating", "start", "success", ""), show("active", "exited", "success", "0")}, ""},
		"a target":                       {[]string{"ActiveState=inactive\nSubState=dead\n"}, ""},
		"a failure of before, and a job": {[]string{show("failed", "failed", "exit-code", "9"), show("inactive", "dead", "success", "")}, ""},
		"a service that fails":           {[]string{show("active", "running", "success", ""), show("failed", "failed", "exit-code", "")}, "unit burn-in.service failed: exit-code"},
		"one that is killed and restarts": {[]string{show("inactive", "dead", "signal", "")},
			"unit burn-in.service failed: signal"},
		"no answer": {[]string{"\n"}, "says no state"},
	} {
		program, _ := systemctl(t, c.states...)
		var lines []string
		r := Runner{Program: program, Every: time.Millisecond, Report: func(p wire.Progress) { lines = append(lines, p.Lines...) }}
		err := r.Start(t.Context(), "burn-in.service")
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", what, err, c.err)
		}
		if c.err == "" && (len(lines) == 0 || !strings.HasPrefix(lines[0], "unit burn-in.service is ")) {
			t.Errorf("%s: it said %q", what, lines)
		}
	}
}

func TestAUnitThatIsUnknown(t *testing.T) {
	t.Parallel()
	program, calls := systemctl(t, show("inactive", "dead", "success", ""))
	err := Runner{Program: program, Report: func(wire.Progress) {}}.Start(t.Context(), "missing.service")
	if err == nil || !strings.Contains(err.Error(), "Unit missing.service not found.") {
		t.Errorf("Start = %v", err)
	}
	if got := calls(); got != "reset-failed missing.service\nstart --no-block missing.service\n" {
		t.Errorf("calls:\n%s", got)
	}
}

// TestAUnitThatDoesNotEndIsStopped has the time of the step end.
func TestAUnitThatDoesNotEndIsStopped(t *testing.T) {
	t.Parallel()
	program, calls := systemctl(t, show("active", "running", "success", ""))
	ctx, cancel := context.WithCancelCause(t.Context())
	r := Runner{Program: program, Every: time.Millisecond, Report: func(wire.Progress) { cancel(errors.New("the step's time is over")) }}
	err := r.Start(ctx, "burn-in.service")
	if err == nil || !strings.Contains(err.Error(), "has not ended: the step's time is over") {
		t.Errorf("Start = %v", err)
	}
	if !strings.HasSuffix(calls(), "stop --no-block burn-in.service\n") {
		t.Errorf("calls:\n%s", calls())
	}
}
