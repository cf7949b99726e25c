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
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/agent/wire"
)

// Limits of a program's output, in bytes.
const (
	maxLine     = 1 << 10
	maxOutput   = 4 << 10  // the end, kept for the result
	maxStreamed = 1 << 20  // of lines passed on; later ones count only for the end
	maxCaptured = 64 << 10 // of a tool whose output is parsed
)

// cleanup is how long a program may hold on to its output after it, or its group, has ended.
const cleanup = 2 * time.Second

// output splits a program's output into lines (carriage returns end lines too), passes them on, and keeps the end.
type output struct {
	report   func(wire.Progress)
	streamed int
	kept     []byte
	last     string
}

// read reads to the end: a program must never block because nobody listens.
func (o *output) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 2*maxLine), 2*maxLine)
	scanner.Split(splitLines)
	for scanner.Scan() {
		o.line(printable(scanner.Text()))
	}
}

func (o *output) line(line string) {
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

func (o *output) text() string { return strings.ToValidUTF8(string(o.kept), "") }

// printable makes a line that steers no terminal.
func printable(line string) string {
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

// splitLines implements bufio.SplitFunc. A line longer than maxLine is cut into several.
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

// program is what run executes.
type program struct {
	argv        []string
	environment []string
	dir         string
	report      func(wire.Progress)
}

// run executes a program in a process group of its own, with nothing but the given environment and a PATH, streams its output and gives the end of it.
// When ctx ends, the whole group is killed; what a program that ended leaves behind in its group is killed too.
func run(ctx context.Context, p program) (string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.argv[0], err)
	}
	defer reader.Close()
	command := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	command.Dir = p.dir
	command.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}, p.environment...)
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
		o.read(reader)
	}()
	err = command.Wait()
	_ = killGroup() // fails when nothing is left
	// A process that left the group may hold the pipe open.
	_ = reader.SetReadDeadline(time.Now().Add(cleanup))
	<-read
	if err != nil {
		return o.text(), fmt.Errorf("%s: %w: %s", filepath.Base(p.argv[0]), err, o.last)
	}
	return o.text(), nil
}

// captureTimeout is the deadline of a tool whose output is parsed.
const captureTimeout = time.Minute

// capture runs a tool and gives what it prints, at most maxCaptured bytes.
func capture(ctx context.Context, name string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, captureTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	out := &clipped{}
	command.Stdout, command.Stderr = out, out
	command.WaitDelay = cleanup
	err := command.Run()
	return strings.TrimSpace(out.String()), err
}

// clipped is a buffer that forgets what is too much.
type clipped struct{ bytes.Buffer }

func (c *clipped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), maxCaptured-c.Len())])
	return len(p), nil
}

// RunScript runs a script of the fleet in the ramdisk, by its own shebang and without arguments, and gives the end of its output. Nothing of it is
// left on a disk or in a process argument.
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
	var environment []string
	for name, value := range script.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return "", fmt.Errorf("%q is no name and value of an environment variable: correct the step; it was not run", name)
		}
		environment = append(environment, name+"="+value)
	}
	slices.Sort(environment)
	return run(ctx, program{argv: []string{file}, environment: environment, dir: dir, report: report})
}

// writeProgram writes a file to be executed. Until it is closed no process may be forked: it would inherit the descriptor, and the kernel runs no
// file that somebody has open for writing.
func writeProgram(path string, body []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, body, 0o700)
}
