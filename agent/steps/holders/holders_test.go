package holders_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/steps/holders"
)

// machine makes the files of a kernel: sda with sda1 and sda2, sdb and sdc. Each line is PATH=TEXT, or PATH/ for a directory.
func machine(t *testing.T, lines ...string) holders.System {
	t.Helper()
	root := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, number := range map[string]string{"sda": "8:0", "sda/sda1": "8:1", "sda/sda2": "8:2", "sdb": "8:16", "sdc": "8:32"} {
		write("sys/block/"+name+"/dev", number)
		link(t, root, name)
	}
	for _, line := range lines {
		path, text, _ := strings.Cut(line, "=")
		write(path, text)
		if name, _, is := strings.Cut(strings.TrimPrefix(path, "sys/block/"), "/dev"); is && !strings.Contains(name, "/slaves") && !strings.Contains(name, "/holders") {
			link(t, root, name)
		}
	}
	return holders.System(root)
}

func link(t *testing.T, root, name string) {
	t.Helper()
	class := filepath.Join(root, "sys/class/block", filepath.Base(name))
	if err := os.MkdirAll(filepath.Dir(class), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "sys/block", name), class); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

// above are the lines for a device that is made of members.
func above(name, number string, members ...string) (lines []string) {
	lines = append(lines, "sys/block/"+name+"/dev="+number)
	for _, member := range members {
		whole := "sys/block/" + member
		if strings.HasPrefix(member, "sda") && member != "sda" {
			whole = "sys/block/sda/" + member
		}
		lines = append(lines, "sys/block/"+name+"/slaves/"+filepath.Base(member)+"=", whole+"/holders/"+name+"=")
	}
	return lines
}

func mounts(lines ...string) string {
	return "proc/self/mountinfo=" + strings.Join(lines, "\n") + "\n"
}

// Holders are found from the top to the bottom, and refused where one is of a kind that cannot be stopped, or has a member that
// is not erased.
func TestFind(t *testing.T) {
	t.Parallel()
	const home = "253:0"
	for name, c := range map[string]struct {
		lines [][]string
		disks string
		want  []string
		why   string
	}{
		"nothing holds it": {disks: "sda"},
		"a mount":          {lines: [][]string{{mounts(`30 1 8:1 / /mnt/a\040b rw - ext4 /dev/sda1 rw`)}}, disks: "sda", want: []string{"mount /mnt/a b"}},
		"two mounts, the inner first": {lines: [][]string{{mounts("30 1 8:1 / /mnt rw - ext4 /dev/sda1 rw", "31 30 8:2 / /mnt/in rw - ext4 /dev/sda2 rw",
			"32 1 8:1 / /again rw - ext4 /dev/sda1 rw")}}, disks: "sda", want: []string{"mount /again", "mount /mnt/in", "mount /mnt"}},
		"the running system":      {lines: [][]string{{mounts("30 1 8:1 / / rw - ext4 /dev/sda1 rw")}}, disks: "sda", why: "sda1 is held by the running system"},
		"swap":                    {lines: [][]string{{"proc/swaps=Filename Type\n/dev/sda2 partition 1 0 -2\n"}}, disks: "sda", want: []string{"swap /dev/sda2"}},
		"an array over both":      {lines: [][]string{above("md127", "9:127", "sda1", "sdb")}, disks: "sda sdb", want: []string{"md md127"}},
		"an array over a foreign": {lines: [][]string{above("md127", "9:127", "sda1", "sdb")}, disks: "sda", why: "md127 has the member sdb on a disk that is not erased: sdb"},
		"an array of a kind":      {lines: [][]string{above("bcache0", "252:0", "sdb")}, disks: "sdb", why: "sdb is held by bcache0, which cannot be stopped here"},
		"LVM over an array, with swap and a mount": {lines: [][]string{above("md127", "9:127", "sda", "sdb"), above("dm-0", home, "md127"), above("dm-1", "253:1", "md127"),
			{"sys/block/dm-0/dm/name=vg-home", "sys/block/dm-1/dm/name=vg-swap", mounts("30 1 253:0 / /home rw - xfs /dev/mapper/vg-home rw"), "proc/swaps=Filename\n/dev/mapper/vg-swap partition\n"}},
			disks: "sda sdb", want: []string{"mount /home", "dm dm-0", "swap /dev/mapper/vg-swap", "dm dm-1", "md md127"}},
		"LVM over a foreign disk, far above": {lines: [][]string{above("dm-0", home, "sda"), above("dm-1", "253:1", "dm-0", "sdc")}, disks: "sda sdb", why: "dm-1 () has the member sdc on a disk that is not erased: sdc"},
		"a partition of an array, of which one is foreign": {lines: [][]string{above("md127", "9:127", "sda", "sdb"), {"sys/block/md127/md127p1/dev=259:1"},
			{"sys/block/dm-0/dev=253:0", "sys/block/dm-0/slaves/md127p1=", "sys/block/dm-0/slaves/sdc=", "sys/block/sdc/holders/dm-0="}}, disks: "sdc", why: "has the member md127p1 on a disk that is not erased: sda"},
		"multipath over both paths": {lines: [][]string{above("dm-0", home, "sda", "sdb")}, disks: "sda sdb", want: []string{"dm dm-0"}},
		"multipath over one path":   {lines: [][]string{above("dm-0", home, "sda", "sdb")}, disks: "sdb", why: "dm-0 () has the member sda"},
		"members are not known":     {lines: [][]string{{"sys/block/md1/dev=9:1", "sys/block/sda/holders/md1="}}, disks: "sda", why: "its members are not known"},
		"btrfs over both":           {lines: [][]string{{"sys/fs/btrfs/u/devices/sda1=", "sys/fs/btrfs/u/devices/sdb=", mounts("30 1 0:40 / /data rw - btrfs /dev/sda1 rw")}}, disks: "sda sdb", want: []string{"mount /data"}},
		"btrfs over a foreign":      {lines: [][]string{{"sys/fs/btrfs/u/devices/sda1=", "sys/fs/btrfs/u/devices/sdb=", mounts("30 1 0:40 / /data rw - btrfs /dev/sda1 rw")}}, disks: "sda", why: "the mount /data has the member sdb"},
		"a log of its own":          {lines: [][]string{{mounts("30 1 8:1 / /data rw - xfs /dev/sda1 rw,logdev=/dev/sdb")}}, disks: "sda", why: "has a device of its own for its log"},
		"a mount of another disk":   {lines: [][]string{{mounts("30 1 8:16 / /data rw - xfs /dev/sdb rw")}}, disks: "sda"},
	} {
		var lines []string
		for _, more := range c.lines {
			lines = append(lines, more...)
		}
		var paths, got []string
		for disk := range strings.FieldsSeq(c.disks) {
			paths = append(paths, "/dev/"+disk)
		}
		found, err := machine(t, lines...).Find(paths)
		for _, h := range found {
			got = append(got, string(h.Kind)+" "+h.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q (-want +got):\n%s", name, err, c.why, diff)
		}
	}
}

// An array is stopped by its state; what cannot be stopped is an error, and nothing behind it is touched.
func TestClaim(t *testing.T) {
	t.Parallel()
	s := machine(t, append(above("md127", "9:127", "sda", "sdb"), "sys/block/md127/md/array_state=active", "dev/sda=", "dev/sdb=")...)
	paths := []string{filepath.Join(string(s), "dev/sda"), filepath.Join(string(s), "dev/sdb")}
	found, err := s.Find(paths)
	if err != nil {
		t.Fatal(err)
	}
	release, err := s.Claim(paths, found)
	release()
	state, _ := os.ReadFile(filepath.Join(string(s), "sys/block/md127/md/array_state"))
	if err != nil || !strings.HasPrefix(string(state), "clear") {
		t.Errorf("Claim() = %v, array_state %q", err, state)
	}
	lost := append([]holders.Holder{{Kind: holders.Array, Name: "md9", Title: "md9"}}, found...)
	if release, err = s.Claim(paths, lost); err == nil || !strings.Contains(err.Error(), "stop md9: ") {
		t.Errorf("Claim() = %v", err)
	}
	release()
}

// What is stopped holds no disk any more; all else does.
func TestBesides(t *testing.T) {
	t.Parallel()
	stops := []holders.Holder{{Kind: holders.Array, Name: "md127"}, {Kind: holders.Swap, Name: "/dev/sda2"}, {Kind: holders.Mount, Name: "/mnt"}}
	got := holders.Besides([]string{"md127", "another machine's reservation", "swap", "/mnt", "/data"}, stops)
	if diff := cmp.Diff([]string{"another machine's reservation", "/data"}, got); diff != "" {
		t.Error(diff)
	}
}
