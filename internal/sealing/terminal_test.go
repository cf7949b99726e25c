package sealing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/internal/sealing"
	"github.com/gitmetal/ingot/internal/secret"
)

// person sits at a terminal: for each question that ends in a text it types the next answer.
type person struct {
	keyboard *os.File // the other end of the terminal

	mu      sync.Mutex
	seen    bytes.Buffer // what stood on the screen, questions and echoes
	answers [][2]string  // what the question ends in, and what is typed then
}

func (p *person) Write(question []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen.Write(question)
	if len(p.answers) > 0 && strings.HasSuffix(string(question), p.answers[0][0]) {
		typed := p.answers[0][1]
		p.answers = p.answers[1:]
		if _, err := p.keyboard.WriteString(typed); err != nil {
			return 0, err
		}
	}
	return len(question), nil
}

// pseudoTerminal gives both ends of a terminal; screen gives all that it echoed once both are closed.
func pseudoTerminal(t *testing.T) (keyboard, terminal *os.File, screen func() string) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	echoed := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(keyboard) // ends with an error when the terminal is closed
		echoed <- string(text)
	}()
	return keyboard, terminal, func() string {
		_ = terminal.Close()
		text := <-echoed
		_ = keyboard.Close()
		return text
	}
}

func TestATerminalDoesNotShowValues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys    []string
		answers [][2]string
	}{
		"keys are asked for": {nil, [][2]string{{"end: ", "username\n"}, {"shown: ", "hunter2\n"}, {"end: ", " password \n"}, {"shown: ", "hunter2 #x\n"}, {"end: ", "\n"}}},
		"keys are given":     {[]string{"username", "password"}, [][2]string{{"shown: ", "hunter2\n"}, {"shown: ", "hunter2 #x\n"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keyboard, terminal, screen := pseudoTerminal(t)
			human := &person{keyboard: keyboard, answers: test.answers}
			values, err := sealing.Input{Keys: test.keys, In: terminal, Talk: human}.ReadValues(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]secret.Value{"username": secret.New("hunter2"), "password": secret.New("hunter2 #x")}
			for key, value := range want {
				if !values[key].Equal(value) {
					t.Errorf("%s = %q", key, values[key].Reveal())
				}
			}
			shown := screen()
			if strings.Contains(shown+human.seen.String(), "hunter2") || len(values) != len(want) {
				t.Errorf("%d values; the terminal showed %q", len(values), shown)
			}
			if test.keys == nil && !strings.Contains(shown, "username") {
				t.Errorf("the terminal showed %q, not even the key: the test proves nothing", shown)
			}
		})
	}
}

func TestATerminalIsLeftWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	keyboard, terminal, screen := pseudoTerminal(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	human := &person{keyboard: keyboard}
	cancel(why)
	if _, err := (sealing.Input{Keys: []string{"a"}, In: terminal, Talk: human}).ReadValues(ctx); !errors.Is(err, why) {
		t.Errorf("ReadValues = %v, want %v", err, why)
	}
	after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is left changed (%v)", err)
	}
	screen()
}
