package sealing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/internal/secret"
)

// askValues asks for values on a terminal, without echo.
func (i Input) askValues(ctx context.Context, terminal *os.File) (map[string]secret.Value, error) {
	values := map[string]secret.Value{}
	tty := contextReader{ctx, terminal}
	for n := 0; len(i.Keys) == 0 || n < len(i.Keys); n++ {
		key := ""
		if len(i.Keys) > 0 {
			key = i.Keys[n]
		} else {
			fmt.Fprint(i.Talk, "key, or nothing to end: ")
			line, err := readLine(tty)
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			if key = strings.TrimSpace(line); key == "" {
				break
			}
		}
		value, err := i.readHidden(tty, key)
		if err != nil {
			return nil, fmt.Errorf("read the value of %s: %w", key, err)
		}
		if err := addValue(values, key, value); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// readHidden asks for one value. Echo is off before the question is printed.
func (i Input) readHidden(tty contextReader, key string) (value string, err error) {
	fd := int(tty.terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETS, before)) }()
	fmt.Fprintf(i.Talk, "value of %s, which is not shown: ", key)
	value, err = readLine(tty)
	fmt.Fprintln(i.Talk)
	return value, err
}

// contextReader reads from a terminal until its context ends.
type contextReader struct {
	ctx      context.Context
	terminal *os.File
}

// pollMillis is how long a read waits before it checks the context, in milliseconds.
const pollMillis = 200

// Read implements io.Reader.
func (p contextReader) Read(b []byte) (int, error) {
	for {
		if p.ctx.Err() != nil {
			return 0, context.Cause(p.ctx)
		}
		ready := []unix.PollFd{{Fd: int32(p.terminal.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, pollMillis)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, err
		}
		if n > 0 {
			return p.terminal.Read(b)
		}
	}
}
