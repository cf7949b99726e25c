// Package gitea runs a real Gitea with one user, infra, for tests: Start, then Token and Call. The program is the one that
// scripts/gitea.sh builds.
package gitea

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/secret"
)

// User is the name of the user. The user's password is only for the web pages, which no test opens.
const User = "infra"

// Server is a running Gitea.
type Server struct {
	URL string

	program, settings string
	env               []string
	words             bytes.Buffer // of the server; read after its end
	ended             chan struct{}
}

// settings of a Gitea in a directory: the directory, a port, a URL, and the directory of the build.
const settings = `WORK_PATH = %[1]s
RUN_MODE = prod
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[2]s
ROOT_URL = %[3]s/
STATIC_ROOT_PATH = %[4]s
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = %[1]s/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = of-a-test
[log]
MODE = console
LEVEL = error
[cron]
ENABLED = false
`

// Start runs a Gitea that keeps its data in dir, until ctx ends, and returns when the Gitea answers. built is what
// scripts/gitea.sh prints.
func Start(ctx context.Context, built, dir string) (*Server, error) {
	port, err := ports.Free(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://127.0.0.1:" + port, program: filepath.Join(built, "gitea"), settings: filepath.Join(dir, "app.ini"),
		env:   append(os.Environ(), "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true", "HOME="+dir, "USER="+os.Getenv("USER")),
		ended: make(chan struct{})}
	if err := os.WriteFile(s.settings, fmt.Appendf(nil, settings, dir, port, s.URL, built), 0o600); err != nil {
		return nil, fmt.Errorf("gitea: %w", err)
	}
	for _, arguments := range [][]string{{"migrate"}, {"admin", "user", "create", "--username", User, "--password", "a-Password-of-a-test",
		"--email", "infra@example.com", "--must-change-password=false"}} {
		if _, err := s.run(ctx, arguments...); err != nil {
			return nil, err
		}
	}
	server := exec.CommandContext(ctx, s.program, "--config", s.settings, "web")
	server.Env, server.Stdout, server.Stderr = s.env, &s.words, &s.words
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("gitea: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = server.Wait() // the server is killed
	}()
	return s, s.awaitAPI(ctx)
}

// Words waits for the end of the Gitea, and gives what the Gitea said.
func (s *Server) Words() string {
	<-s.ended
	return s.words.String()
}

// run runs a command of Gitea and gives its output.
func (s *Server) run(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, s.program, append([]string{"--config", s.settings}, arguments...)...)
	command.Env = s.env
	var words bytes.Buffer
	command.Stderr = &words
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("gitea %s: %w: %s %s", arguments[0], err, out, words.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// Token makes a token of the user with scopes, such as write:repository,write:user.
func (s *Server) Token(ctx context.Context, name, scopes string) (secret.Value, error) {
	out, err := s.run(ctx, "admin", "user", "generate-access-token", "--username", User, "--token-name", name, "--scopes", scopes, "--raw")
	words := strings.Fields(out)
	if err != nil || len(words) == 0 {
		return secret.Value{}, errors.Join(err, errors.New("gitea: no token"))
	}
	return secret.New(words[len(words)-1]), nil
}

// awaitAPI waits up to a minute until the server answers.
func (s *Server) awaitAPI(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.Call(ctx, secret.Value{}, Call{Method: http.MethodGet, Path: "/version"}, &struct{}{})
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return errors.New("gitea ended: " + s.words.String())
		case <-ctx.Done():
			return fmt.Errorf("gitea does not answer within a minute: %w", err)
		}
	}
}

// Call is a call of the API; Path is the part of the URL behind /api/v1.
type Call struct{ Method, Path, Body string }

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 16 << 20

// Call calls the API with a token, which may be empty, and decodes the answer, unless the answer is empty.
func (s *Server) Call(ctx context.Context, token secret.Value, c Call, into any) error {
	request, err := http.NewRequestWithContext(ctx, c.Method, s.URL+"/api/v1"+c.Path, strings.NewReader(c.Body))
	if err != nil {
		return fmt.Errorf("gitea: %w", err)
	}
	if !token.Empty() {
		request.Header.Set("Authorization", "token "+token.Reveal())
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("gitea: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || response.StatusCode >= 300 {
		return errors.Join(fmt.Errorf("gitea: %s %s: %s %s", c.Method, c.Path, response.Status, text), err)
	}
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("gitea: %s %s: %w: %s", c.Method, c.Path, err, text)
	}
	return nil
}
