package fleets

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// ExplainStatus says where the daemon, as the status branch knows it, does something else than a plan of this clone
// says: it has frozen the fleet or a ring, or it runs tags that the clone does not have, or has elsewhere. The fleet is
// the head of the plan.
func (f *Reader) ExplainStatus(known Known, fleet inventory.Fleet) (notes []string, err error) {
	if known.Frozen != "" {
		notes = append(notes, "the daemon erases nothing until an operator has looked: "+known.Frozen)
	}
	for _, runs := range known.Rings {
		ring, there := fleet.Rings[runs.Name]
		if !there || ring.Spec.Tag == "" || runs.Tag == "" || isNewer(ring.Spec.Tag, ring.Tag, runs.Tag) {
			continue
		}
		if runs.Trouble != "" && known.Frozen == "" {
			notes = append(notes, fmt.Sprintf("the daemon erases nothing in ring %s until an operator has looked: %s", runs.Name,
				runs.Trouble))
		}
		commit, here, err := f.clone.FindTag(runs.Tag)
		switch {
		case err != nil:
			return nil, err
		case !here && f.clone.HasCommit(runs.Commit):
			notes = append(notes, fmt.Sprintf("ring %s runs tag %s, which this clone does not have: planned with commit %.12s, which "+
				"the daemon runs; newer tags are not known here: git fetch --tags origin", runs.Name, runs.Tag, runs.Commit))
		case !here:
			return nil, fmt.Errorf("ring %s runs tag %s, and this clone has neither the tag nor its commit, so that the plan of its "+
				"hosts would be wrong: git fetch --tags origin", runs.Name, runs.Tag)
		case runs.Commit != "" && commit != runs.Commit && ring.Tag == runs.Tag:
			notes = append(notes, fmt.Sprintf("ring %s runs tag %s at %.12s, and this clone has the tag at %.12s: it was moved, "+
				"and the daemon does not follow it", runs.Name, runs.Tag, runs.Commit, commit))
		}
	}
	return notes, nil
}

// isNewer reports whether a ring that runs one tag in the plan will leave another tag behind.
func isNewer(pattern, planned, runs string) bool {
	a, ok := tags.MatchPattern(pattern, planned)
	b, okToo := tags.MatchPattern(pattern, runs)
	return !okToo || ok && tags.CompareParts(a, b) > 0
}

// FindBase gives the revision that a plan compares head with: the commit at which head left base. Whatever base got
// since then is no change of head, and would be shown backwards. The note says so. Without a head the clone's HEAD
// counts.
func (f *Reader) FindBase(base, head string) (revision, note string, err error) {
	if err := f.openClone(); err != nil {
		return "", "", err
	}
	branch := cmp.Or(head, "HEAD")
	tip, contained, _, err := f.clone.ContainsRevision(branch, base)
	if err != nil || contained {
		return base, "", err
	}
	point, known, err := f.clone.FindBranchPoint(base, branch)
	if err != nil {
		return "", "", err
	}
	headID, behind, _, err := f.clone.ContainsRevision(base, branch)
	switch {
	case err != nil:
		return "", "", err
	case !known:
		return base, fmt.Sprintf("%s does not contain %s, and this clone does not tell where they parted: what %s has of its own "+
			"is shown backwards: git fetch --unshallow, or merge it first", branch, base, base), nil
	case behind && head != "":
		return base, fmt.Sprintf("%s contains %.12s already: merging it changes nothing, this is what going back would do", base,
			headID), nil
	default:
		return point, fmt.Sprintf("%s is behind %s (%.12s): the plan compares with %.12s, where they parted: merge %s to see "+
			"both together", branch, base, tip, point, base), nil
	}
}

// PrintNotes prints the notes of ExplainStatus.
func (f *Reader) PrintNotes(out io.Writer, known Known, fleet inventory.Fleet) error {
	notes, err := f.ExplainStatus(known, fleet)
	for _, note := range notes {
		fmt.Fprintf(out, "note: %s\n", note)
	}
	return err
}

// ExplainUnneeded says why no consent is written for a change.
func ExplainUnneeded(asked change.Change) string {
	switch {
	case asked.Hold != nil:
		return "no consent would help: " + asked.Hold.Message
	case asked.Verdict == change.Nothing:
		return "runs what the fleet asks for, nothing to consent to"
	default:
		return "needs no consent"
	}
}

// findApart gives the directory of the clone, around the Reader's, that has a directory hosts of its own, where the fleet
// at the top of the clone is read; "" for none.
func (f *Reader) findApart() string {
	top, err := f.clone.WorkDirectory()
	if err != nil || f.path != "" {
		return ""
	}
	for at := f.clone.PathInside(f.dir); at != "."; at = path.Dir(at) {
		if info, err := os.Stat(filepath.Join(top, filepath.FromSlash(at), "hosts")); err == nil && info.IsDir() {
			return at
		}
	}
	return ""
}

// PrintPlace says that the fleet at the top of the clone is read, where the Reader's directory looks like a fleet of its
// own.
func (f *Reader) PrintPlace(out io.Writer) {
	_ = f.openClone() // what reads the fleet says so
	if f.apart != "" {
		fmt.Fprintf(out, "note: read as one fleet: the whole repository; if %[1]s is a fleet of its own, give it its settings "+
			"(kind: Fleet) in %[1]s/ingot.yaml\n", f.apart)
	}
}
