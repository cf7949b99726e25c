package steps

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

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
type output struct {
	report   func(wire.Progress)
	streamed int
	kept     []byte
	last     string
}

// readLines reads to the end: a program must never block on unread output.
func (o *output) readLines(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 2*maxLine), 2*maxLine)
	scanner.Split(splitLines)
	for scanner.Scan() {
		o.addLine(printableLine(scanner.Text()))
	}
}

func (o *output) addLine(line string) {
	if line == "" || line == o.last {
		return
	}
	o.last = line
	o.kept = append(append(o.kept, line...), '\n')
	o.kept = o.kept[max(0, len(o.kept)-maxOutput):]
	if o.streamed > maxStreamed {
		return
	}
	if o.streamed += len(line); o.streamed > maxStreamed {
		line = fmt.Sprintf("more than %d bytes of output: the rest is not shown", maxStreamed)
	}
	o.report(wire.Progress{Lines: []string{line}})
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
	argv   []string
	dir    string
	report func(wire.Progress)
}

// runProgram executes a program in a process group of its own, with only a PATH, a home and a language in its
// environment, streams the output and returns its end. When ctx ends, the whole group is killed. Processes that an
// ended program left in its group are killed too.
func runProgram(ctx context.Context, p program) (string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.argv[0], err)
	}
	defer reader.Close()
	command := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	command.Dir = p.dir
	command.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
	}
	command.Stdout, command.Stderr = writer, writer
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	killGroup := func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.Cancel = killGroup
	err = command.Start()
	writer.Close()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.argv[0], err)
	}
	o := output{report: p.report}
	read := make(chan struct{})
	go func() {
		defer close(read)
		o.readLines(reader)
	}()
	err = command.Wait()
	_ = killGroup() // fails if no process is left
	// A process that left the group may hold the pipe open.
	_ = reader.SetReadDeadline(time.Now().Add(cleanup))
	<-read
	if err != nil {
		return o.keptText(), fmt.Errorf("%s: %w: %s", filepath.Base(p.argv[0]), err, o.last)
	}
	return o.keptText(), nil
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

// RunScript runs a script of the fleet in the ramdisk, by the script's shebang and without arguments, and returns the
// end of the output. The script is neither left on a disk nor visible in a process argument.
func RunScript(ctx context.Context, script wire.Script, report func(wire.Progress)) (string, error) {
	dir, err := os.MkdirTemp("", "ingot-step-") // mode 0700; the ramdisk has no disk
	if err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "script")
	if err := writeProgram(file, script.Body); err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	return runProgram(ctx, program{argv: []string{file}, dir: dir, report: report})
}

// writeProgram writes a file that will be executed. No process may be forked before the file is closed: the child would
// inherit the descriptor, and the kernel executes no file that is open for writing.
func writeProgram(path string, body []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, body, 0o700)
}
