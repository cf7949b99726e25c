package steps_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/steps/holders"
	"github.com/gitmetal/ingot/agent/wire"
)

// erasing runs EraseDisks over disks A and B, and gives the receipts.
func erasing(t *testing.T, disks openers, job wire.Erase, leave answer) (receipts []wire.Erased, left []wire.Disk, err error) {
	t.Helper()
	var mu sync.Mutex
	tools := steps.EraseTools{NoteErased: func(all []wire.Erased) { receipts = all }, Agent: "v1", Report: func(p wire.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Done > p.Total {
			t.Errorf("progress %d of %d", p.Done, p.Total)
		}
	}}
	tools.Disks, tools.Leave, tools.NoteDisks = disks, leave, func(all []wire.Disk) { left = all }
	job.Disks = namedRefs("A", "B")
	job.Disks[0].Name = "root"
	err = steps.EraseDisks(t.Context(), job, tools)
	return receipts, left, err
}

// Both disks are erased under leave for both. A disk that fails has no receipt, and fails the step; where leave or a method is missing
// for one disk, nothing is written to the other.
func TestEraseDisks(t *testing.T) {
	t.Parallel()
	yes := answer(func(context.Context, []wire.Disk) (bool, error) { return true, nil })
	refused := answer(func(context.Context, []wire.Disk) (bool, error) { return false, errors.New("spec.protect is true") })
	zeros := &wire.Table{Kind: wire.TableNone, Valid: true, Alone: true}
	for name, c := range map[string]struct {
		job    wire.Erase
		leave  answer
		spoil  func(openers)
		erased []string
		writes bool
		final  bool
		why    string
	}{
		"clear":            {job: wire.Erase{Policy: "clear"}, leave: yes, erased: []string{"root A overwrite", "data B overwrite"}, writes: true},
		"metadata":         {job: wire.Erase{Policy: "metadata"}, leave: yes, erased: []string{"root A metadata", "data B metadata"}, writes: true},
		"purge":            {job: wire.Erase{Policy: "purge"}, leave: yes, final: true, why: "no way to purge"},
		"purge or clear":   {job: wire.Erase{Policy: "purge", OrClear: true}, leave: yes, erased: []string{"root A overwrite", "data B overwrite"}, writes: true},
		"no leave":         {job: wire.Erase{Policy: "clear"}, leave: refused, why: "spec.protect is true"},
		"in use":           {job: wire.Erase{Policy: "clear"}, leave: yes, spoil: func(o openers) { o["B"].is.Holders = []string{"md0"} }, why: "is in use: md0"},
		"one cannot write": {job: wire.Erase{Policy: "clear"}, leave: yes, spoil: func(o openers) { o["B"].broken = errors.New("EIO") }, erased: []string{"root A overwrite"}, writes: true, why: "disk B not erased by overwrite"},
		"a table is found": {job: wire.Erase{Policy: "clear"}, leave: yes, spoil: func(o openers) { o["A"].is.Table = &wire.Table{Kind: wire.TableGPT, Valid: true} }, erased: []string{"data B overwrite"}, writes: true, why: "a partition table is found again"},
		"RAID is found":    {job: wire.Erase{Policy: "metadata"}, leave: yes, spoil: func(o openers) { o["B"].is.Superblocks = []wire.Superblock{{Type: "linux_raid_member"}} }, erased: []string{"root A metadata"}, writes: true, why: "linux_raid_member"},
	} {
		disks := openers{"A": dataDisk("A"), "B": dataDisk("B")}
		for _, d := range disks {
			d.is.Table = zeros
		}
		if c.spoil != nil {
			c.spoil(disks)
		}
		receipts, left, err := erasing(t, disks, c.job, c.leave)
		var erased []string
		for _, r := range receipts {
			erased = append(erased, r.Name+" "+r.Serial+" "+r.Method)
			if r.Agent != "v1" || r.Size != size || r.Ended.Before(r.Begun) {
				t.Errorf("%s: receipt %+v", name, r)
			}
		}
		if diff := cmp.Diff(c.erased, erased); diff != "" || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q; receipts (-want +got):\n%s", name, err, c.why, diff)
		}
		var failure steps.Failure
		if errors.As(err, &failure); failure.Final != c.final {
			t.Errorf("%s: final %t, want %t", name, failure.Final, c.final)
		}
		if c.writes != slices.Contains(disks["A"].story, "write") || c.writes && len(left) != 2 {
			t.Errorf("%s: story %v, left %v", name, disks["A"].story, left)
		}
	}
}

// stopper finds and stops an array, in the order of the story.
type stopper struct {
	openers
	refuses, fails error
	story          *[]string
}

func (s stopper) Find(paths []string) ([]holders.Holder, error) {
	if len(s.openers["B"].is.Holders) == 0 {
		return nil, nil
	}
	return []holders.Holder{{Kind: holders.Array, Name: "md0", Title: "md0"}}, s.refuses
}

func (s stopper) Claim(paths []string, stops []holders.Holder) (func(), error) {
	*s.story = append(*s.story, fmt.Sprint("stop ", stops, " of ", paths))
	if s.fails == nil {
		s.openers["B"].is.Holders = slices.DeleteFunc(s.openers["B"].is.Holders, func(name string) bool { return name == "md0" })
	}
	return func() { *s.story = append(*s.story, "release") }, s.fails
}

// What holds a disk is stopped after leave, and before the first write. Without leave nothing is stopped; what cannot be stopped ends the
// step before a write.
func TestHoldersAreStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held           []string
		refuses, fails error
		leave          error
		story          []string
		writes         bool
		why            string
	}{
		"an array":       {held: []string{"md0"}, story: []string{"leave", "stop [md0] of [/dev/A /dev/B]", "release"}, writes: true},
		"nothing":        {story: []string{"leave", "stop [] of [/dev/A /dev/B]", "release"}, writes: true},
		"no leave":       {held: []string{"md0"}, leave: errors.New("protected"), story: []string{"leave"}, why: "protected; nothing was written"},
		"a foreign disk": {held: []string{"md0"}, refuses: errors.New("md0 has the member sdc"), why: "md0 has the member sdc; nothing was written"},
		"a reservation":  {held: []string{"md0", "another machine's reservation"}, why: "is in use: another machine's reservation"},
		"it cannot be":   {held: []string{"md0"}, fails: errors.New("md0 is busy"), story: []string{"leave", "stop [md0] of [/dev/A /dev/B]", "release"}, why: "md0 is busy"},
	} {
		disks := openers{"A": dataDisk("A"), "B": dataDisk("B")}
		for _, d := range disks {
			d.is.Table = &wire.Table{Kind: wire.TableNone, Valid: true, Alone: true}
		}
		disks["B"].is.Holders = c.held
		var story []string
		tools := steps.EraseTools{NoteErased: func([]wire.Erased) {}, Report: func(wire.Progress) {}}
		tools.Disks, tools.NoteDisks, tools.Held = disks, func([]wire.Disk) {}, stopper{disks, c.refuses, c.fails, &story}
		tools.Leave = answer(func(context.Context, []wire.Disk) (bool, error) {
			story = append(story, "leave")
			return c.leave == nil, c.leave
		})
		err := steps.EraseDisks(t.Context(), wire.Erase{Policy: "metadata", Disks: namedRefs("A", "B")}, tools)
		if diff := cmp.Diff(c.story, story); diff != "" || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q; story (-want +got):\n%s", name, err, c.why, diff)
		}
		if slices.Contains(disks["A"].story, "write") != c.writes {
			t.Errorf("%s: story of the disk %v", name, disks["A"].story)
		}
	}
}
