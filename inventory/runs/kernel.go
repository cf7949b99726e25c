package runs

import (
	"strconv"
	"time"
)

// Kernel is a kernel of one's own that the machine of a run boots in place of the ramdisk of ingot.
type Kernel struct {
	Kernel    Fetched
	Initrds   []Fetched // in their order
	Arguments []string  // of the kernel
	// Files come in an initrd of the machine's own, behind the others.
	Files []InitrdFile
	// HidesToken keeps the values of the run from the kernel's command line: they are in /ingot.env alone.
	HidesToken bool
}

// Fetched is a file that the mirror must hold before a machine boots.
type Fetched struct {
	URL    string // or a path in the mirror
	SHA256 string // 64 hex digits
}

// InitrdFile is a file of an initrd.
type InitrdFile struct {
	Path    string // absolute and clean
	Mode    uint32 // permission bits
	Content string // with references to vars of the machine
}

// Digests are what decides which kernel runs with what, for the digest of a batch: no URL is a part of them.
func (k Kernel) Digests() []string {
	all := []string{"kernel", k.Kernel.SHA256}
	for _, initrd := range k.Initrds {
		all = append(all, "initrd", initrd.SHA256)
	}
	for _, argument := range k.Arguments {
		all = append(all, "argument", argument)
	}
	for _, file := range k.Files {
		all = append(all, "file", file.Path, strconv.FormatUint(uint64(file.Mode), 8), file.Content)
	}
	return append(all, "hidden", strconv.FormatBool(k.HidesToken))
}

// Fetches lists the files that the mirror must hold.
func (k Kernel) Fetches() []Fetched { return append([]Fetched{k.Kernel}, k.Initrds...) }

// Report is what a run without an agent said over HTTP.
type Report struct {
	// Heard is when the run last stored a file or said something, as far as the daemon knows; zero before.
	Heard time.Time
	Ended *Ended // how the run said that it ended, without its files; nil before
	// Orphan says why the run was given up: what it says does not count any more. "" for one that was not.
	Orphan string
}

// Booted marks a run under way as one of a kernel or an ISO of one's own: no agent takes it up, and it ends by what it says
// over HTTP, or when its machine goes off.
type Booted struct {
	// Deadline is how long the run may take from the moment when what it boots was read.
	Deadline time.Duration `json:"deadline"`
	// EndsWithOff is set where the run ends well when its machine goes off. The medium is started once.
	EndsWithOff bool `json:"endsWithOff,omitempty" minReader:"11"`
}
