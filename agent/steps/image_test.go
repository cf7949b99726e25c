package steps_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/imagewriter"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// served serves an image, and breaks each transfer after some bytes; 0 breaks none.
type served struct {
	data   []byte
	breaks int64
}

// Image implements steps.Images.
func (s served) Image(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
	body := io.Reader(bytes.NewReader(s.data[offset:]))
	if s.breaks > 0 {
		body = io.MultiReader(io.LimitReader(body, s.breaks), broken{})
	}
	return io.NopCloser(body), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the connection broke") }

// diskBytes are those of a disk of 10 MiB with a GPT, as far as the check of an image looks, and with random data.
func diskBytes(sector int) []byte {
	data := make([]byte, 10<<20)
	rand.New(rand.NewSource(2)).Read(data[64<<10 : 6<<20])
	copy(data[sector:], "EFI PART")
	return data
}

// packed gives a disk in a format, as the real programs write it.
func packed(t *testing.T, data []byte, format string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	command := map[string][]string{"raw": {"cat", name}, "zstd": {"zstd", "-c", name}, "xz": {"xz", "-c", "-0", name}, "gzip": {"gzip", "-c", name},
		"qcow2": {"sh", "-c", fmt.Sprintf("qemu-img convert -f raw -O qcow2 %s %s.q >&2 && cat %s.q", name, name, name)}}[format]
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	return out
}

// plainJob is the job that writes an image.
func plainJob(image []byte) wire.Install {
	j, sum := job(), sha256.Sum256(image)
	j.Plain, j.Ignition, j.KernelArguments = true, nil, nil
	j.Image = wire.Image{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(image)), Name: "disk.img"}
	return j
}

// writeImage runs the job of an image on a disk.
func writeImage(t *testing.T, d *disk, j wire.Install, with steps.Images, memory uint64) error {
	t.Helper()
	report := func(wire.Progress) {}
	writer, err := imagewriter.Open(t.Context(), j.Image, with, imagewriter.Memory{Dir: t.TempDir(), Bytes: memory}, report)
	if err != nil {
		return err
	}
	defer writer.Close()
	writer.Drive = j.Drive
	tools := steps.Tools{Disks: d, Leave: leave(d), Images: with, Installer: writer, Check: writer.CheckDisk}
	return steps.InstallSystem(t.Context(), j, tools, report)
}

// TestImagesOfEveryFormat: the disk holds the image and zeros at its ends, and its first MiB is the last write.
func TestImagesOfEveryFormat(t *testing.T) {
	t.Parallel()
	want := diskBytes(512)
	for _, format := range []string{"raw", "zstd", "xz", "gzip", "qcow2"} {
		d, image := newDisk(), packed(t, want, format)
		headLast := false
		d.wrote = func(at int64, n int) { headLast = at == 0 && n == 1<<20 }
		if err := writeImage(t, d, plainJob(image), served{image, 3 << 20}, 1<<30); err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if !bytes.Equal(d.data[:len(want)], want) {
			t.Errorf("%s: the disk does not hold the image", format)
		}
		if !headLast || d.story[len(d.story)-1] != "sync" {
			t.Errorf("%s: the first MiB was not written last, and synced: %v", format, d.story)
		}
	}
}

// TestAnImageThatWasPublishedCut has the digest that the job names, and never starts.
func TestAnImageThatWasPublishedCut(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"zstd", "xz", "gzip"} {
		d, image := newDisk(), packed(t, diskBytes(512), format)
		image = image[:len(image)/2]
		err := writeImage(t, d, plainJob(image), served{image, 0}, 1<<30)
		if err == nil || !strings.Contains(err.Error(), "as "+format) || bytes.ContainsFunc(d.data[:1<<20], notZero) {
			t.Errorf("half of an image in %s: %v, the head is %q", format, err, d.data[512:520])
		}
	}
}

// TestBytesThatCannotBeKept end a download at once: what was read is gone.
func TestBytesThatCannotBeKept(t *testing.T) {
	t.Parallel()
	full, calls := errors.New("no space left"), 0
	download := steps.Download{Image: wire.Image{Size: 1 << 20}, Images: served{make([]byte, 1<<20), 0}, Report: func(wire.Progress) {}}
	err := download.Copy(t.Context(), func([]byte) error { calls++; return full })
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("Copy = %v after %d calls, want the error of the first", err, calls)
	}
}

// TestAnImageThatIsNotWhole never starts: the disk has no head.
func TestAnImageThatIsNotWhole(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"raw", "zstd", "gzip"} {
		d, image := newDisk(), packed(t, diskBytes(512), format)
		other := bytes.Clone(image)
		other[len(other)/2] ^= 1
		err := writeImage(t, d, plainJob(image), served{other, 0}, 1<<30)
		if err == nil || bytes.ContainsFunc(d.data[:4<<20], notZero) || bytes.ContainsFunc(d.data[size-4<<20:], notZero) {
			t.Errorf("%s with another byte: %v, the head is %q", format, err, d.data[512:520])
		}
	}
}

// TestRefusedImages are refused before leave is asked for, and nothing is written.
func TestRefusedImages(t *testing.T) {
	t.Parallel()
	raw, wide := diskBytes(512), diskBytes(4096)
	large := append(bytes.Clone(raw), make([]byte, size)...)
	qcow2 := packed(t, raw, "qcow2")
	spoiled := bytes.Clone(qcow2)
	spoiled[len(spoiled)-1] ^= 1
	for name, test := range map[string]struct {
		image, served []byte
		memory        uint64
		want          string
	}{
		"for other sectors":            {wide, wide, 1 << 30, "sectors of 4096 bytes"},
		"no image of a disk":           {make([]byte, 1<<20), make([]byte, 1<<20), 1 << 30, "neither a partition table"},
		"qcow2 of another digest":      {qcow2, spoiled, 1 << 30, "the job says"},
		"qcow2 over half of memory":    {qcow2, qcow2, uint64(len(qcow2)), "qemu-img convert -O raw"},
		"qcow2 of a larger disk":       {packed(t, large, "qcow2"), packed(t, large, "qcow2"), 1 << 30, "this disk has"},
		"a short image":                {raw[:4096], raw[:4096], 1 << 30, "cannot be written"},
		"with an Ignition config":      {raw, raw, 1 << 30, "neither an Ignition config"},
		"a stream that is cut at once": {packed(t, raw, "xz")[:40], packed(t, raw, "xz")[:40], 1 << 30, "cannot be written"},
	} {
		d, j := newDisk(), plainJob(test.image)
		d.is.SectorSize = 512
		if strings.Contains(name, "Ignition") {
			j.Ignition = []byte("{}")
		}
		err := writeImage(t, d, j, served{test.served, 0}, test.memory)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "nothing was written") || len(d.story) > 0 || len(d.asked) > 0 {
			t.Errorf("%s: %v; the disk: %v, asked %d", name, err, d.story, len(d.asked))
		}
	}
}

// TestAnImageLargerThanItsDisk leaves a disk that starts nothing.
func TestAnImageLargerThanItsDisk(t *testing.T) {
	t.Parallel()
	d, image := newDisk(), packed(t, append(diskBytes(512), make([]byte, size)...), "zstd")
	err := writeImage(t, d, plainJob(image), served{image, 0}, 1<<30)
	if err == nil || !strings.Contains(err.Error(), "larger than the disk") || bytes.ContainsFunc(d.data[:4<<20], notZero) {
		t.Errorf("%v; the head is %q", err, d.data[512:520])
	}
}

// realTable is an image of 10 MiB with a GPT made by sgdisk.
func realTable(t *testing.T) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, diskBytes(512), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "/usr/sbin/sgdisk", "--clear", "--new=1:2048:+4M", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAConfigDrive needs a GPT with room at the end of the disk: without, nothing is written.
func TestAConfigDrive(t *testing.T) {
	t.Parallel()
	for name, image := range map[string][]byte{"no GPT": append(make([]byte, 510), append([]byte{0x55, 0xaa}, make([]byte, 1<<20)...)...), "too small a disk": realTable(t)} {
		d, j := newDisk(), plainJob(image)
		j.Drive, j.Ignition = "cidata", []byte("the drive")
		if err := writeImage(t, d, j, served{data: image}, 1<<30); err == nil || len(d.story) > 0 || len(d.asked) > 0 {
			t.Errorf("%s: error %v, the disk: %v, asked %d", name, err, d.story, len(d.asked))
		}
	}
	large, image := newDisk(), realTable(t)
	large.is.SectorSize = 4096
	wide := append(make([]byte, 4096), image[512:]...) // the header where sectors of 4096 have it
	copy(wide, image[:512])
	j := plainJob(wide)
	j.Drive, j.Ignition = "cidata", []byte("the drive")
	if err := writeImage(t, large, j, served{data: wide}, 1<<30); err == nil || !strings.Contains(err.Error(), "blocks of 2048 bytes") || len(large.story) > 0 {
		t.Errorf("sectors of 4096: %v, the disk: %v", err, large.story)
	}
	j = plainJob(realTable(t))
	j.Ignition = []byte("{}")
	if err := writeImage(t, newDisk(), j, served{}, 1<<30); err == nil {
		t.Error("an image with an Ignition config was written")
	}
}
