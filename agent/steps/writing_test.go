package steps_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// openers opens one of several disks by its serial.
type openers map[string]*disk

func (o openers) Open(_ context.Context, ref wire.DiskRef) (steps.Device, error) {
	if d := o[ref.Serial]; d != nil {
		return named{d, "/dev/" + ref.Serial}, nil
	}
	return nil, errors.New("no disk is the one of this job")
}

type named struct {
	*disk
	path string
}

func (n named) Path() string { return n.path }

func dataDisk(serial string) *disk {
	d := newDisk()
	d.is.Serial, d.is.WWN, d.is.Content = serial, "", wire.Content{Blank: true}
	return d
}

func namedRefs(serials ...string) (refs []wire.NamedDisk) {
	for _, serial := range serials {
		refs = append(refs, wire.NamedDisk{Name: "data", DiskRef: wire.DiskRef{Serial: serial, Size: size, Content: wire.ContentBlank}})
	}
	return refs
}

// Before leave nothing runs. Whatever the open disks show, or the daemon says, only leave for all of them starts the step.
func TestNothingRunsWithoutLeave(t *testing.T) {
	t.Parallel()
	yes := func(context.Context, []wire.Disk) (bool, error) { return true, nil }
	for name, test := range map[string]struct {
		spoil func(openers)
		refs  []wire.NamedDisk
		leave answer
		want  string
	}{
		"no disks":       {nil, nil, yes, "names no disks"},
		"another disk":   {nil, namedRefs("A", "C"), yes, "no disk is the one"},
		"twice":          {nil, namedRefs("A", "A"), yes, "names /dev/A twice"},
		"refused":        {nil, namedRefs("A", "B"), func(context.Context, []wire.Disk) (bool, error) { return false, errors.New("spec.protect is true") }, "no leave to write: spec.protect is true"},
		"not blank":      {func(o openers) { o["B"].is.Content = wire.Content{Signature: "x"} }, namedRefs("A", "B"), yes, "/dev/B is not blank"},
		"in use":         {func(o openers) { o["B"].is.Holders = []string{"md0"} }, namedRefs("A", "B"), yes, "is in use: md0"},
		"another name":   {func(o openers) { o["B"].is.Serial = "C" }, namedRefs("A", "B"), yes, "serial: want B"},
		"cannot be seen": {func(o openers) { o["A"].lost = errors.New("it is gone") }, namedRefs("A", "B"), yes, "it is gone"},
	} {
		disks := openers{"A": dataDisk("A"), "B": dataDisk("B")}
		if test.spoil != nil {
			test.spoil(disks)
		}
		_, err := steps.WithDisks(t.Context(), test.refs, steps.DiskTools{Disks: disks, Leave: test.leave, NoteDisks: func([]wire.Disk) { t.Errorf("%s: a step that did not run left something", name) }},
			func([]steps.GivenDisk) (string, error) {
				t.Errorf("%s: the step runs", name)
				return "", nil
			})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		for serial, d := range disks {
			if slices.Contains(d.story, "write") || len(test.refs) == 2 && d.closed != (name != "another disk" && name != "twice" || serial == "A") {
				t.Errorf("%s: disk %s: %v, closed %t", name, serial, d.story, d.closed)
			}
		}
	}
}

// The question names all disks in the order of the job, the step runs while they are open, and what it left is noted in
// the same order, also when the step failed.
func TestTheDisksOfAStep(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{nil, errors.New("exit status 1")} {
		disks := openers{"A": dataDisk("A"), "B": dataDisk("B")}
		var asked, left []string
		serials := func(seen []wire.Disk) (all []string) {
			for _, d := range seen {
				all = append(all, d.Serial+" "+d.Content.Signature)
			}
			return all
		}
		questions := 0
		tools := steps.DiskTools{Disks: disks, Leave: answer(func(_ context.Context, seen []wire.Disk) (bool, error) {
			asked = serials(seen)
			questions++
			return questions == 2, nil
		}), NoteDisks: func(seen []wire.Disk) { left = serials(seen) }}
		_, err := steps.WithDisks(t.Context(), namedRefs("B", "A"), tools, func(given []steps.GivenDisk) (string, error) {
			if len(given) != 2 || disks["A"].closed || disks["B"].closed {
				t.Errorf("given %v, closed %t and %t", given, disks["A"].closed, disks["B"].closed)
			}
			disks["A"].is.Content = wire.Content{Signature: "written"}
			return "", fails
		})
		if !errors.Is(err, fails) {
			t.Errorf("WithDisks = %v, want %v", err, fails)
		}
		if diff := cmp.Diff([]string{"B ", "A "}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"B ", "A written"}, left); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if !disks["A"].closed || !disks["B"].closed || !slices.Contains(disks["A"].story, "sync") {
			t.Errorf("closed %t and %t, %v", disks["A"].closed, disks["B"].closed, disks["A"].story)
		}
	}
}

// A script is told its devices by the names of the fleet.
func TestAScriptIsToldItsDisks(t *testing.T) {
	t.Parallel()
	disks := openers{"A": dataDisk("A"), "B": dataDisk("B")}
	var lines []string
	run := steps.ScriptRun{Script: wire.Script{Body: []byte("#!/bin/sh\ngrep -o '\"disks\":{\"data\":[^]]*]' | tr -d '\"'\n"), Run: &wire.Run{Attempts: 1}},
		Report: func(p wire.Progress) { lines = append(lines, p.Lines...) }}
	_, err := steps.WithDisks(t.Context(), namedRefs("A", "B"), steps.DiskTools{Disks: disks, Leave: answer(func(context.Context, []wire.Disk) (bool, error) { return true, nil }), NoteDisks: func([]wire.Disk) {}},
		func(given []steps.GivenDisk) (string, error) {
			run.Given = given
			return steps.RunScript(t.Context(), run)
		})
	want := "disks:{data:[{device:/dev/A,serial:A,size:16777216},{device:/dev/B,serial:B,size:16777216}]"
	if err != nil || !slices.Contains(lines, want) {
		t.Errorf("%v: %q, want %s", err, lines, want)
	}
}
