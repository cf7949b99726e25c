package redfish_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/inventory"
)

// report is a file of testdata/reports: how a BMC differs from testdata/base.json, and what must come of it. A report
// from the field becomes a file, and no code.
type report struct {
	About string
	// Tree holds JSON merge patches of the base tree, by path.
	Tree        map[string]map[string]any
	Ejected     map[string]any
	SecondNames map[string]string
	Rules       json.RawMessage
	// Never are requests that must not be sent.
	Never []rules.Match
	// Boots is how often the machine is started from the medium; default once.
	Boots int
	// Story is the BMC's log, with MEDIUM for the medium; default: the story of a well-behaved BMC.
	Story []string
	// Findings are beginnings of findings of the check, as "verdict topic: text"; Unusable: something is missing.
	Findings []string
	Unusable bool
	// Error is a part of the error that ends the install; Passing is a part of an error that passes by itself.
	Error, Passing string
	// Requests is the most that an install may need; default 40.
	Requests int
	// Reads is the most that a path may be read in an install.
	Reads map[string]int
}

var usualStory = []string{
	"power-off force", "insert MEDIUM", "override Cd/Continuous", "power-on", "start cd",
	"power-off force", "eject MEDIUM", "override None/Disabled", "power-on", "start disk",
}

// mostRequests is how many requests an install may need at a BMC that does at once what it accepts.
const mostRequests = 40

func TestReports(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/reports/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			var r report
			readStrict(t, file, &r)
			server, client := r.serve(t)
			r.install(t, server, client)
			r.check(t, client)
		})
	}
}

func readStrict(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// serve starts the report's BMC on a loopback port.
func (r report) serve(t *testing.T) (*replay.Server, *redfish.Client) {
	t.Helper()
	base := replay.Tree{}
	readStrict(t, "testdata/base.json", &base)
	server, err := replay.New(base.Merge(r.Tree), replay.Options{Username: "admin", Password: secretOf(password),
		Ejected: r.Ejected, SecondNames: r.SecondNames})
	must(t, err)
	var list []rules.Rule
	for _, never := range r.Never {
		list = append(list, rules.Rule{Match: never, Then: rules.Then{Status: 418}})
	}
	if r.Rules != nil {
		given, err := rules.Read(r.Rules)
		must(t, err)
		list = append(list, given...)
	}
	server.Rules().Put(list)
	serveReplay(t, server)
	client, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password),
		TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	t.Cleanup(func() {
		_ = client.Close(context.Background())
		r.wantRulesMet(t, server)
	})
	return server, client
}

// wantRulesMet checks that every rule was met, by the check or by the install, and that nothing was sent that must not
// be sent.
func (r report) wantRulesMet(t *testing.T, server *replay.Server) {
	t.Helper()
	for i, state := range server.Rules().List() {
		if never := i < len(r.Never); never == (state.Met > 0) {
			t.Errorf("the rule %+v was met %d times", state.Match, state.Met)
		}
	}
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
		want = usualStory
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
	most := max(r.Requests, mostRequests)
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
