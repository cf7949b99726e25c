// Package results keeps what ephemeral runs leave: files by their digest, and one manifest for each ended run, in a
// directory of the daemon's configuration.
//
// Open opens the directory. Begin names a run and what it may leave, before its machine boots; Put stores a file of the
// run, whole or from a byte on; Finish ends the run and gives its manifest; GiveUp ends a run whose result does not
// count any more. Sweep removes old runs. Every file is written beside its place and renamed, so that nobody reads half
// a file, and is on the disk before a call that stored it returns. Do not open one directory twice.
//
//	blobs/<2 hex>/<sha256>     a file, whole and verified
//	runs/<id>/run.json         the run, its limits, and when it began
//	runs/<id>/manifest.json    how it ended; an ended run has nothing else
//	runs/<id>/files/<name>.json, .part   a stored file of an open run, and one on its way; <name> is a digest of the name
package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Options of a Store.
type Options struct {
	Keep runs.Keep
	// KeepOf gives what a Workload asks to be kept of its ended batches; it lowers Keep. Default: nothing is lowered.
	KeepOf func(workload string) runs.Keep
	// Running reports whether a batch of a workload may still go on: nothing of such a batch is swept. Default: every
	// batch may.
	Running func(workload, batch string) bool
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default: nothing
}

// Errors of a call that names a run or a file.
var (
	// ErrUnknown says that the store has no such run, or no such file.
	ErrUnknown = errors.New("the store of results does not know it")
	// ErrEnded says that the run has ended or was given up: it gets no further file.
	ErrEnded = errors.New("the run has ended")
	// ErrLimit says that a file is over a limit of the Workload.
	ErrLimit = errors.New("over a limit of the Workload")
	// ErrName says that a name is no name of a result file, or none that the Workload keeps.
	ErrName = errors.New("not a name of a result file")
	// ErrFull says that the disk, or the store's own size, has no room.
	ErrFull = errors.New("the store of results is full")
)

// Store is an open directory. The methods are safe for concurrent use.
type Store struct {
	dir     string
	options Options
	used    atomic.Int64 // bytes of all blobs and parts

	mu    sync.Mutex
	open  map[string]*openRun
	ended map[string]Summary // without the files
	bad   map[string]error   // runs whose manifest cannot be read
	swept time.Time          // the last sweep for an upload that found no room
}

// openRun is a run that may get files.
type openRun struct {
	begun
	files map[string]runs.File // stored, by name
	parts map[string]*part     // on their way, by name
	heard time.Time            // of the last upload
}

// begun is run.json.
type begun struct {
	Run    runs.Run    `json:"run"`
	Limits runs.Limits `json:"limits"`
	Begun  time.Time   `json:"begun"`
	Ready  time.Time   `json:"ready,omitzero"` // what the machine runs said that it is up
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Open opens a directory, and makes it if it is not there.
func Open(dir string, options Options) (*Store, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Running == nil {
		options.Running = func(string, string) bool { return true }
	}
	if options.KeepOf == nil {
		options.KeepOf = func(string) runs.Keep { return runs.Keep{} }
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, options: options, open: map[string]*openRun{}, ended: map[string]Summary{}, bad: map[string]error{}}
	for _, sub := range []string{"runs", "blobs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("results.dir: %w: name a directory that the daemon's user may write", err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "runs"))
	if err != nil {
		return nil, fmt.Errorf("results.dir: %w", err)
	}
	for _, entry := range entries {
		if err := s.load(entry.Name()); err != nil {
			s.bad[entry.Name()] = err
			options.Log.Error("a run in results.dir cannot be read: nothing of it is swept", "run", entry.Name(), "error", err)
		}
	}
	return s, s.countBytes()
}

// load reads one run.
func (s *Store) load(id string) error {
	if err := runs.CheckID(id); err != nil {
		return err
	}
	var m runs.Manifest
	err := readDocument(s.runFile(id, "manifest.json"), &m)
	switch {
	case err == nil:
		s.ended[id] = summarize(m)
		return os.RemoveAll(s.runFile(id, "files")) // the daemon was killed right after the manifest
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	r := &openRun{files: map[string]runs.File{}, parts: map[string]*part{}}
	err = readDocument(s.runFile(id, "run.json"), &r.begun)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(s.runFile(id, "")) // the daemon was killed while it began or swept the run
	}
	if err == nil {
		err = s.loadFiles(id, r)
	}
	if err == nil {
		s.open[id] = r
	}
	return err
}

// loadFiles reads the files of an open run. A part of an upload without a known size is dropped: nobody resumes it.
func (s *Store) loadFiles(id string, r *openRun) error {
	entries, err := os.ReadDir(s.runFile(id, "files"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	known := map[string]bool{}
	for _, entry := range entries {
		var record fileRecord
		stem, isRecord := strings.CutSuffix(entry.Name(), ".json")
		if !isRecord {
			continue
		}
		if err := readDocument(s.runFile(id, "files", entry.Name()), &record); err != nil {
			return err
		}
		if record.SHA256 != "" {
			r.files[record.Name] = record.File
			continue
		}
		info, err := os.Stat(s.runFile(id, "files", stem+".part"))
		if err != nil {
			continue
		}
		p := &part{stem: stem, size: record.Size}
		p.at.Store(info.Size())
		r.parts[record.Name], known[stem+".part"] = p, true
	}
	for _, entry := range entries {
		if !known[entry.Name()] && !strings.HasSuffix(entry.Name(), ".json") {
			err = errors.Join(err, os.Remove(s.runFile(id, "files", entry.Name())))
		}
	}
	return err
}

// Bytes gives the bytes of all files of the store, with those on their way.
func (s *Store) Bytes() int64 { return s.used.Load() }

// listFiles lists the stored files of a run, sorted by name.
func (r *openRun) listFiles() (files []runs.File) {
	for _, file := range r.files {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b runs.File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// Begin lets a run leave files until it ends. A repeated call changes nothing, also after the run has ended.
func (s *Store) Begin(run runs.Run, limits runs.Limits) error {
	if err := errors.Join(runs.CheckID(run.ID), runs.CheckID(run.Workload), runs.CheckID(run.Batch)); err != nil {
		return fmt.Errorf("begin run %q of %s: %w", run.ID, run.Workload, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ended := s.ended[run.ID]; ended || s.open[run.ID] != nil {
		return nil
	}
	if err := s.bad[run.ID]; err != nil {
		return fmt.Errorf("begin run %s: %w", run.ID, err)
	}
	r := &openRun{begun: begun{Run: run, Limits: limits, Begun: s.options.Now()}, files: map[string]runs.File{},
		parts: map[string]*part{}}
	if err := writeDocument(s.runFile(run.ID, "run.json"), r.begun); err != nil {
		return fmt.Errorf("begin run %s in results.dir: %w", run.ID, err)
	}
	s.open[run.ID] = r
	return nil
}

// SetReady notes that what the machine of an open run runs is up. The first call stands.
func (s *Store) SetReady(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.open[id]
	if r == nil {
		return s.whyClosed(id)
	}
	if !r.Ready.IsZero() {
		return nil
	}
	next := r.begun
	next.Ready = s.options.Now().UTC()
	if err := writeDocument(s.runFile(id, "run.json"), next); err != nil {
		return fmt.Errorf("note in results.dir that run %s is ready: %w", id, err)
	}
	r.begun = next
	return nil
}

// Ready gives when an open run said that it is up; the zero time before, and after the run has ended.
func (s *Store) Ready(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.open[id]; r != nil {
		return r.Ready
	}
	return time.Time{}
}

// Heard gives when an open run last began to store a file since this Store was opened, or said that it is up; the zero time
// before, and after the run has ended.
func (s *Store) Heard(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.open[id]
	if r == nil {
		return time.Time{}
	}
	if r.heard.After(r.Ready) {
		return r.heard
	}
	return r.Ready
}

// Finish ends a run, and gives its manifest. The first end stands: a later call gives the manifest that is there. Files
// of ended that are not stored with the same digest make the run fail; so do files that the limits require.
func (s *Store) Finish(id string, ended runs.Ended) (runs.Manifest, error) {
	return s.end(id, func(r *openRun) runs.Manifest {
		m := runs.Manifest{Run: r.Run, Ended: ended, Unknown: r.Unknown}
		m.Error = firstOf(m.Error, whyUnstored(r, ended.Files), whyMissing(r))
		return m
	})
}

// GiveUp ends a run whose result shall not count any more. What was stored is kept, as an orphan.
func (s *Store) GiveUp(id, why string) (runs.Manifest, error) {
	return s.end(id, func(r *openRun) runs.Manifest {
		return runs.Manifest{Run: r.Run, Ended: runs.Ended{Exit: -1}, Orphan: why, Unknown: r.Unknown}
	})
}

// end writes the manifest of an open run.
func (s *Store) end(id string, describe func(*openRun) runs.Manifest) (runs.Manifest, error) {
	s.stopUploads(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ended := s.ended[id]; ended {
		return s.readManifest(id)
	}
	r := s.open[id]
	if r == nil {
		return runs.Manifest{}, fmt.Errorf("run %s: %w", id, ErrUnknown)
	}
	m := describe(r)
	m.Files, m.Bytes = r.listFiles(), 0
	for _, file := range m.Files {
		m.Bytes += file.Size
	}
	if m.Ended.Ended.IsZero() {
		m.Ended.Ended = s.options.Now().UTC()
	}
	if m.Began.IsZero() {
		m.Began = r.Begun.UTC()
	}
	if len(m.Output) > runs.MaxOutput {
		m.Output = m.Output[:runs.MaxOutput]
	}
	m.Output = strings.ToValidUTF8(m.Output, "")
	if err := writeDocument(s.runFile(id, "manifest.json"), m); err != nil {
		return runs.Manifest{}, fmt.Errorf("end run %s in results.dir: %w", id, err)
	}
	s.ended[id] = summarize(m)
	delete(s.open, id)
	for _, p := range r.parts {
		s.used.Add(-p.at.Load())
	}
	return m, os.RemoveAll(s.runFile(id, "files")) // the manifest has the files
}

// whyUnstored says which file was named and is not stored as it was named.
func whyUnstored(r *openRun, named []runs.File) string {
	for _, file := range named {
		if stored := r.files[file.Name]; stored.SHA256 != file.SHA256 || stored.Size != file.Size {
			return fmt.Sprintf("the file %s was not stored as the run left it", file.Name)
		}
	}
	return ""
}

// whyMissing says which required files were not stored.
func whyMissing(r *openRun) string {
	if missing := r.Limits.Missing(r.listFiles()); len(missing) > 0 {
		return fmt.Sprintf("no file matches %s of results.files, and results.required is set", strings.Join(missing, ", "))
	}
	return ""
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// runFile is the path of a file of a run.
func (s *Store) runFile(id string, parts ...string) string {
	return filepath.Join(append([]string{s.dir, "runs", id}, parts...)...)
}

// stemOf is the name of the files that stand for a file of a run.
func stemOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// countBytes counts what the store holds.
func (s *Store) countBytes() error {
	var total int64
	err := filepath.WalkDir(s.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(entry.Name(), ".json") {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	s.used.Store(total)
	if err != nil {
		return fmt.Errorf("results.dir: %w", err)
	}
	return nil
}
