package results

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
)

// Summary is an ended run without its files.
type Summary struct {
	runs.Run
	OK     bool
	Orphan bool
	Bytes  int64
	Files  int
	Ended  time.Time
}

func summarize(m runs.Manifest) Summary {
	return Summary{Run: m.Run, OK: m.OK(), Orphan: m.Orphan != "", Bytes: m.Bytes, Files: len(m.Files), Ended: m.Ended.Ended}
}

// Sweep removes runs of batches that have ended: those over the age, then the oldest while the store, or what their
// Workload left, is over its size. The files of a removed run stay for an hour, and longer while another run has the same
// bytes.
func (s *Store) Sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sweepLocked(s.options.Keep.Size)
}

// sweepLocked sweeps down to a size of what runs name, 0 for any size. The caller holds the lock.
func (s *Store) sweepLocked(size int64) error {
	if len(s.bad) > 0 { // a run that cannot be read may name any file
		id := slices.Min(slices.Collect(maps.Keys(s.bad)))
		return fmt.Errorf("nothing is swept while a run cannot be read: mend or remove %s, and restart: %w", s.runFile(id), s.bad[id])
	}
	now := s.options.Now()
	named, err := s.countNames()
	if err != nil {
		return err
	}
	old := s.listOld()
	left := map[string]int64{} // bytes that the runs of each Workload name
	for _, run := range old {
		left[run.Workload] += run.Bytes
	}
	kept := named.bytes()
	var failed error
	for _, run := range old {
		lowered := s.options.KeepOf(run.Workload)
		aged := isOver(now.Sub(run.Ended), s.options.Keep.Age, lowered.Age)
		if !aged && !isOver(kept, size) && !isOver(left[run.Workload], lowered.Size) {
			continue
		}
		m, err := s.removeRun(run.ID)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		kept -= named.drop(m.Files)
		left[run.Workload] -= run.Bytes
	}
	s.abandonOpen(now, named)
	return errors.Join(failed, s.removeBlobs(named))
}

// isOver reports whether a value is over one of the bounds; 0 is no bound.
func isOver[N int64 | time.Duration](value N, bounds ...N) bool {
	return slices.ContainsFunc(bounds, func(bound N) bool { return bound > 0 && value > bound })
}

// listOld lists the ended runs of batches that have ended, the oldest first.
func (s *Store) listOld() (old []Summary) {
	for _, run := range s.ended {
		if !s.options.Running(run.Workload, run.Batch) {
			old = append(old, run)
		}
	}
	slices.SortFunc(old, func(a, b Summary) int { return a.Ended.Compare(b.Ended) })
	return old
}

// names counts how often the runs name each file, by digest.
type names map[string]*name

type name struct {
	times int
	size  int64
}

func (n names) add(files []runs.File) {
	for _, file := range files {
		if n[file.SHA256] == nil {
			n[file.SHA256] = &name{size: file.Size}
		}
		n[file.SHA256].times++
	}
}

// drop takes the files of a run out, and gives the bytes that no run names any more.
func (n names) drop(files []runs.File) (bytes int64) {
	for _, file := range files {
		if known := n[file.SHA256]; known != nil {
			if known.times--; known.times == 0 {
				bytes += known.size
				delete(n, file.SHA256)
			}
		}
	}
	return bytes
}

func (n names) bytes() (total int64) {
	for _, known := range n {
		total += known.size
	}
	return total
}

// countNames reads which files the runs name.
func (s *Store) countNames() (names, error) {
	named := names{}
	for id := range s.ended {
		m, err := s.readManifest(id)
		if err != nil {
			return nil, err
		}
		named.add(m.Files)
	}
	for _, r := range s.open {
		named.add(r.listFiles())
	}
	return named, nil
}

// removeRun removes an ended run, and gives its manifest. Its blobs count as named until now.
func (s *Store) removeRun(id string) (runs.Manifest, error) {
	m, err := s.readManifest(id)
	if err != nil {
		return m, err
	}
	s.touchBlobs(m.Files)
	if err := os.RemoveAll(s.runFile(id)); err != nil {
		return m, fmt.Errorf("sweep run %s: %w", id, err)
	}
	delete(s.ended, id)
	return m, nil
}

// touchBlobs notes that files were named until now.
func (s *Store) touchBlobs(files []runs.File) {
	now := s.options.Now()
	for _, file := range files {
		if digest.MatchString(file.SHA256) {
			_ = os.Chtimes(s.blobFile(file.SHA256), now, now) // a lost blob needs no time
		}
	}
}

// abandonOpen removes open runs of batches that ended long ago: their machines are not waited for any more.
func (s *Store) abandonOpen(now time.Time, named names) {
	for id, r := range s.open {
		aged := isOver(now.Sub(r.Begun), s.options.Keep.Age, s.options.KeepOf(r.Run.Workload).Age)
		if !aged || s.options.Running(r.Run.Workload, r.Run.Batch) || r.isBusy() {
			continue
		}
		s.touchBlobs(r.listFiles())
		if err := os.RemoveAll(s.runFile(id)); err != nil {
			s.options.Log.Error("sweep an open run", "run", id, "error", err)
			continue
		}
		for _, p := range r.parts {
			s.used.Add(-p.at.Load())
		}
		named.drop(r.listFiles())
		delete(s.open, id)
	}
}

func (r *openRun) isBusy() bool {
	for _, p := range r.parts {
		if p.busy != nil {
			return true
		}
	}
	return false
}

// readManifest reads the manifest of an ended run.
func (s *Store) readManifest(id string) (m runs.Manifest, err error) {
	if err := readDocument(s.runFile(id, "manifest.json"), &m); err != nil {
		return runs.Manifest{}, fmt.Errorf("read the manifest of run %s: %w", id, err)
	}
	return m, nil
}

// Manifest gives the manifest of an ended run. An error is ErrUnknown for a run that the store does not have, and for
// one that has not ended.
func (s *Store) Manifest(id string) (runs.Manifest, error) {
	s.mu.Lock()
	_, ended := s.ended[id]
	bad := s.bad[id]
	s.mu.Unlock()
	switch {
	case ended:
		return s.readManifest(id)
	case bad != nil:
		return runs.Manifest{}, fmt.Errorf("run %s: %w", id, bad)
	default:
		return runs.Manifest{}, fmt.Errorf("run %s: %w", id, ErrUnknown)
	}
}

// FindRun gives a run that is open or has ended; false for an unknown one.
func (s *Store) FindRun(id string) (runs.Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.open[id]; r != nil {
		return r.Run, true
	}
	run, ended := s.ended[id]
	return run.Run, ended
}

// List gives the ended runs that want holds for, the newest first.
func (s *Store) List(want func(runs.Run) bool) (list []Summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, run := range s.ended {
		if want(run.Run) {
			list = append(list, run)
		}
	}
	slices.SortFunc(list, func(a, b Summary) int {
		if c := b.Ended.Compare(a.Ended); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// ListOpen lists the runs that have not ended and that want holds for, with what they have stored so far.
func (s *Store) ListOpen(want func(runs.Run) bool) (list []Summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.open {
		if !want(r.Run) {
			continue
		}
		run := Summary{Run: r.Run, Files: len(r.files)}
		for _, file := range r.files {
			run.Bytes += file.Size
		}
		list = append(list, run)
	}
	slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.ID, b.ID) })
	return list
}
