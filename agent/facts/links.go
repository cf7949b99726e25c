package facts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// linkDirs are the directories of the links that are the same in the ramdisk and in the installed system.
var linkDirs = []string{"/dev/disk/by-id", byPath}

const byPath = "/dev/disk/by-path"

// findLinks gives all links of a whole disk, sorted. Udev makes one link where several disks claim a name, as behind a
// SATA port multiplier (systemd issue 3943), and keeps each claim in its database: a claimed name of several disks is
// no link of any.
func (r Root) findLinks(name string) (links []string) {
	for _, dir := range linkDirs {
		for _, link := range r.listNames(dir) {
			target, err := os.Readlink(filepath.Join(string(r), dir, link))
			if err == nil && filepath.Base(target) == name && r.countClaims(dir+"/"+link) < 2 {
				links = append(links, dir+"/"+link)
			}
		}
	}
	slices.Sort(links)
	return links
}

// countClaims counts the disks that claim a link, by udev's database: a line S: with the link below /dev.
func (r Root) countClaims(link string) (claims int) {
	claim := "S:" + strings.TrimPrefix(link, "/dev/")
	for _, name := range r.listNames("sys/block") {
		for line := range strings.Lines(r.readText("run/udev/data", "b"+r.DeviceNumber(name))) {
			if strings.TrimSpace(line) == claim {
				claims++
				break
			}
		}
	}
	return claims
}

// preferPath gives the link of by-path that is reported as the disk's path: the shortest, and of equal lengths the
// first.
func preferPath(links []string) (best string) {
	for _, link := range links {
		if filepath.Dir(link) == byPath && (best == "" || len(link) < len(best)) {
			best = link
		}
	}
	return best
}
