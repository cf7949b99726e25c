// Package runs is the vocabulary of ephemeral runs and of their results. The package is pure.
//
// A Run is one execution of one item of a batch on one machine. What the run leaves is its Manifest: how the run ended,
// and the files that were stored, each by its digest. Limits are what a Workload allows a run to leave. Call CheckName
// for every name of a file before the name becomes a path.
//
// A manifest in the store of results is proof that the run has ended: an item whose manifest says OK is never run
// again. A manifest with Orphan does not count: the run was given up before its result came.
package runs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/glob"
	"github.com/gitmetal/ingot/inventory/format"
)

// Run names one execution.
type Run struct {
	// ID names the run among all runs of a fleet, for ever: lower case letters, digits and dashes, see CheckID.
	ID       string `json:"id"`
	Workload string `json:"workload"`
	// Batch names the batch of the Workload: the same run inputs and the same spec.run.batch. It follows CheckID.
	Batch   string `json:"batch"`
	Item    int    `json:"item"`    // from 0
	Attempt int    `json:"attempt"` // of the item, from 1
	Machine string `json:"machine"` // machine id
	Boot    string `json:"boot,omitempty"`
}

// File is one stored file of a run.
type File struct {
	Name   string `json:"name"`   // see CheckName
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
}

// Ended is how a run ended, and what the run left.
type Ended struct {
	// Exit is the exit code that the run told; -1 where the run told none.
	Exit int `json:"exit"`
	// Error says why the run failed beside its exit code, such as a deadline or a file that is required and missing.
	Error string `json:"error,omitempty"`
	Files []File `json:"files,omitempty"` // sorted by name
	Bytes int64  `json:"bytes"`           // of all files
	// Output is the beginning of the run's output, masked, at most MaxOutput bytes.
	Output string    `json:"output,omitempty"`
	Began  time.Time `json:"began,omitzero"`
	Ended  time.Time `json:"ended,omitzero"`
}

// Manifest is the end of a run as the store of results keeps it.
type Manifest struct {
	Run
	Ended
	// Orphan says why the result does not count: the run was given up before the result came. "" for one that counts.
	Orphan string `json:"orphan,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// OK reports whether the run succeeded: it ended, it told exit code 0, what it had to leave is stored, and nobody gave it
// up.
func (m Manifest) OK() bool {
	return !m.Ended.Ended.IsZero() && m.Exit == 0 && m.Error == "" && m.Orphan == ""
}

// MaxOutput is the most bytes of Manifest.Output.
const MaxOutput = 4 << 10

// Limits are what a run may leave and must leave.
type Limits struct {
	// Files are the patterns of the files that are kept, see package glob; none keeps nothing of a script, and
	// everything that the machine of another form uploads.
	Files    []string `json:"files,omitempty"`
	MaxSize  int64    `json:"maxSize"`  // bytes of all files
	MaxFiles int      `json:"maxFiles"` // number of files
	// Required says that every pattern of Files must match at least one file.
	Required bool `json:"required,omitempty"`
}

// Keep bounds what is kept of batches that have ended. Zero means no bound.
type Keep struct {
	Age  time.Duration // of a run, from its end
	Size int64         // bytes of all files
}

// Defaults and bounds of Limits.
const (
	DefaultMaxSize  = 1 << 30
	DefaultMaxFiles = 1000
	MaxMaxFiles     = 10_000
)

// Missing lists the patterns that must match a file and match none.
func (l Limits) Missing(files []File) (missing []string) {
	if !l.Required {
		return nil
	}
	for _, pattern := range l.Files {
		matched := false
		for _, file := range files {
			matched = matched || glob.Match(pattern, file.Name)
		}
		if !matched {
			missing = append(missing, pattern)
		}
	}
	return missing
}

// Keeps reports whether the limits keep a file with a name.
func (l Limits) Keeps(name string) bool {
	for _, pattern := range l.Files {
		if glob.Match(pattern, name) {
			return true
		}
	}
	return len(l.Files) == 0
}

// MaxName is the most bytes of the name of a file.
const MaxName = glob.MaxName

// CheckName refuses a name that is no name of a result file: A-Z a-z 0-9 . _ - and /, at most MaxName bytes, no empty
// part, and no part . or .. .
func CheckName(name string) error { return glob.CheckName(name) }

// maxID is the most bytes of an id.
const maxID = 128

// CheckID refuses an id of a run, or of a batch, that could not be the name of a file everywhere.
func CheckID(id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("an id of %d bytes: 1 to %d", len(id), maxID)
	}
	if strings.HasPrefix(id, "-") {
		return errors.New("an id that begins with a dash")
	}
	for _, c := range id {
		if !isWordByte(c) {
			return fmt.Errorf("an id with the character %q: a-z 0-9 and - only", c)
		}
	}
	return nil
}

func isWordByte(c rune) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' }
