package runs

import (
	"maps"
	"slices"
	"time"
)

// Work is what a Workload with spec.run asks for, resolved from one commit.
type Work struct {
	Workload string
	Commit   string // that the Work comes from
	// Replicas is how many machines are claimed at most; MatchLabels and When select them among the free ones.
	Replicas    int
	MatchLabels map[string]string
	When        string // CEL; "" selects by labels alone
	Priority    int    // between Workloads that want the same machine: the higher goes first
	Paused      bool   // nothing is started

	// Batch names the batch: the digest of everything below that decides what a run computes, and of spec.run.batch.
	Batch string
	Text  string // spec.run.batch
	// Script is the executable file of the commit, and Path its path. Kernel or ISO stands in their place; nil for a script.
	Script []byte
	Path   string
	Kernel *Kernel
	ISO    *Fetched
	// EndsWithOff is set where a run of a kernel or an ISO ends when its machine goes off.
	EndsWithOff bool
	Args        map[string]any
	// Items are the arguments of the single runs, each merged over Args. Without items every run has the same arguments.
	Items []map[string]any
	// Completions is how many items must succeed, at least 1.
	Completions int
	Deadline    time.Duration // of one run, from the job taken
	Retries     int           // of one item after failures of the job itself
	// StopAfter is the number of failed items after which the batch starts no more; 0: never.
	StopAfter int
	Keeps     bool // the claims stay after the end of the batch
	Results   Limits
	Keep      Keep // of ended batches
}

// BeginRun is the run of a commit as it begins on a machine.
func (w Work) BeginRun(next Run, commit string) UnderWay {
	run := UnderWay{Run: next, Commit: commit}
	if w.BootsOwn() {
		run.Booted = &Booted{Deadline: w.Deadline, EndsWithOff: w.EndsWithOff}
	}
	return run
}

// BootsOwn reports whether a run boots something of one's own in place of the ramdisk of ingot.
func (w Work) BootsOwn() bool { return w.Kernel != nil || w.ISO != nil }

// Form names for people what is run.
func (w Work) Form() string {
	switch {
	case w.Kernel != nil:
		return "kernel"
	case w.ISO != nil:
		return "ISO"
	default:
		return "script"
	}
}

// BootFiles lists the files that the mirror must hold before a machine boots for a run; none for a script.
func (w Work) BootFiles() []Fetched {
	switch {
	case w.Kernel != nil:
		return w.Kernel.Fetches()
	case w.ISO != nil:
		return []Fetched{*w.ISO}
	default:
		return nil
	}
}

// Fetches reports whether the mirror must hold a file with this digest for the runs; false for nil.
func (w *Work) Fetches(sha256 string) bool {
	return w != nil && slices.ContainsFunc(w.BootFiles(), func(f Fetched) bool { return f.SHA256 == sha256 })
}

// Count is the number of items of the batch.
func (w Work) Count() int {
	if len(w.Items) > 0 {
		return len(w.Items)
	}
	return w.Completions
}

// Arguments are the arguments of one run: those of its item over those of all.
func (w Work) Arguments(item int) map[string]any {
	args := maps.Clone(w.Args)
	if item < 0 || item >= len(w.Items) {
		return args
	}
	if args == nil {
		args = map[string]any{}
	}
	maps.Copy(args, w.Items[item])
	return args
}
