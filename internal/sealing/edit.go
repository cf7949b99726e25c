package sealing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/inventory/secrets"
)

// Editor is a person with a text editor.
type Editor struct {
	Command string // as in $EDITOR: a program and its arguments; "" for vi
	In      io.Reader
	Out     io.Writer
	Talk    io.Writer // questions and errors
}

// EditSecret opens a Secret's file in the editor, in clear, and encrypts the file again for the same recipients. With
// an unchanged text nothing is written, and changed is false. A text that cannot be sealed is reported, and can be
// edited again.
func (e Editor) EditSecret(ctx context.Context, file string, keys secrets.Keys) (changed bool, err error) {
	document, err := readFile(file)
	if err != nil {
		return false, err
	}
	before, err := secrets.RevealText(document, keys)
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	names, err := secrets.ListRecipients(document)
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	recipients, err := secrets.ParseRecipients(names)
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	dir, err := e.makePrivateDir()
	if err != nil {
		return false, fmt.Errorf("make a private directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	draft := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(draft, before, 0o600); err != nil {
		return false, err
	}
	for {
		after, err := e.runEditor(ctx, draft)
		if err != nil || bytes.Equal(before, after) {
			return false, err
		}
		sealed, problem := sealText(file, after, document, recipients)
		if problem == nil {
			return true, replaceFile(file, sealed)
		}
		fmt.Fprintf(e.Talk, "%s cannot be sealed like this:\n%v\n", file, problem)
		if !e.askAgain() {
			return false, fmt.Errorf("%s: nothing was written, and the edited text is gone", file)
		}
	}
}

func (e Editor) askAgain() bool {
	fmt.Fprint(e.Talk, "edit it again? [Y/n] ")
	answer, err := readLine(e.In)
	answer = strings.ToLower(strings.TrimSpace(answer))
	return (err == nil && answer == "") || answer == "y" || answer == "yes"
}

// makePrivateDir makes a directory that only this user may read, in memory where the system has such a place.
func (e Editor) makePrivateDir() (string, error) {
	for _, parent := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm", os.TempDir()} {
		var about unix.Statfs_t
		if parent == "" || unix.Statfs(parent, &about) != nil || about.Type != unix.TMPFS_MAGIC {
			continue
		}
		if dir, err := os.MkdirTemp(parent, "ingot-secret-"); err == nil {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp("", "ingot-secret-")
	fmt.Fprintf(e.Talk, "note: there is no directory in memory: while you edit, the text is on the disk, in %s\n", dir)
	return dir, err
}

// runEditor runs the editor on a file, and gives the file's new content. The editor handles ^C itself, and therefore
// outlives a cancelled context.
func (e Editor) runEditor(ctx context.Context, draft string) ([]byte, error) {
	words := strings.Fields(e.Command)
	if len(words) == 0 {
		words = []string{"vi"}
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), words[0], append(words[1:], draft)...)
	command.Stdin, command.Stdout, command.Stderr = e.In, e.Out, e.Talk
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("the editor %s: %w: nothing was written; set EDITOR to another", words[0], err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("nothing was written: %w", context.Cause(ctx))
	}
	return readFile(draft)
}
