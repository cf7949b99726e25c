// Package sops opens Secrets with the sops program, for keys of other types than age's: PGP, the key services of
// clouds, Vault. Call Program.OpenSecret. The plaintext goes through a pipe and is never written. The program gets only
// the given environment, and a deadline: do not pass on the daemon's environment.
package sops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

// Program is how sops is run.
type Program struct {
	Path string   // path of the program; "" for none
	Env  []string // NAME=value, the whole environment: credentials, PATH for gpg
	// Keys are the types of keys that the program may use, as the sops section calls them. A file names any key at any
	// address, and the program would ask with the credentials of Env: unlisted types are refused.
	Keys []string
	// Vaults are the addresses that hc_vault and azure_kv keys may name.
	Vaults []string
}

// Deadline is the longest run, which may ask a key service.
const Deadline = 30 * time.Second

// maxWords is the most bytes of the program's messages that are reported.
const maxWords = 400

// OpenSecret decrypts a Secret's document. The values below spec.data must all be text. No error holds a value.
func (p Program) OpenSecret(ctx context.Context, document []byte) (map[string]secret.Value, error) {
	if p.Path == "" {
		return nil, errors.New("no sops program is configured: set secrets.sops and secrets.keys in the daemon's " +
			"configuration, or encrypt the Secret for an age recipient too")
	}
	if err := p.checkKeys(document); err != nil {
		return nil, err
	}
	clear, err := p.runDecrypt(ctx, document)
	if err != nil {
		return nil, err
	}
	return readValues(clear)
}

func (p Program) runDecrypt(ctx context.Context, document []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	command := exec.CommandContext(ctx, p.Path, "decrypt", "--input-type", "yaml", "--output-type", "yaml",
		"/dev/stdin")
	clear, words := &limitedBuffer{most: schemas.MaxFile}, &limitedBuffer{most: maxWords, drop: true}
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(document), clear, words
	command.Env, command.Dir = p.Env, "/"
	if command.Env == nil {
		command.Env = []string{} // nil would mean the daemon's environment
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// kills the children too
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	switch err := command.Run(); {
	case clear.over:
		return nil, fmt.Errorf("%s gives more than %d bytes", p.Path, schemas.MaxFile)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s took longer than %v: check the key service that the Secret names", p.Path, Deadline)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", p.Path, err, words.printableLine())
	}
	return clear.text.Bytes(), nil
}

// limitedBuffer keeps the beginning of its input.
type limitedBuffer struct {
	text bytes.Buffer
	most int
	drop bool // drops the rest without an error
	over bool
}

var errOver = errors.New("too much output")

// Write implements io.Writer.
func (l *limitedBuffer) Write(b []byte) (int, error) {
	room := l.most - l.text.Len()
	l.text.Write(b[:min(len(b), room)])
	if len(b) > room {
		l.over = true
		if !l.drop {
			return room, errOver
		}
	}
	return len(b), nil
}

// printableLine is the text on one line, without unprintable characters.
func (l *limitedBuffer) printableLine() string {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(l.text.String(), "?"))
	return strings.Join(strings.Fields(text), " ")
}

var errClear = errors.New("what sops gives is not a Secret with a text for each key of spec.data: " +
	"put numbers in quotes, and encrypt it again")

// readValues reads the program's output. There is only one error: the output is secret.
func readValues(clear []byte) (map[string]secret.Value, error) {
	var document struct {
		Spec struct {
			Data       map[string]yaml.Node `yaml:"data"`
			BinaryData map[string]yaml.Node `yaml:"binaryData"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(clear, &document); err != nil || len(document.Spec.Data)+len(document.Spec.BinaryData) == 0 {
		return nil, errClear
	}
	data, values := map[string]secret.Value{}, map[string]yaml.Node{}
	maps.Copy(values, document.Spec.BinaryData)
	maps.Copy(values, document.Spec.Data)
	for key, node := range values {
		if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
			return nil, errClear
		}
		data[key] = secret.New(node.Value)
	}
	return data, nil
}
