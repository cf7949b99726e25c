// Command imageguest runs in the ramdisk in place of the agent: it writes images as the agent does, reads the disk back, is
// killed in the middle of a write, and writes a line for each case to the console: "CASE name: ok", or what is wrong. Then
// the machine powers itself off.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/gitmetal/ingot/agent/imagewriter"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/steps/diskimage"
	"github.com/gitmetal/ingot/agent/wire"
)

const (
	serial       = "DATA0001"
	mark         = "0a1b2c3d-4e5f-8677-8899-aabbccddeeff"
	bytesOfImage = 48 << 20
	asChild      = "write"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == asChild {
		runChild()
		return
	}
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	for _, c := range []struct {
		name  string
		judge func() error
	}{
		{"raw", func() error { return judgeWrite(func(d []byte) []byte { return d }) }},
		{"zstd", func() error { return judgeWrite(packZstd) }},
		{"xz", func() error { return judgeWrite(packXZ) }},
		{"gzip", func() error { return judgeWrite(packGzip) }},
		{"another byte", judgeSpoiled},
		{"for other sectors", judgeSectors},
		{"a kill in the middle", judgeKill},
	} {
		began, verdict := time.Now(), "ok"
		if err := c.judge(); err != nil {
			verdict = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintf(console, "\r\nCASE %s: %s (%.1f s)\r\n", c.name, verdict, time.Since(began).Seconds())
	}
	fmt.Fprint(console, "\r\nEND\r\n")
	if err := exec.CommandContext(context.Background(), "systemctl", "poweroff", "--force", "--force").Run(); err != nil {
		panic(err)
	}
}

// makeImage gives the bytes of a disk with a GPT and two partitions with data.
func makeImage() ([]byte, error) {
	const name = "/tmp/image"
	data := make([]byte, bytesOfImage)
	rand.New(rand.NewSource(3)).Read(data[20<<20 : 24<<20]) // little: packing with xz takes long here
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(name)
	command := exec.CommandContext(context.Background(), "sfdisk", "--wipe", "never", "--label", "gpt", name)
	command.Stdin = strings.NewReader("size=16M, type=U, name=esp\nsize=24M, name=root\n")
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("sfdisk: %w: %s", err, out)
	}
	return os.ReadFile(name)
}

func packZstd(data []byte) []byte {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return encoder.EncodeAll(data, nil)
}

func packXZ(data []byte) []byte {
	var packed bytes.Buffer
	writer, err := xz.NewWriter(&packed)
	if err == nil {
		_, err = writer.Write(data)
	}
	if err = errors.Join(err, writer.Close()); err != nil {
		panic(err)
	}
	return packed.Bytes()
}

func packGzip(data []byte) []byte {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write(data)
	if err = errors.Join(err, writer.Close()); err != nil {
		panic(err)
	}
	return packed.Bytes()
}

// served serves an image; slow is called with each part.
type served struct {
	data []byte
	slow func(at int)
}

// Image implements steps.Images.
func (s served) Image(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(&part{s, int(offset)}), nil
}

type part struct {
	served
	at int
}

func (p *part) Read(buffer []byte) (int, error) {
	if p.at >= len(p.data) {
		return 0, io.EOF
	}
	if p.slow != nil {
		p.slow(p.at)
	}
	n := copy(buffer, p.data[p.at:min(len(p.data), p.at+1<<20)])
	p.at += n
	return n, nil
}

// yes gives leave.
type yes struct{}

// AskLeave implements steps.Leave.
func (yes) AskLeave(context.Context, []wire.Disk) (bool, error) { return true, nil }

// write writes an image with this digest to the disk, as the agent's program does.
func write(image []byte, sum [32]byte, slow func(int)) error {
	ctx, report, from := context.Background(), func(wire.Progress) {}, served{image, slow}
	job := wire.Install{ID: "i", Plain: true, Mark: mark, Disk: wire.DiskRef{Serial: serial, Content: wire.ContentAny},
		Image: wire.Image{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(image)), Name: "image"}}
	writer, err := imagewriter.Open(ctx, job.Image, from, imagewriter.Memory{Dir: "/run", Bytes: 1 << 30}, report)
	if err != nil {
		return err
	}
	defer writer.Close()
	writer.Reread = diskimage.RereadPartitions
	return steps.InstallSystem(ctx, job, steps.Tools{Disks: steps.BlockDevices{Root: "/"}, Leave: yes{}, Images: from,
		Installer: writer, Check: writer.CheckDisk}, report)
}

// readDisk gives the first bytes of the disk, from the disk itself.
func readDisk(n int) ([]byte, string, error) {
	path, err := steps.BlockDevices{Root: "/"}.FindPath(wire.DiskRef{Serial: serial})
	if err == nil {
		err = os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
	}
	if err != nil {
		return nil, path, err
	}
	disk, err := os.Open(path)
	if err != nil {
		return nil, path, err
	}
	defer disk.Close()
	data := make([]byte, n)
	_, err = io.ReadFull(disk, data)
	return data, path, err
}

// judgeWrite writes an image, and compares the disk with the image, but for the mark in the partition table. The kernel must
// see the partitions.
func judgeWrite(pack func([]byte) []byte) error {
	image, err := makeImage()
	if err != nil {
		return err
	}
	packed := pack(image)
	if err := write(packed, sha256.Sum256(packed), nil); err != nil {
		return err
	}
	disk, path, err := readDisk(len(image) - 1<<20) // without the backup of the image's table
	if err != nil {
		return err
	}
	if !bytes.Equal(disk[1<<20:], image[1<<20:len(disk)]) {
		return errors.New("the disk does not hold the image")
	}
	out, err := exec.CommandContext(context.Background(), "sfdisk", "--dump", path).CombinedOutput()
	if text := strings.ToLower(string(out)); err != nil || !strings.Contains(text, mark) || strings.Contains(text, "backup") || strings.Count(text, "size=") != 2 {
		return fmt.Errorf("the table: %w: %s", err, out)
	}
	out, err = exec.CommandContext(context.Background(), "lsblk", "--noheadings", "--list", "--output", "PARTLABEL", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "root") {
		return fmt.Errorf("the kernel sees: %w: %s", err, out)
	}
	return nil
}

// judgeSpoiled writes an image with another byte than its digest says.
func judgeSpoiled() error {
	image, err := makeImage()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(image)
	image[22<<20] ^= 1
	err = write(image, sum, nil)
	return judgeHeadless(err, "nothing on the disk starts", 4<<20) // wiped again
}

// judgeHeadless wants an error, and zeros in so many bytes of the disk's head: it starts nothing.
func judgeHeadless(err error, why string, zeros int) error {
	head, _, failed := readDisk(zeros)
	if failed != nil {
		return failed
	}
	if err == nil || !strings.Contains(err.Error(), why) || len(bytes.Trim(head, "\x00")) > 0 {
		return fmt.Errorf("error %w, the head is %q", err, head[512:520])
	}
	return nil
}

// judgeSectors refuses an image for disks with larger sectors, and leaves the disk as it is.
func judgeSectors() error {
	image, err := makeImage()
	if err != nil {
		return err
	}
	if err := write(image, sha256.Sum256(image), nil); err != nil {
		return err
	}
	copy(image[4096:], image[512:1024])
	clear(image[512:1024])
	err = write(image, sha256.Sum256(image), nil)
	head, _, failed := readDisk(1024)
	if err == nil || !strings.Contains(err.Error(), "sectors of 4096 bytes") || failed != nil || string(head[512:520]) != "EFI PART" {
		return fmt.Errorf("error %w, the head is %q", err, head[512:520])
	}
	return nil
}

// judgeKill kills the process that writes, when half is written.
func judgeKill() error {
	child := exec.CommandContext(context.Background(), "/proc/self/exe", asChild)
	said, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		return err
	}
	if _, err := said.Read(make([]byte, 16)); err != nil {
		return err
	}
	if err := child.Process.Kill(); err != nil {
		return err
	}
	return judgeHeadless(child.Wait(), "killed", 1<<20)
}

// runChild writes an image, and waits in its middle.
func runChild() {
	image, err := makeImage()
	if err != nil {
		panic(err)
	}
	looked := false
	err = write(image, sha256.Sum256(image), func(at int) {
		if at == 0 && !looked {
			looked = true // the look before leave
			return
		}
		if at > bytesOfImage/2 {
			fmt.Println("half")
			select {} // the kill comes
		}
	})
	fmt.Println("ended", err)
}
