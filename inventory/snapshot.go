package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/refs"
)

// Snapshot is the fleet's tree in one accepted commit: regular files only, by their paths in the fleet.
type Snapshot struct {
	Commit string // full hex object id
	Path   string // the fleet's directory in the repository; "" for the whole repository
	Time   time.Time
	Author string
	Title  string // first line of the message
	Files  map[string]File
	// Shared are the files of the directories that the Fleet shares and that are outside of Path, by their paths in the
	// repository.
	Shared map[string]File
}

// File is one regular blob.
type File struct {
	Blob       string // hex object id
	Data       []byte
	Executable bool
}

// Sources is what the fleet asks for now: the accepted trunk, and the release of every ring that follows tags, by the
// ring's name. A ring that runs the trunk has no entry.
type Sources struct {
	Trunk    Snapshot
	Releases map[string]Release
}

// Key distinguishes sources: the trunk's commit and every ring's release, with its signers.
func (s Sources) Key() string {
	parts := make([]string, 0, len(s.Releases))
	for ring, release := range s.Releases {
		parts = append(parts, fmt.Sprintf("%s=%s=%s=%s=%q", ring, release.Tag, release.Snapshot.Commit, release.Trouble,
			release.Signatures))
	}
	slices.Sort(parts)
	return s.Trunk.Commit + " " + strings.Join(parts, " ")
}

// Release is the newest good tag of a ring.
type Release struct {
	Tag      string // "" without a usable tag of the ring's pattern
	Snapshot Snapshot
	// trouble with tags, such as a moved or an unsigned tag; the release is then the last good one, and erases nothing
	Trouble string
	// Signatures are the signatures on the tag, as far as they were verified; see Fleet.Countersigned.
	Signatures Signatures
}

// Butane is the source of an operating system's configuration, from one commit.
type Butane struct {
	Path   string // path of the Butane file in the fleet
	Source []byte // bytes of the Butane file
	// Files are the local files of the config, by path relative to the Butane file's directory. The path of a shared file
	// begins with ../.
	Files map[string][]byte
	// Executable are those of Files with the executable bit in the commit: Butane gives such files of a tree the mode
	// 0755.
	Executable map[string]bool
	Vars       map[string]string // values of ${vars.x}, used vars only
	Ignition   string            // the newest specification that the image reads; "" for the default
	// Sealed is the most bytes of each used secret.
	Sealed map[refs.Secret]int
	Binary map[refs.Secret]bool // the used secrets whose values are bytes, which are given as base64
}
