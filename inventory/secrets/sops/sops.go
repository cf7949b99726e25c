// Package sops opens Secrets with the sops program, for keys of other types than age's: PGP, the key services of clouds, Vault. The plaintext goes through a
// pipe and is never written; the program gets the environment that it is given and nothing else, and a deadline.
package sops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	Path string   // of the program; "" for none
	Env  []string // NAME=value, all there is of the environment: credentials, PATH for gpg
	// Keys are the types of keys that it may use, as they are called in the sops section. A file asks for what it likes, at an address that it names, with
	// the credentials of Env: what is not listed is not asked for.
	Keys []string
	// Vaults are the addresses that hc_vault and azure_kv keys may name.
	Vaults []string
}

// Deadline is how long one run may take, in which a key service may be asked.
const Deadline = 30 * time.Second

// maxWords is how many bytes of what the program says are told.
const maxWords = 400

// Open decrypts a Secret's document. Its values, below spec.data, must all be text. No error holds one.
func (p Program) Open(ctx context.Context, document []byte) (map[string]secret.Value, error) {
	if p.Path == "" {
		return nil, errors.New("no sops program is configured: set secrets.sops and secrets.keys in the daemon's configuration, or encrypt the Secret for an age recipient too")
	}
	if err := p.allows(document); err != nil {
		return nil, err
	}
	clear, err := p.decrypt(ctx, document)
	if err != nil {
		return nil, err
	}
	return values(clear)
}

func (p Program) decrypt(ctx context.Context, document []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	command := exec.CommandContext(ctx, p.Path, "decrypt", "--input-type", "yaml", "--output-type", "yaml", "/dev/stdin")
	clear, words := &limited{most: schemas.MaxFile}, &limited{most: maxWords, drop: true}
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(document), clear, words
	command.Env, command.Dir = p.Env, "/"
	if command.Env == nil {
		command.Env = []string{} // nil would be our own
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) } // and what it has started
	command.WaitDelay = time.Second
	switch err := command.Run(); {
	case clear.over:
		return nil, fmt.Errorf("%s gives more than %d bytes", p.Path, schemas.MaxFile)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s took longer than %v: check the key service that the Secret names", p.Path, Deadline)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", p.Path, err, words.line())
	}
	return clear.text.Bytes(), nil
}

// limited keeps the beginning of what is written to it.
type limited struct {
	text bytes.Buffer
	most int
	drop bool // the rest, without an error
	over bool
}

var errOver = errors.New("too much output")

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
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

// line is all of it on one line, without what would not print.
func (l *limited) line() string {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(l.text.String(), "?"))
	return strings.Join(strings.Fields(text), " ")
}

var errClear = errors.New("what sops gives is not a Secret with a text for each key of spec.data: put numbers in quotes, and encrypt it again")

// values reads what the program gave. Its errors are of one kind: the text is all secret.
func values(clear []byte) (map[string]secret.Value, error) {
	var document struct {
		Spec struct {
			Data map[string]yaml.Node `yaml:"data"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(clear, &document); err != nil || len(document.Spec.Data) == 0 {
		return nil, errClear
	}
	data := map[string]secret.Value{}
	for key, node := range document.Spec.Data {
		if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
			return nil, errClear
		}
		data[key] = secret.New(node.Value)
	}
	return data, nil
}
