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

	"github.com/gitmetal/ingot/agent/wire"
)

// Limits of a program's output.
const (
	maxLine   = 1 << 10
	maxOutput = 4 << 10 // kept for the result
)

// output splits a program's output into lines (carriage returns end lines too), passes them on, and keeps the end.
type output struct {
	report func(wire.Progress)
	kept   []byte
	last   string
}

func (o *output) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, maxLine), 64<<10)
	scanner.Split(splitLines)
	for scanner.Scan() {
		line := strings.ToValidUTF8(strings.TrimSpace(scanner.Text()), "?")
		if line == "" || line == o.last {
			continue
		}
		o.last = line
		line = line[:min(len(line), maxLine)]
		o.kept = append(append(o.kept, line...), '\n')
		o.kept = o.kept[max(0, len(o.kept)-maxOutput):]
		o.report(wire.Progress{Lines: []string{line}})
	}
	_, _ = io.Copy(io.Discard, r) // a line too long to read must not block the program
}

func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		return i + 1, data[:i], nil
	}
	if len(data) >= maxLine || (atEOF && len(data) > 0) {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// run executes a program in a process group of its own, with nothing but the given environment, and streams its output. When ctx ends the
// whole group is killed.
func run(ctx context.Context, argv, environment []string, report func(wire.Progress)) (string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer reader.Close()
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}, environment...)
	command.Stdout, command.Stderr = writer, writer
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = 10 * time.Second
	if err := command.Start(); err != nil {
		writer.Close()
		return "", fmt.Errorf("start %s: %w", argv[0], err)
	}
	writer.Close()
	o := output{report: report}
	read := make(chan struct{})
	go func() {
		defer close(read)
		o.read(reader)
	}()
	err = command.Wait()
	// What a killed group left behind may hold the pipe open.
	_ = reader.SetReadDeadline(time.Now().Add(time.Second))
	<-read
	if err != nil {
		return string(o.kept), fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, o.last)
	}
	return string(o.kept), nil
}

// RunScript runs a script of the fleet in the ramdisk.
func RunScript(ctx context.Context, script wire.Script, report func(wire.Progress)) (string, error) {
	dir, err := os.MkdirTemp("", "ingot-step-")
	if err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, script.Body, 0o700); err != nil {
		return "", fmt.Errorf("keep the script: %w", err)
	}
	var environment []string
	for name, value := range script.Env {
		environment = append(environment, name+"="+value)
	}
	return run(ctx, []string{file}, environment, report)
}
