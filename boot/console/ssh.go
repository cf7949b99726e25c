package console

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"github.com/gitmetal/ingot/internal/secret"
)

// Target is one machine's console.
type Target struct {
	Address     string // host:port
	Fingerprint string // SHA256:… of the host key, as OpenSSH writes it
	Username    string
	Password    secret.Value
	Entry       string // the line that enters the console; "" where the port is the console itself
}

// Limits of a session; zero values are the defaults.
type Limits struct {
	Connect time.Duration // deadline of connecting, until the console is there; default 30 s
	Quiet   time.Duration // after so long the BMC is asked for a sign of life; default 30 s
	Answer  time.Duration // deadline of that sign; default 30 s
	Rate    int           // bytes a second that are read, over a longer time; default 16 KiB: a serial line of 115200 baud says 11
	Shared  *rate.Limiter // bounds what all sessions that have it read; nil: nothing does
}

// Kind says how reading failed.
type Kind string

// Kinds of failure.
const (
	Unreachable  Kind = "Unreachable"  // no answer within the deadline
	WrongKey     Kind = "WrongKey"     // it showed another host key: no password was sent
	Unauthorized Kind = "Unauthorized" // it refused the password
	Refused      Kind = "Refused"      // it gives no console
	Ended        Kind = "Ended"        // the console was there, and the connection ended
)

// Error is how Read fails.
type Error struct {
	Kind Kind
	Seen []string // WrongKey: the fingerprints of the host keys that it showed
	text string
	err  error
}

func (e *Error) Error() string { return e.text }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// keyType is a type of host key, and the algorithms that prove one.
type keyType struct {
	kind  string
	proof []string
}

// hostKeys are the types of host keys, those preferred first. A BMC has keys of several types, and any may be the pinned one.
var hostKeys = []keyType{
	{ssh.KeyAlgoED25519, []string{ssh.KeyAlgoED25519}},
	{ssh.KeyAlgoECDSA256, []string{ssh.KeyAlgoECDSA256}},
	{ssh.KeyAlgoECDSA384, []string{ssh.KeyAlgoECDSA384}},
	{ssh.KeyAlgoECDSA521, []string{ssh.KeyAlgoECDSA521}},
	{ssh.KeyAlgoRSA, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}},
}

// Read connects and copies what the console says to out, until the connection ends or ctx does; begun is called once the console is there. The error is
// never nil: it is ctx's, out's, or an *Error.
func Read(ctx context.Context, t Target, l Limits, read Reading) error {
	if len(t.Entry) > maxLine || strings.ContainsFunc(t.Entry, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &Error{Kind: Refused, text: fmt.Sprintf("%s names a command to enter the console that is not one line of text: update the BMC's firmware", t.Address)}
	}
	l = l.orDefault()
	client, err := login(ctx, t, l)
	if err == nil {
		defer func() { _ = client.Close() }() // it has ended
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return client.read(ctx, t.Entry, read)
}

// Fingerprints gives those of all host keys that a server shows, as OpenSSH writes them. Nobody is logged in.
func Fingerprints(ctx context.Context, address string, l Limits) ([]string, error) {
	_, err := login(ctx, Target{Address: address}, l.orDefault())
	if said := new(Error); errors.As(err, &said) && said.Kind == WrongKey {
		return said.Seen, nil
	}
	return nil, err
}

// Reading is where a console goes.
type Reading struct {
	Out   io.Writer
	Begun func()
}

func (l Limits) orDefault() Limits {
	for _, d := range []struct {
		set      *time.Duration
		fallback time.Duration
	}{{&l.Connect, 30 * time.Second}, {&l.Quiet, 30 * time.Second}, {&l.Answer, 30 * time.Second}} {
		if *d.set == 0 {
			*d.set = d.fallback
		}
	}
	if l.Rate == 0 {
		l.Rate = 16 << 10
	}
	return l
}

// client is a connection that has logged in.
type client struct {
	*ssh.Client
	conn   net.Conn
	limits Limits
}

// login connects until the BMC shows the pinned host key, with one type of key after the other, and logs in there.
func login(ctx context.Context, t Target, l Limits) (*client, error) {
	a := attempt{target: t, left: hostKeys}
	for {
		c, err := a.connect(ctx, l)
		if err == nil {
			return c, nil
		}
		failed := a.failure(err)
		if !a.again(failed) {
			return nil, failed
		}
	}
}

// attempt is what came of connecting so far.
type attempt struct {
	target Target
	left   []keyType
	seen   []string // fingerprints of other keys
	wrong  string   // type of the other key that was shown last
	right  bool     // the pinned key was shown
	sent   bool     // the password
	doing  string
}

var errKey = errors.New("another host key")

func (a *attempt) connect(ctx context.Context, l Limits) (*client, error) {
	a.wrong, a.doing = "", "connect"
	dialer := net.Dialer{Timeout: l.Connect}
	conn, err := dialer.DialContext(ctx, "tcp", a.target.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(l.Connect)) // a connection that has no deadline has ended
	a.doing = "log in"
	over, channels, requests, err := ssh.NewClientConn(conn, a.target.Address, a.config())
	if err != nil {
		return nil, errors.Join(err, closed(conn))
	}
	return &client{Client: ssh.NewClient(over, channels, requests), conn: conn, limits: l}, nil
}

func closed(conn net.Conn) error {
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (a *attempt) config() *ssh.ClientConfig {
	c := &ssh.ClientConfig{User: a.target.Username, HostKeyCallback: a.check, ClientVersion: "SSH-2.0-ingot"}
	for _, key := range a.left {
		c.HostKeyAlgorithms = append(c.HostKeyAlgorithms, key.proof...)
	}
	c.Auth = []ssh.AuthMethod{ssh.PasswordCallback(a.password), ssh.KeyboardInteractive(a.answer)}
	return c
}

func (a *attempt) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	if subtle.ConstantTimeCompare([]byte(shown), []byte(a.target.Fingerprint)) == 1 {
		a.right = true
		return nil
	}
	a.wrong = key.Type()
	a.seen = append(a.seen, shown)
	return errKey
}

// password is sent once, whatever the ways in which the BMC asks for it: each refusal counts there towards locking the account.
func (a *attempt) password() (string, error) {
	if a.sent {
		return "", errors.New("the password was refused")
	}
	a.sent = true
	return a.target.Password.Reveal(), nil
}

func (a *attempt) answer(_, _ string, questions []string, echos []bool) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	if len(questions) != 1 || echos[0] {
		return nil, errors.New("it asks for more than a password")
	}
	password, err := a.password()
	return []string{password}, err
}

// again reports whether there may be another host key, the pinned one, and leaves out what was seen.
func (a *attempt) again(failed *Error) bool {
	if failed.Kind != WrongKey || a.wrong == "" {
		return false
	}
	before := len(a.left)
	a.left = slices.DeleteFunc(slices.Clone(a.left), func(key keyType) bool { return key.kind == a.wrong })
	return len(a.left) > 0 && len(a.left) < before
}

// failure says what went wrong, and what to do.
func (a *attempt) failure(err error) *Error {
	host, timeout := a.target.Address, new(net.Error)
	switch {
	case len(a.seen) > 0 && !a.right:
		return &Error{Kind: WrongKey, Seen: a.seen, err: err, text: fmt.Sprintf("%s shows the host key %s, pinned is %s: no password was sent. "+
			"If the BMC has a new key, compare and put it into spec.bmc.console.fingerprint; if not, somebody stands between", host, strings.Join(a.seen, " and "), a.target.Fingerprint)}
	case a.doing == "connect" || (errors.As(err, timeout) && (*timeout).Timeout()):
		return &Error{Kind: Unreachable, err: err, text: fmt.Sprintf("%s does not answer: see whether the BMC offers SSH there, and whether the daemon may reach it: %s", host, words(err))}
	case a.sent:
		return &Error{Kind: Unauthorized, err: err, text: fmt.Sprintf("%s refuses the credentials: see whether their account may use SSH and the serial console", host)}
	case a.right:
		return &Error{Kind: Refused, err: err, text: fmt.Sprintf("%s takes no password: enable password logins over SSH at the BMC: %s", host, words(err))}
	default:
		return &Error{Kind: Refused, err: err, text: fmt.Sprintf("%s speaks no SSH that is safe to use: update the BMC's firmware: %s", host, words(err))}
	}
}

// maxWords is the most of an error's words that is told, in bytes: some are the BMC's.
const maxWords = 300

// words are those of an error, as text of a line.
func words(err error) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		default:
			return utf8.RuneError
		}
	}, err.Error())
	return strings.ToValidUTF8(text[:min(len(text), maxWords)], "")
}

// read opens the console and copies it.
func (c *client) read(ctx context.Context, entry string, reading Reading) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	out := &slowed{ctx: ctx, out: reading.Out, end: c.conn, buckets: []*rate.Limiter{rate.NewLimiter(rate.Limit(c.limits.Rate), 8*c.limits.Rate)}}
	if c.limits.Shared != nil {
		out.buckets = append(out.buckets, c.limits.Shared)
	}
	session, err := c.shell(entry, out)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Error{Kind: Refused, err: err, text: fmt.Sprintf("%s gives no console: see whether it is enabled, and whether others have all its sessions: %s", c.RemoteAddr(), words(err))}
	}
	_ = c.conn.SetDeadline(time.Time{}) // from here on it must show signs of life
	reading.Begun()
	alive := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.keepAlive(alive)
	}()
	err = session.Wait()
	close(alive)
	_ = c.Close()
	<-ended
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if out.err != nil {
		return out.err
	}
	return &Error{Kind: Ended, err: err, text: fmt.Sprintf("the connection to %s ended", c.RemoteAddr())}
}

// shell has a session copy what it says to out. A terminal is asked for because some BMCs have a console for nothing else.
func (c *client) shell(entry string, out io.Writer) (*ssh.Session, error) {
	session, err := c.NewSession()
	if err != nil {
		return nil, err
	}
	enter := "\r"
	if session.RequestPty("vt100", 50, 200, ssh.TerminalModes{ssh.ECHO: 0}) != nil {
		enter = "\n"
	}
	session.Stdout, session.Stderr = out, io.Discard
	in, err := session.StdinPipe() // kept open: its end would end the console
	if err != nil {
		return nil, err
	}
	if err := session.Shell(); err != nil {
		return nil, err
	}
	if entry != "" {
		_, err = io.WriteString(in, entry+enter)
	}
	return session, err
}

// keepAlive asks for signs of life until done, and ends a connection that gives none.
func (c *client) keepAlive(done <-chan struct{}) {
	tick := time.NewTicker(c.limits.Quiet)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		late := time.AfterFunc(c.limits.Answer, func() { _ = c.conn.Close() })
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil) // whatever the answer is
		late.Stop()
		if err != nil {
			return
		}
	}
}

// slowed hands on no more than the limits allow, and remembers why it failed.
type slowed struct {
	ctx     context.Context
	out     io.Writer
	end     io.Closer // the connection: there is no use for what comes after a failure
	buckets []*rate.Limiter
	err     error
}

func (s *slowed) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) && s.err == nil {
		n := len(p) - done
		for _, b := range s.buckets {
			n = min(n, b.Burst())
		}
		for _, b := range s.buckets {
			s.err = errors.Join(s.err, b.WaitN(s.ctx, n))
		}
		if s.err == nil {
			n, s.err = s.out.Write(p[done : done+n])
			done += n
		}
	}
	if s.err != nil {
		_ = s.end.Close()
	}
	return done, s.err
}
