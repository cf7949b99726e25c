package joblogs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/inventory"
)

// Limits of the texts that agents send.
const (
	takenAtOnce = 4                // texts of all machines
	takeWait    = 30 * time.Second // for a place
	takeTime    = 2 * time.Minute  // for the bytes of one text
	maxTexts    = 8                // of one attempt of a step: 8 × wire.MaxLog is the most that one failure keeps
)

// maxBundle is the most bytes that are kept of one attempt of a step beside its output.
const maxBundle = 32 << 20

// ServeLog implements hub.Logs: ServeLog takes a text about a job, masks it while it comes, and writes it beside its place
// and renames it. A repeated text replaces the earlier one.
func (s *Store) ServeLog(w http.ResponseWriter, r *http.Request, of hub.LogOf) {
	a, found := s.findAttempt(inventory.MachineID(of.Host), of.Job)
	switch {
	case !found:
		http.Error(w, "no logs are kept of such a job", http.StatusNotFound)
		return
	case !nameGrammar.MatchString(of.Name):
		http.Error(w, "a name such as journal.log", http.StatusBadRequest)
		return
	case r.Header.Get("Content-Range") != "":
		w.Header().Set(wire.HeaderUploadOffset, "0")
		http.Error(w, "send the whole text", http.StatusConflict)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), takeWait)
	defer cancel()
	select {
	case s.taking <- struct{}{}:
		defer func() { <-s.taking }()
	case <-ctx.Done():
		http.Error(w, "too many texts come at a time: try again", http.StatusServiceUnavailable)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(takeTime)) // only a test's writer has no deadlines
	digest, err := s.take(a, of.Name, http.MaxBytesReader(w, r.Body, wire.MaxLog))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		w.Header().Set(wire.HeaderDigest, digest)
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &large), errors.Is(err, errBundleFull):
		http.Error(w, "over a limit: "+err.Error(), http.StatusRequestEntityTooLarge)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		s.config.Log.Error("a log cannot be kept: the disk is full", "host", of.Host, "job", of.Job)
		http.Error(w, "the disk is full", http.StatusInsufficientStorage)
	case r.Context().Err() != nil:
	default:
		s.config.Log.Error("a log cannot be kept", "host", of.Host, "job", of.Job, "name", of.Name, "error", err)
		http.Error(w, "the text cannot be kept", http.StatusServiceUnavailable)
	}
}

// errBundleFull says that an attempt has left enough.
var errBundleFull = errors.New("enough was kept of this attempt")

// take keeps a text, and gives the digest of the bytes that came.
func (s *Store) take(a attempt, name string, body io.Reader) (digest string, err error) {
	dir, name := s.dirOf(a.machine, a.operation), a.prefix()+"."+name
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	sum := sha256.New()
	err = console.CopyText(file, io.TeeReader(body, sum), s.config.Secrets)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkRoom(dir, a, name, file.Name()); err != nil {
		return "", err
	}
	if err := os.Rename(file.Name(), filepath.Join(dir, name)); err != nil {
		return "", err
	}
	s.config.Log.Info("logs of a step are kept", "host", a.machine, "operation", a.operation, "file", name)
	s.warn("old logs cannot be removed", s.sweepMachine(a.machine))
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// checkRoom refuses a text beyond the limits of one attempt.
func checkRoom(dir string, a attempt, name, written string) error {
	info, err := os.Stat(written)
	if err != nil {
		return err
	}
	files, err := listFiles(dir)
	if err != nil {
		return err
	}
	count, size := 1, info.Size()
	for _, f := range files {
		if f.Step == a.step && f.Attempt == a.number && !f.Output && f.Name != name {
			count, size = count+1, size+f.Size
		}
	}
	if count > maxTexts || size > maxBundle {
		return fmt.Errorf("%w: %d texts, %d bytes", errBundleFull, count, size)
	}
	return nil
}

// keepConsole keeps the serial console of a machine whose operation was given up, once.
func (s *Store) keepConsole(machine inventory.MachineID, operation string) error {
	if !idGrammar.MatchString(string(machine)) || !idGrammar.MatchString(operation) {
		return nil
	}
	name := filepath.Join(s.dirOf(machine, operation), consoleFile)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	text, err := s.config.Console(machine)
	if err != nil || strings.TrimSpace(text) == "" {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o600)
}
