package facts_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/wire"
)

const gib = 1 << 30

// run runs a tool that scripts/setup.sh installs, and gives its output without the surrounding space.
func run(t *testing.T, stdin string, argv ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	command.Stdin = strings.NewReader(stdin)
	command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LVM_SUPPRESS_FD_WARNINGS=1")
	path, err := exec.LookPath(argv[0])
	if err != nil {
		path = filepath.Join("/usr/sbin", argv[0])
	}
	command.Path, command.Err = path, nil
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// image makes a sparse file.
func image(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// patch changes bytes of a file in place.
func patch(t *testing.T, path string, at int64, change func([]byte), n int) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data := make([]byte, n)
	if _, err := file.ReadAt(data, at); err != nil {
		t.Fatal(err)
	}
	change(data)
	if _, err := file.WriteAt(data, at); err != nil {
		t.Fatal(err)
	}
}

// layered is a disk of zeros with a file at a place, and a base around it; the edges may be zeroed.
type layered struct {
	base    io.ReaderAt // nil: zeros
	file    io.ReaderAt
	at, end int64 // of the file
	size    int64
	zeroed  int64 // bytes at both ends
}

func (l layered) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > l.size {
		return 0, io.EOF
	}
	clear(p)
	if l.base != nil {
		if _, err := l.base.ReadAt(p, offset); err != nil {
			return 0, err
		}
	}
	from, to := max(offset, l.at), min(offset+int64(len(p)), l.end)
	if from < to {
		if _, err := l.file.ReadAt(p[from-offset:to-offset], from-l.at); err != nil {
			return 0, err
		}
	}
	for i := range p {
		if at := offset + int64(i); at < l.zeroed || at >= l.size-l.zeroed {
			p[i] = 0
		}
	}
	return len(p), nil
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// made are file systems by the real tools, and how something is written to them.
var made = map[string]struct {
	size  int64
	make  func(t *testing.T, path string)
	write func(t *testing.T, path string)
	kind  string
	uuid  bool // blkid gives the same UUID
}{
	"ext4": {64 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.ext4", "-q", "-F", path) }, writeExt, "ext4", true},
	"ext2": {16 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.ext2", "-q", "-F", path) }, writeExt, "ext2", true},
	"xfs": {300 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.xfs", "-q", path) },
		// what a mount and an unmount change: the LSN of the superblock
		func(t *testing.T, path string) {
			patch(t, path, 0xf0, func(b []byte) { binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)+1) }, 8)
		}, "xfs", true},
	"btrfs": {256 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.btrfs", "-q", path) },
		// what a transaction changes: the generation
		func(t *testing.T, path string) {
			patch(t, path, 64<<10+0x48, func(b []byte) { b[0]++ }, 8)
		}, "btrfs", true},
	"vfat": {64 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.vfat", "-F", "32", path) },
		func(t *testing.T, path string) { run(t, "", "mcopy", "-i", path, newFile(t), "::/NEW.TXT") }, "vfat", true},
	"vfat 12": {8 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.vfat", "-F", "12", path) },
		func(t *testing.T, path string) { run(t, "", "mcopy", "-i", path, newFile(t), "::/NEW.TXT") }, "vfat", true},
	"ntfs": {64 * mib, func(t *testing.T, path string) { run(t, "", "mkfs.ntfs", "-q", "-F", "-f", path) },
		func(t *testing.T, path string) { run(t, "", "ntfscp", "-q", "-f", path, newFile(t), "new.txt") }, "ntfs", true},
	"LUKS2": {64 * mib, func(t *testing.T, path string) { luks(t, path, "luks2") },
		// what a file in the volume changes: its encrypted superblock, 16 MiB behind the header
		func(t *testing.T, path string) { patch(t, path, 16*mib+1024, func(b []byte) { b[0] ^= 0xff }, 1) }, "crypto_LUKS", true},
	"LUKS1": {64 * mib, func(t *testing.T, path string) { luks(t, path, "luks1") },
		func(t *testing.T, path string) { patch(t, path, 2*mib+1024, func(b []byte) { b[0] ^= 0xff }, 1) }, "crypto_LUKS", true},
	"swap": {16 * mib, func(t *testing.T, path string) { run(t, "", "mkswap", "-q", path) },
		func(t *testing.T, path string) { patch(t, path, 8192, func(b []byte) { b[0] ^= 0xff }, 1) }, "swap", true},
}

func newFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new.txt")
	if err := os.WriteFile(path, bytes.Repeat([]byte("new\n"), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeExt(t *testing.T, path string) {
	run(t, "", "debugfs", "-w", "-R", "write "+newFile(t)+" new.txt", path)
}

func luks(t *testing.T, path, kind string) {
	run(t, "secret", "cryptsetup", "luksFormat", "--batch-mode", "--type", kind, "--pbkdf", "pbkdf2",
		"--pbkdf-force-iterations", "1000", path, "-")
}

// The instance that this ends: a partition that begins at 513 MiB of a large disk was in no sample, and 40 MB were
// written into its file system without another signature.
func TestASignatureChangesWithItsFiles(t *testing.T) {
	t.Parallel()
	for name, c := range made {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := image(t, c.size)
			c.make(t, path)
			const size, at = 100 * gib, 513 * mib
			base := disk(size, gptWith(size, at, c.size))
			look := func() wire.Disk {
				got := facts.InspectBytes(wire.Disk{Size: size, SectorSize: 512},
					layered{base: base, file: open(t, path), at: at, end: at + c.size, size: size})
				if !strings.HasPrefix(got.Content.Signature, "v2:") || got.Table == nil || len(got.Table.Partitions) != 1 {
					t.Fatalf("InspectBytes = %+v, want one partition and a signature", got)
				}
				return got
			}
			before := look()
			part := before.Table.Partitions[0]
			want := ""
			if c.uuid {
				want = run(t, "", "blkid", "-p", "-o", "value", "-s", "UUID", path)
			}
			if part.FSType != c.kind || part.FSUUID != want {
				t.Errorf("partition = %s %s, want %s %s", part.FSType, part.FSUUID, c.kind, want)
			}
			if again := look(); again.Content != before.Content {
				t.Errorf("a second look = %+v, want %+v", again.Content, before.Content)
			}
			if c.kind == "swap" {
				return // what is swapped is no content
			}
			c.write(t, path)
			if after := look(); after.Content.Signature == before.Content.Signature {
				t.Errorf("signature after a file was written = %s, as before", after.Content.Signature)
			}
		})
	}
}

// The instance that this ends: a disk of 1 TiB with an intact ext4, whose head and tail were zeroed, was "blank".
func TestBackupSuperblocksAreNotBlank(t *testing.T) {
	t.Parallel()
	const size = 1 << 40
	for name, argv := range map[string][]string{
		"ext4":  {"mkfs.ext4", "-q", "-F"},
		"xfs":   {"mkfs.xfs", "-q"},
		"btrfs": {"mkfs.btrfs", "-q"},
	} {
		for where, at := range map[string]int64{"on the disk": 0, "in a partition": mib} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				path := image(t, size-2*at)
				run(t, "", append(argv, path)...)
				got := facts.ReadContent(layered{file: open(t, path), at: at, end: size - at, size: size, zeroed: 16 * mib}, size)
				if got.Blank || got.Signature == "" {
					t.Errorf("ReadContent(%s with zeroed edges) = %+v, want a signature", name, got)
				}
			})
		}
	}
}

// gptWith are the bytes of a GPT with one partition at a place.
func gptWith(size, at, length int64) map[int64]byte {
	return gptBytesAt(size, 512, []extent{{at, length}})
}
