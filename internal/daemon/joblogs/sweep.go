package joblogs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// Keep bounds what is kept. Zero means the default.
type Keep struct {
	Age  time.Duration // of an operation's logs, from the last write; default 90 days
	Size int64         // bytes of all logs of all machines; default 4 GiB
}

// What is kept of one machine.
const (
	keptOperations = 20
	keptBundles    = 5                   // attempts with collected texts
	bundleAge      = 30 * 24 * time.Hour // of collected texts
)

// Defaults of Keep.
const (
	defaultAge  = 90 * 24 * time.Hour
	defaultSize = 4 << 30
)

// leftover is how old a file is that a killed daemon was writing.
const leftover = time.Hour

// Sweep removes what is over the bounds: of each machine, and then the oldest operations of all.
func (s *Store) Sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	machines, err := os.ReadDir(s.config.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep logs: %w", err)
	}
	type kept struct {
		dir  string
		at   time.Time
		size int64
	}
	var all []kept
	total := int64(0)
	var failures []error
	for _, machine := range machines {
		id := inventory.MachineID(machine.Name())
		failures = append(failures, s.sweepMachine(id))
		list, err := s.ListOperations(id)
		failures = append(failures, err)
		for _, op := range list {
			k := kept{dir: s.dirOf(id, op.ID), at: op.newest()}
			for _, f := range op.Files {
				k.size += f.Size
			}
			total += k.size
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return a.at.Compare(b.at) })
	for _, k := range all {
		if total <= cmp.Or(s.config.Keep.Size, defaultSize) {
			break
		}
		total -= k.size
		failures = append(failures, os.RemoveAll(k.dir))
	}
	return errors.Join(failures...)
}

// sweepMachine removes what is over the bounds of one machine. The caller holds the lock.
func (s *Store) sweepMachine(machine inventory.MachineID) error {
	list, err := s.ListOperations(machine)
	if err != nil {
		return err
	}
	now := s.config.Now()
	var failures []error
	bundles := 0
	for i, op := range list {
		dir := s.dirOf(machine, op.ID)
		if i >= keptOperations || now.Sub(op.newest()) > cmp.Or(s.config.Keep.Age, defaultAge) {
			failures = append(failures, os.RemoveAll(dir))
			continue
		}
		for _, bundle := range op.bundles() {
			if bundles++; bundles <= keptBundles && now.Sub(bundle[len(bundle)-1].At) <= bundleAge {
				continue
			}
			for _, f := range bundle {
				failures = append(failures, os.Remove(filepath.Join(dir, f.Name)))
			}
		}
		failures = append(failures, removeLeftovers(dir, now))
	}
	return errors.Join(failures...)
}

// bundles gives the collected texts by attempts, the newest attempt first. The serial console is none.
func (o Operation) bundles() (list [][]File) {
	for _, f := range o.Collected() {
		at := slices.IndexFunc(list, func(b []File) bool { return b[0].Step == f.Step && b[0].Attempt == f.Attempt })
		switch {
		case f.Step == "":
		case at < 0:
			list = append(list, []File{f})
		default:
			list[at] = append(list[at], f)
		}
	}
	slices.SortStableFunc(list, func(a, b []File) int { return b[len(b)-1].At.Compare(a[len(a)-1].At) })
	return list
}

// removeLeftovers removes files that a killed daemon was writing.
func removeLeftovers(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var failures []error
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && strings.HasPrefix(entry.Name(), ".new-") && now.Sub(info.ModTime()) > leftover {
			failures = append(failures, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(failures...)
}
