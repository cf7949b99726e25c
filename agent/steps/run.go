package steps

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/agent/programs"
	"github.com/gitmetal/ingot/agent/wire"
)

// Limits of a program's output, in bytes.
const (
	maxLine     = 1 << 10
	maxOutput   = 4 << 10  // the end of the output, kept for the result
	maxStreamed = 1 << 20  // of lines passed on; later lines count only for the end
	maxCaptured = 64 << 10 // of a tool whose output is parsed
)

// cleanup is how long a program's output may stay open after the program, or its group, has ended.
const cleanup = 2 * time.Second

// output splits a program's output into lines (carriage returns end lines too), passes the lines on, and keeps the end.
// Several streams may be read at the same time.
type output struct {
	report func(wire.Progress)

	mu       sync.Mutex
	streamed int
	unshown  int // lines
	kept     []byte
	last     string
}

// readLines reads to the end: a program must never block on unread output. take gets each line.
func readLines(r io.Reader, take func(line string)) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 2*maxLine), 2*maxLine)
	scanner.Split(splitLines)
	for scanner.Scan() {
		take(scanner.Text())
	}
}

// addLine takes a line of a program.
func (o *output) addLine(text string) {
	line := printableLine(text)
	o.mu.Lock()
	defer o.mu.Unlock()
	if line == "" || line == o.last {
		return
	}
	o.last = line
	o.kept = append(append(o.kept, line...), '\n')
	o.kept = o.kept[max(0, len(o.kept)-maxOutput):]
	if o.streamed > maxStreamed {
		o.unshown++
		return
	}
	if o.streamed += len(line); o.streamed > maxStreamed {
		o.unshown++
		line = fmt.Sprintf("more than %d bytes of output: the rest is not shown", maxStreamed)
	}
	o.report(wire.Progress{Lines: []string{line}})
}

// countUnshown says at the end how many lines were not passed on.
func (o *output) countUnshown() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unshown > 0 {
		o.report(wire.Progress{Lines: []string{fmt.Sprintf("%d lines of output were not shown", o.unshown)}})
	}
}

func (o *output) keptText() string { return strings.ToValidUTF8(string(o.kept), "") }

// printableLine replaces control characters, so that a line cannot steer a terminal.
func printableLine(line string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		switch {
		case c == '\t':
			return ' '
		case unicode.IsControl(c) || c == unicode.ReplacementChar:
			return '?'
		}
		return c
	}, line))
}

// splitLines implements bufio.SplitFunc. A line longer than maxLine is cut.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i >= 0 && i <= maxLine:
		return i + 1, data[:i], nil
	case len(data) >= maxLine:
		return maxLine, data[:maxLine], nil
	case atEOF && len(data) > 0:
		return len(data), data, nil
	default:
		return 0, nil, nil
	}
}

// program is what runProgram executes.
type program struct {
	argv        []string
	dir         string
	environment []string // beside PATH, HOME and LANG
	input       []byte   // on standard input
	report      func(wire.Progress)
	// take gets each line of the standard output; nil for a program whose output is lines for people.
	take func(o *output, line string)
	// whole gets the standard output as it is, in place of take, and reads to the end.
	whole func(io.Reader)
}

// runProgram executes a program in a process group of its own, with only a PATH, a home and a language in its
// environment beside its own variables, streams the output and returns its end. When ctx ends, the whole group is
// killed. Processes that an ended program left in its group are killed too.
func runProgram(ctx context.Context, p program) (string, error) {
	command := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	command.Dir = p.dir
	command.Env = append(programs.Environment(), p.environment...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	killGroup := func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.Cancel = killGroup
	pipes, err := openPipes(command)
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.argv[0], err)
	}
	defer pipes.closeOurs()
	err = command.Start()
	pipes.closeTheirs()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.argv[0], err)
	}
	o := &output{report: p.report}
	ended := pipes.serve(p, o)
	err = command.Wait()
	_ = killGroup() // fails if no process is left
	// A process that left the group may hold the pipes open.
	pipes.limit(time.Now().Add(cleanup))
	<-ended
	o.countUnshown()
	if err != nil {
		return o.keptText(), programEnd{name: filepath.Base(p.argv[0]), err: err, last: o.last}
	}
	return o.keptText(), nil
}

// programEnd is the end of a program that failed.
type programEnd struct {
	name string
	err  error  // of exec
	last string // line of output
}

func (e programEnd) Error() string { return fmt.Sprintf("%s: %v: %s", e.name, e.err, e.last) }
func (e programEnd) Unwrap() error { return e.err }

// pipes are the standard streams of a program.
type pipes struct{ ours, theirs [3]*os.File }

// openPipes connects a program to pipes.
func openPipes(command *exec.Cmd) (p *pipes, err error) {
	p = &pipes{}
	for i := range p.ours {
		reader, writer, failed := os.Pipe()
		if p.ours[i], p.theirs[i] = reader, writer; i == 0 {
			p.ours[i], p.theirs[i] = writer, reader
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		p.closeOurs()
		p.closeTheirs()
		return nil, err
	}
	command.Stdin, command.Stdout, command.Stderr = p.theirs[0], p.theirs[1], p.theirs[2]
	return p, nil
}

func (p *pipes) closeOurs() {
	for _, file := range p.ours {
		file.Close()
	}
}

func (p *pipes) closeTheirs() {
	for _, file := range p.theirs {
		file.Close()
	}
}

// limit sets a deadline for what is left to be read and written.
func (p *pipes) limit(at time.Time) {
	for _, file := range p.ours {
		_ = file.SetDeadline(at) // fails for the input that was written
	}
}

// serve writes the input and reads both outputs. The returned channel is closed at the end of all three.
func (p *pipes) serve(of program, o *output) <-chan struct{} {
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = p.ours[0].Write(of.input) // a program need not read its input
		p.ours[0].Close()
	})
	all.Go(func() {
		if of.whole != nil {
			of.whole(p.ours[1])
			return
		}
		readLines(p.ours[1], func(line string) {
			if of.take == nil {
				o.addLine(line)
				return
			}
			of.take(o, line)
		})
	})
	all.Go(func() { readLines(p.ours[2], o.addLine) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Wait()
	}()
	return ended
}

// captureTimeout is the deadline of a tool whose output is parsed.
const captureTimeout = time.Minute

// captureOutput runs a tool and returns its output, at most maxCaptured bytes.
func captureOutput(ctx context.Context, name string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, captureTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	out := &clipped{}
	command.Stdout, command.Stderr = out, out
	command.WaitDelay = cleanup
	err := command.Run()
	return strings.TrimSpace(out.String()), err
}

// clipped is a buffer that drops bytes above maxCaptured.
type clipped struct{ bytes.Buffer }

func (c *clipped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), maxCaptured-c.Len())])
	return len(p), nil
}

// writeProgram writes a file that will be executed, by any user that reaches its directory. No process may be forked
// before the file is closed: the child would inherit the descriptor, and the kernel executes no file that is open for
// writing.
func writeProgram(path string, body []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, body, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o755) // whatever the umask is
}
