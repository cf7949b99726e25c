package redfish_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/lab/profiles"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/inventory"
)

// TestReports has each profile checked, and installed by looks and single actions as the daemon does.
func TestReports(t *testing.T) {
	t.Parallel()
	all, err := profiles.All()
	must(t, err)
	for _, p := range all {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			r := report{p}
			server, client := r.serve(t)
			r.install(t, server, client)
			r.check(t, client)
		})
	}
}

// report is a profile under test.
type report struct{ profiles.Profile }

// serve starts the report's BMC on a loopback port.
func (r report) serve(t *testing.T) (*replay.Server, *redfish.Client) {
	t.Helper()
	server, err := r.NewServer(profiles.Identity{}, replay.Options{Username: "admin", Password: secretOf(password)})
	must(t, err)
	serveReplay(t, server)
	client, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password),
		TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	t.Cleanup(func() {
		_ = client.Close(context.Background())
		for _, wrong := range r.CheckRules(server) { // met by the check or by the install
			t.Error(wrong)
		}
	})
	return server, client
}

func serveReplay(t *testing.T, server *replay.Server) {
	t.Helper()
	listener, err := ports.Listen(t.Context())
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); serving.Wait() })
	waitFor(t, "the BMC to listen", func() bool { return server.URL() != "" })
}

// serveShape serves a profile by name.
func serveShape(t *testing.T, name string) *replay.Server {
	t.Helper()
	all, err := profiles.All()
	must(t, err)
	i := slices.IndexFunc(all, func(p profiles.Profile) bool { return p.Name == name })
	server, err := all[i].NewServer(profiles.Identity{}, replay.Options{Username: "admin", Password: secretOf(password)})
	must(t, err)
	serveReplay(t, server)
	return server
}

func (r report) check(t *testing.T, client *redfish.Client) {
	t.Helper()
	got, err := client.Check(t.Context())
	must(t, err)
	var said []string
	for _, f := range got.Findings {
		said = append(said, fmt.Sprintf("%s %s: %s", f.Verdict, f.Topic, f.Text))
	}
	for _, want := range r.Findings {
		if !slices.ContainsFunc(said, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("no finding begins with %q; there are\n%s", want, strings.Join(said, "\n"))
		}
	}
	if got.Usable == r.Unusable {
		t.Errorf("usable = %t; the findings are\n%s", got.Usable, strings.Join(said, "\n"))
	}
	unknown := slices.ContainsFunc(got.Findings, func(f redfish.Finding) bool { return f.Verdict == redfish.Unknown })
	if got.Usable && !unknown {
		t.Errorf("a check that only reads leaves nothing unknown:\n%s", strings.Join(said, "\n"))
	}
}

// install takes the machine through an install as the daemon does: a look, then the one action that is due.
func (r report) install(t *testing.T, server *replay.Server, client *redfish.Client) {
	t.Helper()
	_, err := client.System(t.Context()) // as the daemon does at rest, long before
	must(t, err)
	before := server.Log().Counts().Requests
	passed, err := installByLooks(t.Context(), client, max(r.Boots, 1))
	if r.Error != "" {
		if err == nil || !strings.Contains(err.Error(), r.Error) {
			t.Errorf("the install ended with %v, want %q", err, r.Error)
		}
		return
	}
	must(t, err)
	want := r.Story
	if want == nil {
		want = profiles.UsualStory()
	}
	story := server.Log().Story()
	for i := range story {
		story[i] = strings.ReplaceAll(story[i], medium, "MEDIUM")
	}
	if diff := cmp.Diff(want, story); diff != "" {
		t.Errorf("story (-want +got):\n%s\nerrors that passed: %q", diff, passed)
	}
	if !strings.Contains(strings.Join(passed, "\n"), r.Passing) || r.Passing == "" && len(passed) > 0 {
		t.Errorf("errors that passed: %q, want %q", passed, r.Passing)
	}
	most := max(r.Requests, profiles.MostRequests)
	if requests := server.Log().Counts().Requests - before; requests > most {
		t.Errorf("the install took %d requests, want at most %d", requests, most)
	}
	for at, most := range r.Reads {
		if got := server.Reads(at); got > most {
			t.Errorf("%s was read %d times, want at most %d", at, got, most)
		}
	}
}

// installByLooks returns the temporary errors that passed, and the error that ended the install.
func installByLooks(ctx context.Context, c *redfish.Client, boots int) (passed []string, err error) {
	for range boots {
		if passed, err = repeatLooks(ctx, c, passed, prepareMedium); err != nil {
			return passed, err
		}
	}
	return repeatLooks(ctx, c, passed, prepareDisk)
}

// nextAction does the one action that is due.
type nextAction func(context.Context, *redfish.Client, look) error

// repeatLooks looks and acts until the machine has been powered off and on again.
func repeatLooks(ctx context.Context, c *redfish.Client, passed []string, next nextAction) ([]string, error) {
	wasOff := false
	for range 15 {
		seen, err := takeLook(ctx, c)
		if err == nil && seen.on && wasOff {
			return passed, nil
		}
		if err == nil {
			wasOff = wasOff || !seen.on
			err = next(ctx, c, seen)
		}
		if said := (*redfish.Error)(nil); err != nil {
			if !errors.As(err, &said) || !said.Temporary {
				return passed, err
			}
			passed = append(passed, err.Error())
		}
	}
	return passed, fmt.Errorf("nothing more happens; errors: %q", passed)
}

// look is what the daemon's planner is told of a machine.
type look struct {
	on, foreign, inserted, fromMedium bool
}

func takeLook(ctx context.Context, c *redfish.Client) (look, error) {
	system, err := c.System(ctx)
	if err != nil {
		return look{}, err
	}
	slots, err := c.Media(ctx)
	if err != nil {
		return look{}, err
	}
	seen := look{on: system.Power == inventory.PoweredOn}
	o := system.Override
	seen.fromMedium = (o.Target == "Cd" || o.Target == "UsbCd") && (o.Enabled == "Once" || o.Enabled == "Continuous")
	for _, slot := range slots {
		seen.inserted = seen.inserted || slot.Usable && slot.Inserted
		seen.foreign = seen.foreign || slot.Usable && slot.Inserted && slot.Image != medium
	}
	return seen, nil
}

func prepareMedium(ctx context.Context, c *redfish.Client, seen look) error {
	switch {
	case seen.on:
		return c.Reset(ctx, redfish.ForceOff)
	case seen.foreign:
		return c.Eject(ctx)
	case !seen.inserted:
		_, err := c.Insert(ctx, medium)
		return err
	case !seen.fromMedium:
		_, err := c.SetBootOverride(ctx, redfish.FromMedium, redfish.Continuous)
		return err
	default:
		return c.Reset(ctx, redfish.PowerOn)
	}
}

func prepareDisk(ctx context.Context, c *redfish.Client, seen look) error {
	switch {
	case seen.on:
		return c.Reset(ctx, redfish.ForceOff)
	case seen.inserted:
		return c.Eject(ctx)
	case seen.fromMedium:
		return c.ClearBootOverride(ctx)
	default:
		return c.Reset(ctx, redfish.PowerOn)
	}
}
