// Package ageplugin opens files with identities of age plug-ins where nobody is there to answer: the program
// age-plugin-NAME is run with a deadline, and every question of it is declined. Call NewIdentity. For a person at a
// terminal use filippo.io/age/plugin, which asks.
package ageplugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// Deadline is the longest run of a plug-in.
const Deadline = 30 * time.Second

// Identity is an identity of a plug-in.
type Identity struct {
	path, text string
	deadline   time.Duration
}

// NewIdentity reads an identity, AGE-PLUGIN-NAME-1…. The plug-in must be on PATH.
func NewIdentity(text string) (*Identity, error) {
	name, _, err := plugin.ParseIdentity(text)
	if err != nil {
		return nil, errors.New("an identity of an age plug-in is not whole")
	}
	path, err := exec.LookPath("age-plugin-" + name)
	if err != nil {
		return nil, fmt.Errorf("the program age-plugin-%s, which an identity needs, is not on PATH: install it", name)
	}
	return &Identity{path: path, text: text, deadline: Deadline}, nil
}

// Unwrap implements age.Identity. The error is age.ErrIncorrectIdentity where the plug-in knows none of the stanzas.
func (i *Identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), i.deadline)
	defer cancel()
	command := exec.CommandContext(ctx, i.path, "--age-plugin=identity-v1")
	command.Dir = os.TempDir()
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// kills the children too
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	in, errIn := command.StdinPipe()
	out, errOut := command.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", i.path, err)
	}
	var opening bytes.Buffer
	writeStanza(&opening, "add-identity", []string{i.text}, nil)
	for _, s := range stanzas {
		writeStanza(&opening, "recipient-stanza", append([]string{"0", s.Type}, s.Args...), s.Body)
	}
	writeStanza(&opening, "done", nil, nil)
	key, err := (&dialog{in: in, reader: newReader(out)}).unwrap(opening.Bytes())
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel() // it has said everything, or nothing that can be understood
	_ = command.Wait()
	switch {
	case late:
		return nil, fmt.Errorf("%s took longer than %v: a plug-in that waits for a person is of no use here", i.path, i.deadline)
	case key != nil:
		return key, nil
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, err
	default:
		return nil, fmt.Errorf("%s: %w", i.path, err)
	}
}

// printable is a plug-in's message on one line, cut.
func printable(text []byte) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, line[:min(len(line), 200)])
}
