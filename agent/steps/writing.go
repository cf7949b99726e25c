package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/wire"
)

// GivenDisk is an open disk for which there is leave. Only WithDisks makes one.
type GivenDisk struct {
	name string // in the fleet
	node string // name of the device for a script, such as data-0
	path string // of the machine's own device
	disk wire.Disk
	open Device
}

// DiskTools are the parts of WithDisks that differ between a real and a simulated machine.
type DiskTools struct {
	Disks Opener
	Leave Leave
	// NoteDisks is given what the open disks show after the run, done or failed, in the order of the named disks.
	NoteDisks func([]wire.Disk)
	// Held stops what holds the disks, after leave was given; nil: a disk in use is refused.
	Held Stopper
}

// WithDisks lets a step write to disks: open all disks, verify them, ask for leave, run the step with these disks, look
// at the disks again. Before leave nothing runs and nothing is written. The disks stay open for the whole time. The
// result is that of run; a disk that cannot be looked at afterwards is a Failure.
func WithDisks(ctx context.Context, named []wire.NamedDisk, with DiskTools,
	run func([]GivenDisk) (string, error)) (output string, err error) {
	var refs []wire.DiskRef
	for _, disk := range named {
		refs = append(refs, disk.DiskRef)
	}
	if len(refs) == 0 {
		return "", errors.New("the job of a step that writes names no disks; nothing was written")
	}
	disks, err := openDisks(ctx, refs, with.Disks)
	defer disks.close()
	if err != nil {
		return "", err
	}
	given, err := disks.awaitLeave(ctx, with.Leave, with.Held)
	if err != nil {
		return "", err
	}
	release, err := disks.claim(with.Held, given.stops)
	defer release()
	if err != nil {
		return "", err
	}
	output, err = run(listGiven(named, disks, given.seen))
	left, failed := disks.lookBehind()
	if failed == nil {
		with.NoteDisks(left)
	}
	if err == nil && failed != nil {
		return output, Failure{Err: failed, Output: output}
	}
	return output, err
}

// listGiven names the devices for the step: the disks of one name are numbered from 0.
func listGiven(named []wire.NamedDisk, opened openedDisks, seen []wire.Disk) (given []GivenDisk) {
	count := map[string]int{}
	for i, disk := range named {
		given = append(given, GivenDisk{name: disk.Name, node: fmt.Sprintf("%s-%d", disk.Name, count[disk.Name]),
			path: opened[i].device.Path(), disk: seen[i], open: opened[i].device})
		count[disk.Name]++
	}
	return given
}

// lookBehind syncs the open disks, and gives what they show.
func (o openedDisks) lookBehind() (left []wire.Disk, err error) {
	for _, disk := range o {
		if err := disk.device.Sync(); err != nil {
			return nil, fmt.Errorf("sync %s: %w", disk.device.Path(), err)
		}
		seen, err := disk.device.Disk()
		if err != nil {
			return nil, fmt.Errorf("look at disk %s after the script: %w", disk.device.Path(), err)
		}
		left = append(left, seen)
	}
	return left, nil
}

// nodesFor is where a service sees the devices of its disks.
const nodesFor = "/dev/ingot"

// describeDisks gives the disks of a script by name, for its document.
func (r ScriptRun) describeDisks() map[string][]wire.RunDisk {
	if len(r.Given) == 0 {
		return nil
	}
	disks := map[string][]wire.RunDisk{}
	for _, g := range r.Given {
		device := g.path
		if r.Apart.Run != "" {
			device = filepath.Join(nodesFor, g.node)
		}
		disks[g.name] = append(disks[g.name], wire.RunDisk{Device: device, Serial: g.disk.Serial, WWN: g.disk.WWN,
			Size: g.disk.Size, SectorSize: g.disk.SectorSize})
	}
	return disks
}

// makeNodes makes the devices of the disks in a directory of their own in /dev: the service has no other devices, and
// its user is in no group. Only the service is shown the directory. The caller calls remove.
func (i Isolation) makeNodes(unit string, given []GivenDisk) (dir string, remove func(), err error) {
	if i.Run == "" || len(given) == 0 {
		return "", func() {}, nil
	}
	dir = filepath.Join("/dev", unit)
	remove = func() { _ = os.RemoveAll(dir) } // in RAM
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", remove, fmt.Errorf("make the devices of the step: %w", err)
	}
	for _, g := range given {
		info, err := os.Stat(g.path)
		if err != nil {
			return "", remove, fmt.Errorf("make the device of %s: %w", g.path, err)
		}
		status, ok := info.Sys().(*syscall.Stat_t)
		if !ok || info.Mode()&os.ModeDevice == 0 {
			return "", remove, fmt.Errorf("make the device of %s: it is no device", g.path)
		}
		node := filepath.Join(dir, g.node)
		if err := unix.Mknod(node, unix.S_IFBLK|0o666, int(status.Rdev)); err != nil {
			return "", remove, fmt.Errorf("make the device of %s: %w", g.path, err)
		}
		if err := os.Chmod(node, 0o666); err != nil { // whatever the umask is
			return "", remove, fmt.Errorf("make the device of %s: %w", g.path, err)
		}
	}
	return dir, remove, nil
}

// devices are the properties for the disks of a script: its own devices, and no other.
func (s service) devices() (properties []string) {
	if s.nodes == "" {
		return nil
	}
	for _, node := range s.nodeNames {
		properties = append(properties, "DeviceAllow="+filepath.Join(s.nodes, node)+" rw")
	}
	return append(properties, "BindPaths="+s.nodes+":"+nodesFor)
}
