package diskimage_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/steps/diskimage"
)

const mib = 1 << 20

// disk is a disk of 9 MiB and a bit with data, zeros, and text that can be compressed.
func disk() []byte {
	data := make([]byte, 9*mib+512*3)
	source := rand.New(rand.NewSource(1))
	source.Read(data[mib/2 : 2*mib])
	copy(data[5*mib:], strings.Repeat("ingot ", mib/6))
	source.Read(data[9*mib:])
	copy(data[512:], "EFI PART")
	return data
}

func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, arguments, err, out)
	}
}

// file writes a disk into a file, and gives its name.
func file(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestStreams reads what the real programs wrote, whole and cut.
func TestStreams(t *testing.T) {
	t.Parallel()
	want := disk()
	for _, test := range [][]string{{"", ".raw"}, {"zstd", ".zst"}, {"xz", ".xz"}, {"gzip", ".gz"}} {
		name := file(t, want)
		if test[0] != "" {
			run(t, test[0], "-k", "-q", name)
			name += test[1]
		}
		data := read(t, name)
		r, err := diskimage.Open(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatalf("Open(%s): %v", test[1], err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: read %d bytes, %v, want the %d of the disk", test[1], len(got), err, len(want))
		}
		if test[0] == "" {
			continue
		}
		r, err = diskimage.Open(bufio.NewReader(bytes.NewReader(data[:len(data)-20])))
		if err != nil {
			t.Fatalf("Open(%s): %v", test[1], err)
		}
		if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "as "+test[0]) {
			t.Errorf("%s without its end: %v, want an error", test[1], err)
		}
	}
}

// TestXZDictionary: an image of xz gets the memory that it needs, and not more than the limit.
func TestXZDictionary(t *testing.T) { // alone, because the memory is the process's
	// stream header; block header of 12 bytes: one filter, LZMA2 with its dictionary size, padding
	stream := func(dictionary byte) []byte {
		block := []byte{2, 0, 0x21, 1, dictionary, 0, 0, 0}
		data := []byte("\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36")
		return append(append(data, block...), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(block))...)
	}
	for _, test := range []struct {
		dictionary byte // 2^(n/2+12), for an even n
		want       string
	}{{2, "unexpected EOF"}, {36, "dictionary of 1073741824 bytes"}, {40, "dictionary of 4294967295 bytes"}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := diskimage.Open(bufio.NewReader(bytes.NewReader(stream(test.dictionary))))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("a dictionary of size %d: %v, want %q", test.dictionary, err, test.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 64*mib {
			t.Errorf("a dictionary of size %d: %d bytes of memory", test.dictionary, used)
		}
	}
}

// TestQCOW2 reads images that qemu-img wrote.
func TestQCOW2(t *testing.T) {
	t.Parallel()
	want := disk()
	raw := file(t, want)
	for _, options := range []string{"compat=0.10", "compat=1.1", "cluster_size=512", "cluster_size=2M", "extended_l2=on,cluster_size=64k",
		"-c compat=1.1", "-c compression_type=zstd", "-c cluster_size=4k", "lazy_refcounts=on"} {
		arguments := []string{"convert", "-f", "raw", "-O", "qcow2"}
		options, compressed := strings.CutPrefix(options, "-c ")
		if compressed {
			arguments = append(arguments, "-c")
		}
		name := filepath.Join(t.TempDir(), "disk.qcow2")
		run(t, "qemu-img", append(arguments, "-o", options, raw, name)...)
		data := read(t, name)
		if _, err := diskimage.Open(bufio.NewReader(bytes.NewReader(data))); !errors.Is(err, diskimage.ErrQCOW2) {
			t.Errorf("Open(%s) = %v, want ErrQCOW2", options, err)
		}
		q, err := diskimage.OpenQCOW2(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Errorf("OpenQCOW2(%s): %v", options, err)
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(q, 0, q.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: read %d bytes, %v, want the %d of the disk", options, len(got), err, len(want))
		}
	}
}

// TestRefusedQCOW2: an image that is not whole is refused, and no other file is opened.
func TestRefusedQCOW2(t *testing.T) {
	t.Parallel()
	raw, dir := file(t, disk()), t.TempDir()
	backed, encrypted, external := filepath.Join(dir, "backed"), filepath.Join(dir, "encrypted"), filepath.Join(dir, "external")
	run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", backed)
	// LUKS would do as well, but qemu-img measures its own speed for LUKS, and gives up on a fast processor
	run(t, "qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o", "encrypt.format=aes,encrypt.key-secret=s", encrypted, "4M")
	run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+filepath.Join(dir, "data"), external, "4M")
	whole := filepath.Join(dir, "whole")
	run(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, whole)
	corrupt, luks := read(t, whole), read(t, encrypted)
	corrupt[79] |= 2
	luks[35] = 2 // crypt_method of the header (QEMU, docs/interop/qcow2.txt)
	for _, test := range []struct {
		data []byte
		want string
	}{
		{read(t, backed), "backing file"}, {read(t, encrypted), "encrypted"}, {luks, "encrypted"}, {read(t, external), "another file"},
		{corrupt, "corrupt"}, {[]byte("QFI\xfb"), "header"}, {read(t, whole)[:70<<10], ""},
	} {
		q, err := diskimage.OpenQCOW2(bytes.NewReader(test.data), int64(len(test.data)))
		if err == nil {
			_, err = io.Copy(io.Discard, io.NewSectionReader(q, 0, q.Size()))
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want it refused", test.want, err)
		}
	}
}

func FuzzQCOW2(f *testing.F) {
	seed := make([]byte, 4096)
	copy(seed, "QFI\xfb\x00\x00\x00\x03")
	seed[23], seed[30], seed[39], seed[46], seed[103] = 9, 16, 1, 2, 104
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := diskimage.OpenQCOW2(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		buffer := make([]byte, 64<<10)
		for _, at := range []int64{0, q.Size() / 2, q.Size() - 1} {
			_, _ = q.ReadAt(buffer, at)
		}
	})
}

func TestCheckHead(t *testing.T) {
	t.Parallel()
	head := func(at int, text string) []byte {
		data := make([]byte, 8<<10)
		copy(data[at:], text)
		return data
	}
	for _, test := range []struct {
		head   []byte
		sector int
		want   string
	}{
		{head(512, "EFI PART"), 512, ""}, {head(4096, "EFI PART"), 4096, ""}, {head(4096, "EFI PART"), 0, ""},
		{head(4096, "EFI PART"), 512, "sectors of 4096 bytes"}, {head(512, "EFI PART"), 4096, "sectors of 512 bytes"},
		{head(510, "\x55\xaa"), 512, ""}, {head(0, "ISO"), 512, "not the image of a disk"},
	} {
		if err := diskimage.CheckHead(test.head, test.sector); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("CheckHead(%q, %d) = %v, want %q", bytes.Trim(test.head, "\x00"), test.sector, err, test.want)
		}
	}
}
