package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// KeptBytes is the most that is kept of a machine; at least half of it is, once that much came. The names are <dir>/<host>.log, which is appended to, and
// <host>.log.old, which it becomes when it is full.
const KeptBytes = 256 << 10

// Dir keeps the consoles of all machines.
type Dir string

func (d Dir) path(host string) string { return filepath.Join(string(d), host+".log") }

// Open begins to add to a machine's log; one Log of a machine may be open at a time. Secrets are those to mask.
func (d Dir) Open(host string, secrets *Secrets) (*Log, error) {
	if host == "" || host != filepath.Base(host) || strings.HasPrefix(host, ".") {
		return nil, fmt.Errorf("keep a console: %q is no name of a file", host)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("keep a console: %w", err)
	}
	l := &Log{path: d.path(host), secrets: secrets}
	l.cleaner.emit = l.line
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

// Log is a machine's console while something is added to it. It is not synced to the disk: what a crash of the host loses of it is no loss.
type Log struct {
	path string

	mu      sync.Mutex
	file    *os.File
	size    int
	cleaner cleaner
	secrets *Secrets
	pending passage   // complete lines that may end in the beginning of a secret
	last    time.Time // when something came
	lines   []byte    // to be written
}

// line takes a complete line. What comes before one in which a secret may begin is to be written.
func (l *Log) line(line []byte) {
	l.pending.add(line...)
	l.pending.add('\n')
	open := l.pending.hide(l.secrets)
	if open < len(l.pending.text) {
		open = bytes.LastIndexByte(l.pending.text[:open], '\n') + 1
	}
	l.lines = append(l.lines, l.pending.take(open)...)
}

// stop ends what nothing may follow.
func (l *Log) stop() {
	l.cleaner.stop()
	l.pending.settle(l.pending.hide(l.secrets))
	l.lines = append(l.lines, l.pending.take(len(l.pending.text))...)
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
	l.last = time.Now()
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
	l.stop()
	note := cleaner{emit: l.line} // what failed may be in another's words
	note.write(fmt.Appendf(nil, "[%s] ingot: %s", at.UTC().Format(time.RFC3339), words))
	note.stop()
	l.stop()
	return l.flush()
}

// Partial is what is not in the file yet, a prompt perhaps, or lines that may end in the beginning of a secret. That beginning is left out for a short time
// after the machine spoke last.
func (l *Log) Partial(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.pending.with(bytes.TrimRight(l.cleaner.line, " "))
	open := all.hide(l.secrets)
	if now.Sub(l.last) >= held {
		all.settle(open)
		open = len(all.text)
	}
	return string(bytes.TrimRight(all.take(open), " "))
}

// Close keeps what has not ended, and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
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
	if is, err := os.Open(l.path); err == nil {
		defer is.Close()
		if !same(is, l.file) {
			return fmt.Errorf("keep a console: %s is another machine's now", l.path)
		}
	}
	err := l.file.Close()
	l.file = nil
	if err = errors.Join(err, os.Rename(l.path, l.path+".old")); err != nil {
		return fmt.Errorf("keep a console: %w", err)
	}
	return l.open()
}
