// Package serial is a virtual machine's serial console as a BMC offers it: an SSH server that checks the BMC's
// credentials and streams the serial port's output. New makes a Server, Server.Serve answers. Typed text is recorded
// and not passed on.
package serial

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/gitmetal/ingot/internal/secret"
)

// Config of a console.
type Config struct {
	// Check says whether an account may log in.
	Check func(user string, password secret.Value) bool
	// Stream writes the console to a reader until ctx ends; when Stream returns, the reader's session ends.
	Stream func(ctx context.Context, out io.Writer) error
	// Entry, if set, is the line that enters the console from a command line.
	Entry string
	// Interactive asks for passwords by a question, as some BMCs do.
	Interactive bool
	// Deaf leaves keepalives unanswered.
	Deaf bool
	// Reject, if set, is the answer to every request for a session.
	Reject string
	// More are further host keys.
	More []ssh.Signer
}

// Server is the console of a machine.
type Server struct {
	config Config
	key    ssh.Signer

	mu    sync.Mutex
	seen  Counts
	typed strings.Builder
}

// Counts are totals of a server.
type Counts struct {
	Connections, Logins, Sessions int // Logins with a password, right or wrong
}

// New makes a server with a new host key.
func New(config Config) (*Server, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("serial console: %w", err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("serial console: %w", err)
	}
	return &Server{config: config, key: key}, nil
}

// Fingerprint is the fingerprint of the server's host key, as OpenSSH writes it.
func (s *Server) Fingerprint() string { return ssh.FingerprintSHA256(s.key.PublicKey()) }

// Counts gives the totals so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Typed is the text typed into the sessions.
func (s *Server) Typed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.typed.String()
}

func (s *Server) updateCounts(change func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.seen)
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serve serial console on %s: %w", listener.Addr(), err)
		}
		connections.Go(func() { s.serveConn(ctx, conn) })
	}
}

func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	s.updateCounts(func(c *Counts) { c.Connections++ })
	over, channels, requests, err := ssh.NewServerConn(conn, s.sshConfig())
	if err != nil {
		return // a client that disconnects is no error
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	defer func() { _ = over.Close() }()
	parts.Go(func() { s.answerRequests(requests) })
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		if s.config.Reject != "" {
			_ = offered.Reject(ssh.ResourceShortage, s.config.Reject)
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		parts.Go(func() { s.serveSession(ctx, channel, asked) })
	}
}

func (s *Server) sshConfig() *ssh.ServerConfig {
	c := &ssh.ServerConfig{MaxAuthTries: 3}
	if s.config.Interactive {
		c.KeyboardInteractiveCallback = func(conn ssh.ConnMetadata,
			ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, err
			}
			return s.checkLogin(conn, []byte(answers[0]))
		}
	} else {
		c.PasswordCallback = s.checkLogin
	}
	c.AddHostKey(s.key)
	for _, key := range s.config.More {
		c.AddHostKey(key)
	}
	return c
}

func (s *Server) checkLogin(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	s.updateCounts(func(c *Counts) { c.Logins++ })
	if !s.config.Check(conn.User(), secret.New(string(password))) {
		return nil, fmt.Errorf("the account %q may not log in", conn.User())
	}
	return nil, nil
}

func (s *Server) answerRequests(requests <-chan *ssh.Request) {
	for request := range requests {
		if request.WantReply && !s.config.Deaf {
			_ = request.Reply(false, nil)
		}
	}
}

// serveSession streams the console once a shell was requested and the entry line, if there is one, was typed.
func (s *Server) serveSession(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	var reads sync.WaitGroup
	defer reads.Wait()
	defer cancel()
	defer func() { _ = channel.Close() }()
	entered := make(chan struct{})
	reads.Go(func() { s.readTyped(channel, entered) })
	shell := false
	for request := range requests {
		known := request.Type == "shell" && !shell || request.Type == "pty-req"
		if request.WantReply {
			_ = request.Reply(known, nil)
		}
		if known && request.Type == "shell" {
			shell = true
			reads.Go(func() {
				defer func() { _ = channel.Close() }()
				s.streamConsole(ctx, channel, entered)
			})
		}
	}
}

func (s *Server) streamConsole(ctx context.Context, out io.Writer, entered <-chan struct{}) {
	s.updateCounts(func(c *Counts) { c.Sessions++ })
	if s.config.Entry != "" {
		_, _ = io.WriteString(out, "bmc> ")
		select {
		case <-entered:
		case <-ctx.Done():
			return
		}
	}
	_ = s.config.Stream(ctx, out) // the reader went away
}

// readTyped records typed text, and closes entered at the line that enters the console.
func (s *Server) readTyped(in io.Reader, entered chan<- struct{}) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		s.mu.Lock()
		if s.typed.Len() < 1<<20 {
			s.typed.Write(b)
		}
		s.mu.Unlock()
		if b[0] != '\r' && b[0] != '\n' {
			line = append(line, b[0])
			continue
		}
		if entered != nil && string(line) == s.config.Entry {
			close(entered)
			entered = nil
		}
		line = line[:0]
	}
}
