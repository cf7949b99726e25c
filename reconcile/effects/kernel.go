package effects

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/gitmetal/ingot/boot/authenticode"
	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/boot/runfiles"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Runs takes what runs without an agent say over HTTP.
type Runs interface {
	// Begin lets a run leave files until it ends; a repeated call changes nothing.
	Begin(run runs.Run, limits runs.Limits) error
	// Finish ends a run that ended well or not; files that it must leave and did not make it fail. The first end stands.
	Finish(id string, ended runs.Ended) error
	// GiveUp ends a run whose result shall not count any more; a run that has ended stays as it is.
	GiveUp(id, why string) error
	// Report is what a run said so far; zero for a run that is not known.
	Report(id string) (runs.Report, error)
	// Access is where a run uploads below a URL of the agents' API, and its token.
	Access(id string) (path, token string)
}

// bootsKernel reports whether the boot of a record is that of a kernel or an ISO of one's own.
func bootsKernel(record inventory.Record) bool {
	return bootsRamdisk(record) && record.Run != nil && record.Run.Booted != nil
}

// serveKernel serves the medium of a kernel, or an ISO as it is, and lets its run leave files. A run that is over can
// leave nothing more. The medium of a run whose Workload is gone starts nothing.
func (e *Effects) serveKernel(desired inventory.Desired, record inventory.Record) error {
	run := *record.Run
	if e.config.Runs == nil {
		return errors.New("the results of runs are not kept: this is a bug in ingot")
	}
	known := desired.Run != nil && desired.Run.BootsOwn() && desired.Run.Batch == run.Batch
	if err := e.admitResults(desired, record); err != nil {
		return err
	}
	key := mediumKey(record)
	switch {
	case e.config.Media.Published(key):
		return nil
	case run.IsOver() || !known:
		return e.config.Media.PublishEmpty(key)
	}
	if desired.Run.ISO != nil {
		part, err := e.openPart(*desired.Run.ISO)
		if err == nil {
			e.config.Media.PublishISO(key, part)
		}
		return err
	}
	medium, err := e.buildMedium(desired, run.Run)
	if err != nil {
		return err
	}
	return e.config.Media.PublishKernel(key, medium)
}

// admitResults lets a run leave files, or, when the run is over, no more.
func (e *Effects) admitResults(desired inventory.Desired, record inventory.Record) error {
	run := record.Run.Run
	if !record.Run.IsOver() {
		limits := runs.Limits{MaxSize: runs.DefaultMaxSize, MaxFiles: runs.DefaultMaxFiles}
		if run.Boot = record.Boot.ID; desired.Run != nil && desired.Run.Batch == run.Batch {
			limits = desired.Run.Results
		}
		return e.config.Runs.Begin(run, limits)
	}
	said, err := e.config.Runs.Report(run.ID)
	if err != nil || said.Ended != nil || said.Orphan != "" {
		return err
	}
	return e.config.Runs.GiveUp(run.ID, "the run is over")
}

// buildMedium is the medium of a run of a kernel.
func (e *Effects) buildMedium(desired inventory.Desired, run runs.Run) (m media.KernelMedium, err error) {
	files := e.describeRun(desired, run)
	if m.Files, err = files.Files(); err != nil {
		return m, err
	}
	m.Arguments = files.Arguments()
	if m.Kernel, err = e.openPart(desired.Run.Kernel.Kernel); err != nil {
		return m, err
	}
	for _, initrd := range desired.Run.Kernel.Initrds {
		part, err := e.openPart(initrd)
		if err != nil {
			return m, err
		}
		m.Initrds = append(m.Initrds, part)
	}
	return m, nil
}

func (e *Effects) describeRun(desired inventory.Desired, run runs.Run) runfiles.Run {
	path, token := e.config.Runs.Access(run.ID)
	return runfiles.Run{Run: run, Work: *desired.Run, Machine: desired, URL: e.config.URLs[0] + path, Token: secret.New(token),
		Pin: "sha256//" + e.config.Pin}
}

// openPart is a file of the mirror. The file is opened anew for each read, as nobody says when a medium is read last.
func (e *Effects) openPart(file runs.Fetched) (media.Part, error) {
	opened, size, err := e.config.Images.Open(file.SHA256)
	if err != nil {
		return media.Part{}, fmt.Errorf("a file of the run's medium is not in the mirror: %w", err)
	}
	part := media.Part{SHA256: file.SHA256, Size: size, Content: mirrored{e.config.Images, file.SHA256}}
	return part, opened.Close()
}

// mirrored reads a file of the mirror.
type mirrored struct {
	store  *images.Store
	sha256 string
}

// ReadAt implements io.ReaderAt.
func (m mirrored) ReadAt(p []byte, at int64) (n int, err error) {
	file, _, err := m.store.Open(m.sha256)
	if err != nil {
		return 0, err
	}
	if _, err = file.Seek(at, io.SeekStart); err == nil {
		n, err = io.ReadFull(file, p)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, errors.Join(err, file.Close())
}

// observeRun adds what was heard of a run without an agent, and what is known of its kernel before it begins.
func (e *Effects) observeRun(desired inventory.Desired, record inventory.Record, observed *inventory.Observed) {
	if run := record.Run; run != nil && run.Booted != nil && e.config.Runs != nil {
		report, err := e.config.Runs.Report(run.ID)
		if err != nil {
			observed.Agent.Unknown = "the daemon cannot tell what the run said: " + err.Error()
		}
		observed.Run = report
	}
	if desired.Run != nil && desired.Run.BootsOwn() && record.Run == nil && observed.Image.State == inventory.ImageReady {
		observed.Kernel = e.observeKernel(desired)
	}
}

// kernels remembers what was found in kernels and ISOs, by digest. A file of a digest does not change.
type kernels struct {
	mu    sync.Mutex
	known map[string]inventory.KernelState
}

// maxKernels bounds the memory; over the bound the memory starts afresh.
const maxKernels = 1000

func (k *kernels) remember(digest string, state inventory.KernelState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKernels {
		k.known = map[string]inventory.KernelState{}
	}
	k.known[digest] = state
}

// observeKernel reads who signed the kernel, and tries to make the files of the machine; or whether UEFI can start the ISO.
func (e *Effects) observeKernel(desired inventory.Desired) inventory.KernelState {
	digest := desired.Run.BootFiles()[0].SHA256
	e.kernels.mu.Lock()
	state, known := e.kernels.known[digest]
	e.kernels.mu.Unlock()
	if !known {
		if state = e.inspectBoot(desired, digest); state.Error == "" {
			e.kernels.remember(digest, state)
		}
	}
	if desired.Run.ISO != nil {
		return state
	}
	if _, err := e.describeRun(desired, runs.Run{ID: "none", Workload: desired.Run.Workload, Batch: desired.Run.Batch}).Files(); err != nil {
		state.Error = err.Error()
	}
	return state
}

func (e *Effects) inspectBoot(desired inventory.Desired, digest string) inventory.KernelState {
	if desired.Run.ISO == nil {
		return e.readSignatures(digest)
	}
	if err := media.CheckBootable(mirrored{e.config.Images, digest}); err != nil {
		return inventory.KernelState{Error: "the ISO cannot be started from UEFI: " + err.Error()}
	}
	return inventory.KernelState{}
}

func (e *Effects) readSignatures(digest string) inventory.KernelState {
	file, size, err := e.config.Images.Open(digest)
	if err != nil {
		return inventory.KernelState{Error: err.Error()}
	}
	defer file.Close()
	found, err := authenticode.Read(mirrored{e.config.Images, digest}, size)
	if err != nil {
		return inventory.KernelState{Error: "the kernel cannot be started from UEFI: " + err.Error()}
	}
	state := inventory.KernelState{Signers: found.Names()}
	shim, err := e.config.Media.Shim()
	if err != nil {
		state.Error = err.Error()
		return state
	}
	if trusted, err := authenticode.ReadShim(shim); err == nil { // a shim without a certificate trusts nobody
		state.Trusted = found.TrustedBy(trusted)
	}
	return state
}
