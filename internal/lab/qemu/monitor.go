package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// commandDeadline bounds a command of the monitor; inserting a medium waits for its HTTP server.
const commandDeadline = 30 * time.Second

// monitor speaks QMP (QEMU's JSON protocol, docs/interop/qmp-spec) over a socket pair.
type monitor struct {
	conn    net.Conn
	call    sync.Mutex // a command at a time
	answers chan answer
	done    chan struct{} // closed when QEMU has closed its end

	mu     sync.Mutex
	reason string // of the SHUTDOWN event
}

// answer is a message from QEMU; the set members tell its kind.
type answer struct {
	Greeting json.RawMessage `json:"QMP"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Reason string `json:"reason"`
	} `json:"data"`
}

// newMonitor returns our end, which is being read, and QEMU's end, which the caller closes once QEMU has it.
func newMonitor() (*monitor, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make the monitor's socket: %w", err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "monitor"), os.NewFile(uintptr(pair[1]), "qemu")
	defer near.Close()
	conn, err := net.FileConn(near)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the monitor's socket: %w", err), far.Close())
	}
	m := &monitor{conn: conn, answers: make(chan answer, 1), done: make(chan struct{})}
	go m.readAnswers()
	return m, far, nil
}

// readAnswers reads until QEMU closes its end: answers go to the caller of runCommand, the shutdown's reason is kept.
func (m *monitor) readAnswers() {
	defer close(m.done)
	lines := bufio.NewScanner(m.conn)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var got answer
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			continue
		}
		switch got.Event {
		case "SHUTDOWN":
			m.mu.Lock()
			m.reason = got.Data.Reason
			m.mu.Unlock()
		case "":
			select {
			case m.answers <- got:
			default: // no command waits for the answer any more
			}
		}
	}
}

// awaitGreeting waits for the greeting and ends the negotiation.
func (m *monitor) awaitGreeting(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, commandDeadline)
	defer cancel()
	if _, err := m.nextAnswer(ctx, "the greeting"); err != nil {
		return err
	}
	return m.runCommand(ctx, "qmp_capabilities", nil)
}

// runCommand sends a command and waits for its answer.
func (m *monitor) runCommand(ctx context.Context, command string, arguments any) error {
	ctx, cancel := context.WithTimeout(ctx, commandDeadline)
	defer cancel()
	m.call.Lock()
	defer m.call.Unlock()
	select {
	case <-m.answers: // of a command that timed out
	default:
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode %s: %w", command, err)
	}
	if _, err := m.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("send %s to qemu: %w", command, err)
	}
	got, err := m.nextAnswer(ctx, command)
	if err != nil {
		return err
	}
	if got.Error != nil {
		return fmt.Errorf("qemu refuses %s: %s", command, got.Error.Desc)
	}
	return nil
}

func (m *monitor) nextAnswer(ctx context.Context, what string) (answer, error) {
	select {
	case got := <-m.answers:
		return got, nil
	case <-m.done:
		return answer{}, fmt.Errorf("qemu ended before answering %s", what)
	case <-ctx.Done():
		return answer{}, fmt.Errorf("wait for qemu to answer %s: %w", what, ctx.Err())
	}
}

// insertMedium puts the medium at a URL into the CD drive, read through QEMU's curl block driver (package
// qemu-block-extra).
func (m *monitor) insertMedium(ctx context.Context, medium string) error {
	at, err := url.Parse(medium)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" {
		return errors.New("its address is no http or https URL")
	}
	node := map[string]any{
		"node-name": "medium", "driver": "raw", "read-only": true,
		"file": map[string]any{"driver": at.Scheme, "url": medium, "readahead": 1 << 20, "read-only": true},
	}
	if err := m.runCommand(ctx, "blockdev-add", node); err != nil {
		return err
	}
	for _, step := range []struct {
		command   string
		arguments map[string]any
	}{
		{"blockdev-open-tray", map[string]any{"id": "cd", "force": true}},
		{"blockdev-insert-medium", map[string]any{"id": "cd", "node-name": "medium"}},
		{"blockdev-close-tray", map[string]any{"id": "cd"}},
	} {
		if err := m.runCommand(ctx, step.command, step.arguments); err != nil {
			return err
		}
	}
	return nil
}

// awaitEnd waits until QEMU's end is closed and returns the reason of the shutdown, or "".
func (m *monitor) awaitEnd() string {
	<-m.done
	_ = m.closeConn()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reason
}

func (m *monitor) closeConn() error { return m.conn.Close() }
