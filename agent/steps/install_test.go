package steps_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

const size = 16 << 20

// disk is a device in memory. Its bytes are ones before anything is written.
type disk struct {
	data   []byte
	is     wire.Disk
	lost   error // what Disk answers
	broken error // what WriteAt answers
	story  []string
	asked  []wire.Disk
	closed bool
	wrote  func(at int64, n int) // nil: nobody asks
}

func newDisk() *disk {
	return &disk{data: bytes.Repeat([]byte{1}, size), is: wire.Disk{
		Name: "vda", Path: "/dev/disk/by-path/pci-0", Serial: "S1", WWN: "0x5000c500a1b2c3d4", Size: size, Content: wire.Content{Signature: "aaaa", Summary: "xfs"},
	}}
}

func (d *disk) ReadAt(p []byte, at int64) (int, error) { return copy(p, d.data[at:]), nil }
func (d *disk) Disk() (wire.Disk, error)               { return d.is, d.lost }
func (d *disk) Path() string                           { return "/dev/vda" }
func (d *disk) Sync() error                            { d.story = append(d.story, "sync"); return nil }
func (d *disk) Close() error                           { d.closed = true; return nil }
func (d *disk) WriteAt(p []byte, at int64) (int, error) {
	if d.broken != nil {
		return 0, d.broken
	}
	d.story = append(d.story, "write")
	if d.wrote != nil {
		d.wrote(at, len(p))
	}
	return copy(d.data[at:], p), nil
}

// Open implements steps.Opener: it gives the disk whatever is asked for, so that only Verify stands between a job and a wrong disk.
func (d *disk) Open(context.Context, wire.DiskRef) (steps.Device, error) { return d, nil }

// Install implements steps.Installer.
type installer func(disk steps.Wiped) error

func (i installer) Install(_ context.Context, disk steps.Wiped, _ wire.Install, _ steps.Images, _ func(wire.Progress)) error {
	return i(disk)
}

func job() wire.Install {
	return wire.Install{
		ID: "i1", Disk: wire.DiskRef{Serial: "S1", Size: size, Content: "aaaa"}, Ignition: []byte(`{"ignition":{"version":"3.4.0"}}`),
		Image: wire.Image{SHA256: strings.Repeat("ab", 32), Size: 1, Name: "os.raw.zst"}, KernelArguments: []string{"console=ttyS0,115200"},
	}
}

// leave gives leave to a disk, and notes in the story of the disk that it was asked for.
func leave(d *disk) answer {
	return func(ctx context.Context, seen []wire.Disk) (bool, error) {
		d.asked = append(d.asked, seen...)
		return ctx.Err() == nil, ctx.Err()
	}
}

// answer implements steps.Leave.
type answer func(context.Context, []wire.Disk) (bool, error)

func (a answer) AskLeave(ctx context.Context, disks []wire.Disk) (bool, error) { return a(ctx, disks) }

func install(t *testing.T, d *disk, j wire.Install, with installer) error {
	t.Helper()
	return steps.InstallSystem(t.Context(), j, steps.Tools{Disks: d, Leave: leave(d), Installer: with}, func(wire.Progress) {})
}

// TestOnlyTheNamedDiskIsWritten refuses each difference between the job and the open disk, and writes not a byte.
func TestOnlyTheNamedDiskIsWritten(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*disk, *wire.Install)
		want   string
	}{
		"another serial": {func(d *disk, _ *wire.Install) { d.is.Serial = "S2" }, `serial: want S1, have "S2"`},
		"another wwn":    {func(_ *disk, j *wire.Install) { j.Disk.WWN = "0x1" }, "wwn: want 0x1"},
		"another path":   {func(_ *disk, j *wire.Install) { j.Disk.Path = "/dev/disk/by-path/pci-1" }, "path: want"},
		"another disk's path": {func(d *disk, j *wire.Install) {
			j.Disk.Path, d.is.Path, d.is.Links = "/dev/disk/by-path/pci-1", "/dev/disk/by-path/pci-2", []string{"/dev/disk/by-path/pci-2", "/dev/disk/by-path/pci-2.0"}
		}, "path: want"},
		"another size":        {func(d *disk, _ *wire.Install) { d.is.Size++ }, "size: want 16777216 bytes, have 16777217"},
		"no name at all":      {func(_ *disk, j *wire.Install) { j.Disk.Serial = "" }, "the job names none"},
		"mounted":             {func(d *disk, _ *wire.Install) { d.is.Holders = []string{"vda1 on /data"} }, "is in use: vda1 on /data"},
		"read-only":           {func(d *disk, _ *wire.Install) { d.is.ReadOnly = true }, "is read-only"},
		"too small to wipe":   {func(d *disk, j *wire.Install) { d.is.Size, j.Disk.Size = 1<<20, 1<<20 }, "has only 1048576 bytes"},
		"other content":       {func(d *disk, _ *wire.Install) { d.is.Content.Signature = "bbbb" }, "want content aaaa, have bbbb xfs"},
		"content is not said": {func(_ *disk, j *wire.Install) { j.Disk.Content = "" }, "does not say what may be on it"},
		"not blank":           {func(_ *disk, j *wire.Install) { j.Disk.Content = wire.ContentBlank }, "is not blank: aaaa xfs"},
		"blank but unreadable": {func(d *disk, j *wire.Install) {
			j.Disk.Content, d.is.Content = wire.ContentBlank, wire.Content{Blank: true, Unreadable: "I/O error"}
		}, "cannot be read: I/O error"},
		"gone":               {func(d *disk, _ *wire.Install) { d.lost = errors.New("it is gone") }, "it is gone"},
		"no digest":          {func(_ *disk, j *wire.Install) { j.Image.SHA256 = "" }, "no sha256"},
		"no size":            {func(_ *disk, j *wire.Install) { j.Image.Size = 0 }, "has 0 bytes"},
		"no Ignition":        {func(_ *disk, j *wire.Install) { j.Ignition = []byte("{") }, "not JSON"},
		"an argument with a": {func(_ *disk, j *wire.Install) { j.KernelArguments = []string{"a b"} }, `"a b" is not allowed`},
	}
	for name, test := range tests {
		d, j := newDisk(), job()
		test.change(d, &j)
		err := install(t, d, j, func(steps.Wiped) error { t.Errorf("%s: the installer ran", name); return nil })
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasSuffix(err.Error(), "nothing was written") {
			t.Errorf("%s: error = %v, want %q and that nothing was written", name, err, test.want)
		}
		if len(d.story) > 0 {
			t.Errorf("%s: the disk was touched: %v", name, d.story)
		}
	}
}

// TestTheDiskIsWipedBeforeAndSyncedAfter hands the installer a disk whose head and tail are zero on the disk itself.
func TestTheDiskIsWipedBeforeAndSyncedAfter(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"aaaa", wire.ContentAny} {
		d, j := newDisk(), job()
		j.Disk.Content, j.Disk.Path = content, "/dev/disk/by-path/pci-1.0" // one of two spellings
		d.is.Path, d.is.Links = "/dev/disk/by-path/pci-1", []string{"/dev/disk/by-path/pci-1", "/dev/disk/by-path/pci-1.0"}
		err := install(t, d, j, func(w steps.Wiped) error {
			const edge = 4 << 20
			if bytes.ContainsFunc(d.data[:edge], notZero) || bytes.ContainsFunc(d.data[size-edge:], notZero) || d.story[len(d.story)-1] != "sync" {
				t.Errorf("the disk is not wiped and synced: %v", d.story)
			}
			if bytes.IndexByte(d.data[edge:size-edge], 0) >= 0 {
				t.Error("more than the edges was wiped")
			}
			_, err := w.Device().WriteAt([]byte("system"), 0)
			return err
		})
		if want := []string{"write", "write", "sync", "write", "sync"}; err != nil || !slices.Equal(d.story, want) || !d.closed || !bytes.HasPrefix(d.data, []byte("system")) {
			t.Errorf("error = %v, story = %v, want %v, closed: %t", err, d.story, want, d.closed)
		}
	}
}

func notZero(r rune) bool { return r != 0 }

// TestAFailedInstallStartsNothing wipes again what the installer left.
func TestAFailedInstallStartsNothing(t *testing.T) {
	t.Parallel()
	d := newDisk()
	failure := errors.New("the installer failed")
	err := install(t, d, job(), func(w steps.Wiped) error {
		_, _ = w.Device().WriteAt([]byte("half a system"), 0)
		return failure
	})
	if !errors.Is(err, failure) || bytes.ContainsFunc(d.data[:4<<20], notZero) || d.story[len(d.story)-1] != "sync" || !d.closed {
		t.Errorf("error = %v, the head is %q, story %v", err, d.data[:13], d.story)
	}
	d = newDisk()
	d.broken = errors.New("I/O error")
	if err := install(t, d, job(), func(steps.Wiped) error { t.Error("the installer ran on a disk that was not wiped"); return nil }); !errors.Is(err, d.broken) {
		t.Errorf("error = %v, want that of the disk", err)
	}
}

// TestACancelledJobWritesNothing heeds the end of its context while the disk is being looked at.
func TestACancelledJobWritesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := newDisk()
	err := steps.InstallSystem(ctx, job(), steps.Tools{Disks: d, Leave: leave(d), Installer: installer(func(steps.Wiped) error { t.Error("it ran"); return nil })}, func(wire.Progress) {})
	if !errors.Is(err, context.Canceled) || len(d.story) > 0 {
		t.Errorf("error = %v, story %v", err, d.story)
	}
}

// TestArguments is the whole command line, in its order: the device is last, an argument that begins with a dash is no option.
func TestArguments(t *testing.T) {
	t.Parallel()
	got := steps.InstallerArguments("/dev/vda", "http://127.0.0.1:1/os.raw.zst", "/run/config.ign", wire.Install{KernelArguments: []string{"console=ttyS0", "--offline"}})
	want := []string{
		"install", "--insecure", "--image-url", "http://127.0.0.1:1/os.raw.zst", "--ignition-file", "/run/config.ign",
		"--append-karg=console=ttyS0", "--append-karg=--offline", "/dev/vda",
	}
	if !slices.Equal(got, want) {
		t.Errorf("arguments = %q, want %q", got, want)
	}
}

var _ io.ReaderAt = (*disk)(nil)
