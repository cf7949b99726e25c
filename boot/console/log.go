package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// KeptBytes is the most that is kept of a machine, in bytes; at least half of KeptBytes is kept, once as much came. New
// output goes to <dir>/<host>.log; a full file is renamed to <host>.log.old.
const KeptBytes = 256 << 10

// Dir keeps the consoles of all machines.
type Dir string

func (d Dir) logPath(host string) string { return filepath.Join(string(d), host+".log") }

// Open opens a machine's log for appending; at most a single Log of a machine may be open at a time. The values of
// secrets are masked.
func (d Dir) Open(host string, secrets *Secrets) (*Log, error) {
	if host == "" || host != filepath.Base(host) || strings.HasPrefix(host, ".") {
		return nil, fmt.Errorf("keep a console: %q is no name of a file", host)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("keep a console: %w", err)
	}
	l := &Log{path: d.logPath(host), masking: masking{secrets: secrets}}
	l.cleaner.emit = l.addLine
	return l, l.openFile()
}

// Read gives the kept text of a machine; "" when nothing is kept.
func (d Dir) Read(host string) (string, error) {
	if host == "" || host != filepath.Base(host) {
		return "", nil
	}
	// The newer file is opened first: if the newer file is rotated meanwhile, both names are the same file, and
	// sameFile notices.
	newer, err := os.Open(d.logPath(host))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read a console: %w", err)
	}
	defer newer.Close()
	var all strings.Builder
	older, err := os.Open(d.logPath(host) + ".old")
	if err == nil {
		defer older.Close()
	}
	if err == nil && !sameFile(older, newer) {
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

func sameFile(a, b *os.File) bool {
	first, err := a.Stat()
	second, other := b.Stat()
	return err == nil && other == nil && os.SameFile(first, second)
}

// Log is a machine's console that is being appended to. The file is not synced: losing the end of a console in a crash
// is acceptable.
type Log struct {
	path string

	mu      sync.Mutex
	file    *os.File
	size    int
	cleaner cleaner
	masking           // of complete lines, into lines that are to be written
	last    time.Time // time of the last write
	recent  []Line    // the newest lines, masked
}

// Line is a line of a console, with the time at which it came.
type Line struct {
	At   time.Time
	Text string
}

// recentLines is how many lines Recent gives, and recentBytes how long each may be.
const (
	recentLines = 200
	recentBytes = 240
)

// Continue makes the log go on after the lines of an earlier log of the same machine.
func (l *Log) Continue(earlier []Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = slices.Clone(earlier)
}

// Recent gives the newest lines of the machine, without notes by ingot; the last line may be unfinished.
func (l *Log) Recent(now time.Time) []Line {
	partial := l.PartialText(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := slices.Clone(l.recent)
	for line := range strings.SplitSeq(partial, "\n") {
		lines = appendLine(lines, Line{l.last, line})
	}
	return lines
}

// noteRecent remembers masked lines that are about to be written.
func (l *Log) noteRecent(lines []byte) {
	for line := range strings.SplitSeq(strings.TrimSuffix(string(lines), "\n"), "\n") {
		l.recent = appendLine(l.recent, Line{l.last, line})
	}
}

// appendLine adds a line that says something.
func appendLine(lines []Line, line Line) []Line {
	if strings.TrimSpace(line.Text) == "" || isNote(line.Text) {
		return lines
	}
	line.Text = strings.Clone(line.Text[:min(len(line.Text), recentBytes)])
	lines = append(lines, line)
	if len(lines) > recentLines {
		lines = slices.Delete(lines, 0, len(lines)-recentLines)
	}
	return lines
}

// isNote reports whether a line is a note by WriteNote.
func isNote(line string) bool {
	_, after, bracket := strings.Cut(line, "] ingot: ")
	return bracket && after != "" && strings.HasPrefix(line, "[2")
}

// endText ends the current line and masks a possible secret at the end.
func (l *Log) endText() {
	l.cleaner.endPartial()
	l.endLines()
}

// openFile opens the log file for appending.
func (l *Log) openFile() error {
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

// Write implements io.Writer for the machine's output. Write fails when the output cannot be kept.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	for done := 0; done < len(p); {
		n := min(len(p)-done, KeptBytes/8) // a byte becomes at most three
		l.cleaner.writeBytes(p[done : done+n])
		if err := l.flushLines(); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// WriteNote adds a line by ingot: "[", the time, "] ingot: ", and words.
func (l *Log) WriteNote(at time.Time, words string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endText()
	note := cleaner{emit: l.addLine} // an error in words may quote the BMC
	note.writeBytes(fmt.Appendf(nil, "[%s] ingot: %s", at.UTC().Format(time.RFC3339), words))
	note.endPartial()
	l.endText()
	return l.flushLines()
}

// PartialText is the text that is not in the file yet: a prompt, or lines whose end may be the beginning of a secret.
// That beginning is left out for holdTime after the machine's last output.
func (l *Log) PartialText(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.pending.withText(bytes.TrimRight(l.cleaner.line, " "))
	open := all.hideSecrets(l.secrets)
	if now.Sub(l.last) >= holdTime {
		all.hideOpenEnd(open)
		open = len(all.text)
	}
	return string(bytes.TrimRight(all.takeMasked(open), " "))
}

// Close writes the pending text and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endText()
	err := l.flushLines()
	if l.file == nil {
		return err
	}
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}

// flushLines writes the queued lines, and rotates the file first when the lines do not fit. Lines that cannot be
// written are lost.
func (l *Log) flushLines() error {
	lines := l.lines
	l.lines = l.lines[:0]
	if len(lines) == 0 {
		return nil
	}
	l.noteRecent(lines)
	if l.size > 0 && l.size+len(lines) > KeptBytes/2 {
		if err := l.rotateFile(); err != nil {
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

func (l *Log) rotateFile() error {
	if is, err := os.Open(l.path); err == nil {
		defer is.Close()
		if !sameFile(is, l.file) {
			return fmt.Errorf("keep a console: %s is another machine's now", l.path)
		}
	}
	err := l.file.Close()
	l.file = nil
	if err = errors.Join(err, os.Rename(l.path, l.path+".old")); err != nil {
		return fmt.Errorf("keep a console: %w", err)
	}
	return l.openFile()
}
