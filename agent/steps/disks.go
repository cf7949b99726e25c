package steps

import (
	"context"
	"fmt"

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
func (o openedDisks) awaitLeave(ctx context.Context, leave Leave) (look, error) {
	for {
		found, err := o.lookAtAll()
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
}

// lookAtAll looks at the open disks, and compares them with the job.
func (o openedDisks) lookAtAll() (l look, err error) {
	for i, disk := range o {
		verified, seen, err := VerifyDisk(disk.device, disk.ref)
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
