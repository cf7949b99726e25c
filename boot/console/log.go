package console

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// KeptBytes is the most that is kept of a machine; at least half of it is, once that much came. The names are <dir>/<host>.log, which is appended to, and
// <host>.log.old, which it becomes when it is full.
const KeptBytes = 256 << 10

// Dir keeps the consoles of all machines.
type Dir string

func (d Dir) path(host string) string { return filepath.Join(string(d), host+".log") }

// Open begins to add to a machine's log; one Log of a machine may be open at a time. Secrets are those to mask, asked for whenever something is kept.
func (d Dir) Open(host string, secrets func() []secret.Value) (*Log, error) {
	if host == "" || host != filepath.Base(host) || strings.HasPrefix(host, ".") {
		return nil, fmt.Errorf("keep a console: %q is no name of a file", host)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("keep a console: %w", err)
	}
	l := &Log{path: d.path(host)}
	l.cleaner = cleaner{secrets: secrets, emit: func(line string) { l.lines = append(append(l.lines, line...), '\n') }}
	return l, l.open()
}

// Read gives what is kept of a machine, as text; "" when that is nothing.
func (d Dir) Read(host string) (string, error) {
	if host == "" || host != filepath.Base(host) {
		return "", nil
	}
	// The newer one is opened first: one that becomes the older one meanwhile is not missed, and told to be the same.
	newer, err := os.Open(d.path(host))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read a console: %w", err)
	}
	defer newer.Close()
	var all strings.Builder
	older, err := os.Open(d.path(host) + ".old")
	if err == nil {
		defer older.Close()
	}
	if err == nil && !same(older, newer) {
		_, err = io.Copy(&all, io.LimitReader(older, KeptBytes))
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		_, err = io.Copy(&all, io.LimitReader(newer, KeptBytes))
	}
	if err != nil {
		return "", fmt.Errorf("read a console: %w", err)
	}
	return all.String(), nil
}

func same(a, b *os.File) bool {
	first, err := a.Stat()
	second, other := b.Stat()
	return err == nil && other == nil && os.SameFile(first, second)
}

// Log is a machine's console while something is added to it.
type Log struct {
	path string

	mu      sync.Mutex
	file    *os.File
	size    int
	cleaner cleaner
	lines   []byte // complete, not written yet
}

// open continues the file.
func (l *Log) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep a console: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("keep a console: %w", err), file.Close())
	}
	l.file, l.size = file, int(info.Size())
	return nil
}

// Write implements io.Writer for what comes from the machine. It fails when nothing can be kept.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for done := 0; done < len(p); {
		n := min(len(p)-done, KeptBytes/8) // a byte becomes three at the most
		l.cleaner.write(p[done : done+n])
		if err := l.flush(); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// Note adds a line of our own: "[", the time, "] ingot: ", and words.
func (l *Log) Note(at time.Time, words string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleaner.stop()
	var note cleaner // what failed may be in another's words
	note.secrets, note.emit = l.cleaner.secrets, l.cleaner.emit
	note.write(fmt.Appendf(nil, "[%s] ingot: %s", at.UTC().Format(time.RFC3339), words))
	note.stop()
	return l.flush()
}

// Partial is the line that has not ended, a prompt perhaps.
func (l *Log) Partial() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cleaner.partial()
}

// Close keeps what has not ended, and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleaner.stop()
	err := l.flush()
	if l.file == nil {
		return err
	}
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}

// flush writes complete lines, into another file when they do not fit into this one. What cannot be written is lost.
func (l *Log) flush() error {
	lines := l.lines
	l.lines = l.lines[:0]
	if len(lines) == 0 {
		return nil
	}
	if l.size > 0 && l.size+len(lines) > KeptBytes/2 {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.file == nil {
		return fmt.Errorf("keep a console: %s is closed", l.path)
	}
	n, err := l.file.Write(lines)
	l.size += n
	if err != nil {
		return fmt.Errorf("keep a console: %w", err)
	}
	return nil
}

func (l *Log) rotate() error {
	err := l.file.Close()
	l.file = nil
	if err = errors.Join(err, os.Rename(l.path, l.path+".old")); err != nil {
		return fmt.Errorf("keep a console: %w", err)
	}
	return l.open()
}
