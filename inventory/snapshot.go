package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/refs"
)

// Snapshot is the tree of one accepted commit: regular files only.
type Snapshot struct {
	Commit string // full hex object id
	Time   time.Time
	Author string
	Title  string // first line of the message
	Files  map[string]File
}

// File is one regular blob.
type File struct {
	Blob       string // hex object id
	Data       []byte
	Executable bool
}

// Sources is what the fleet asks for right now: the accepted trunk, and the release of every ring that follows tags, by the ring's name. A ring
// that follows the trunk has no entry.
type Sources struct {
	Trunk    Snapshot
	Releases map[string]Release
}

// Key tells sources apart: it holds the trunk's commit and every ring's release, with who signed it.
func (s Sources) Key() string {
	parts := make([]string, 0, len(s.Releases))
	for ring, release := range s.Releases {
		parts = append(parts, fmt.Sprintf("%s=%s=%s=%s=%q", ring, release.Tag, release.Snapshot.Commit, release.Trouble, release.Signatures))
	}
	slices.Sort(parts)
	return s.Trunk.Commit + " " + strings.Join(parts, " ")
}

// Release is the newest good tag of a ring.
type Release struct {
	Tag      string // "" while no tag of the ring's pattern can be used
	Snapshot Snapshot
	Trouble  string // what is wrong with the tags: one moved, one is not signed; the release is the last good one, and erases nothing
	// Signatures are those on the tag, as far as they were looked at; see Fleet.Countersigned.
	Signatures Signatures
}

// Butane is the source of an operating system's configuration, all of it from one commit.
type Butane struct {
	Path   string            // of the Butane file, in the fleet
	Source []byte            // its bytes
	Files  map[string][]byte // regular files it names as local, by path relative to the Butane file's directory
	// Executable are those of Files that are executable in the commit: Butane gives files of a tree the mode 0755 for it.
	Executable map[string]bool
	Vars       map[string]string // for ${vars.x}: only those that are used
	// Sealed is how many bytes each secret that is used has at most.
	Sealed map[refs.Secret]int
}
