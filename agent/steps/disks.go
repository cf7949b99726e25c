package steps

import (
	"context"
	"fmt"

	"github.com/gitmetal/ingot/agent/steps/holders"
	"github.com/gitmetal/ingot/agent/wire"
)

// openedDisks are all disks that a step may write, open, in the order of the job: of an install the order of
// wire.Install.Refs, the disk for the system first, then the disks that the installed system writes to at its first
// start.
type openedDisks []openedDisk

type openedDisk struct {
	ref    wire.DiskRef
	device Device
}

// openDisks opens all disks of a job. The caller closes the disks, also after an error.
func openDisks(ctx context.Context, refs []wire.DiskRef, disks Opener) (opened openedDisks, err error) {
	for _, ref := range refs {
		device, err := disks.Open(ctx, ref)
		if err != nil {
			return opened, err
		}
		for _, other := range opened {
			if other.device.Path() == device.Path() {
				return append(opened, openedDisk{ref, device}),
					fmt.Errorf("the job names %s twice; nothing was written", device.Path())
			}
		}
		opened = append(opened, openedDisk{ref, device})
	}
	return opened, nil
}

func (o openedDisks) close() {
	for _, disk := range o {
		_ = disk.device.Close() // every write was synced
	}
}

// awaitLeave verifies the disks, and asks for leave with what the disks show, until leave is given or refused. It gives
// the look on which leave was given. The daemon is asked too about a disk with another content than the job says: the
// daemon then knows the disk, and refuses.
func (o openedDisks) awaitLeave(ctx context.Context, leave Leave, held Stopper) (look, error) {
	for {
		found, err := o.lookAtAll(held)
		if err != nil {
			return look{}, err
		}
		given, err := leave.AskLeave(ctx, found.seen)
		switch {
		case err != nil:
			return look{}, fmt.Errorf("no leave to write: %w; nothing was written", err)
		case given && found.differs != "":
			return look{}, fmt.Errorf("%s; nothing was written", found.differs)
		case given:
			return found, nil
		}
	}
}

// look is what the open disks show.
type look struct {
	root    Verified // the first disk
	seen    []wire.Disk
	differs string // which disk does not hold what the job says; "" when all do
	stops   []holders.Holder
}

// lookAtAll looks at the open disks, and compares them with the job. What holds them is no error where held can stop it.
func (o openedDisks) lookAtAll(held Stopper) (l look, err error) {
	if held != nil {
		if l.stops, err = held.Find(o.paths()); err != nil {
			return l, fmt.Errorf("%w; nothing was written", err)
		}
	}
	for i, disk := range o {
		verified, seen, err := verifyHeld(disk.device, disk.ref, l.stops)
		if err != nil {
			return l, err
		}
		if i == 0 {
			l.root = verified
		}
		if why := explainContent(seen, disk.ref.Content); why != "" && l.differs == "" {
			l.differs = disk.device.Path() + " " + why
		}
		l.seen = append(l.seen, seen)
	}
	return l, nil
}

// Stopper stops what holds disks, by the paths of their devices. Package holders has one.
type Stopper interface {
	Find(paths []string) ([]holders.Holder, error)
	// Claim stops the holders, and keeps others from the disks until release is called.
	Claim(paths []string, stops []holders.Holder) (release func(), err error)
}

func (o openedDisks) paths() (paths []string) {
	for _, disk := range o {
		paths = append(paths, disk.device.Path())
	}
	return paths
}

// claim stops what holds the disks, for which there is leave, and looks at them again: nothing holds them any more.
func (o openedDisks) claim(held Stopper, stops []holders.Holder) (release func(), err error) {
	if held == nil {
		return func() {}, nil
	}
	release, err = held.Claim(o.paths(), stops)
	for i := 0; err == nil && i < len(o); i++ {
		_, _, err = VerifyDisk(o[i].device, o[i].ref)
	}
	if err != nil {
		return release, Failure{Err: err}
	}
	return release, nil
}
