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

	"github.com/gitmetal/ingot/boot/logins"
	"github.com/gitmetal/ingot/internal/secret"
)

// Target is a machine's console.
type Target struct {
	Address     string // host:port
	Fingerprint string // SHA256:… of the host key, as OpenSSH writes it
	Username    string
	Password    secret.Value
	Entry       string // the line that enters the console; "" where the port is the console itself
	// Account is the account of the BMC whose budget of failed logins the password is sent under.
	Account logins.Account
}

// Limits of a session; zero values mean the defaults.
type Limits struct {
	Connect time.Duration // deadline until the console is there; default 30 s
	Quiet   time.Duration // silence after which a keepalive is sent; default 30 s
	Answer  time.Duration // deadline of the keepalive's answer; default 30 s
	Rate    int           // bytes a second, averaged; default 16 KiB: a serial line at 115200 baud sends 11 KiB
	Shared  *rate.Limiter // bounds the sum over all sessions that share the limiter; nil: no bound
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// keyType is a type of host key, with the algorithms that prove such a key.
type keyType struct {
	kind  string
	proof []string
}

// hostKeys are the types of host keys, in the order of preference. A BMC has keys of several types, and any of them may
// be pinned.
var hostKeys = []keyType{
	{ssh.KeyAlgoED25519, []string{ssh.KeyAlgoED25519}},
	{ssh.KeyAlgoECDSA256, []string{ssh.KeyAlgoECDSA256}},
	{ssh.KeyAlgoECDSA384, []string{ssh.KeyAlgoECDSA384}},
	{ssh.KeyAlgoECDSA521, []string{ssh.KeyAlgoECDSA521}},
	{ssh.KeyAlgoRSA, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}},
}

// Read connects and copies the console's output to read.Out until the connection or ctx ends. read.Begun is called once
// the console is there. The error is never nil: ctx's error, the writer's error, or an *Error.
func Read(ctx context.Context, t Target, l Limits, read Reading) error {
	if len(t.Entry) > maxLine || strings.ContainsFunc(t.Entry, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &Error{Kind: Refused,
			text: fmt.Sprintf("%s names a command to enter the console that is not one line of text: update the BMC's "+
				"firmware", t.Address)}
	}
	l = l.withDefaults()
	if until := logins.Until(t.Account, logins.Console, t.Password, time.Now()); !until.IsZero() {
		return &Error{Kind: Unauthorized, text: fmt.Sprintf("the BMC of %s refused these credentials, or this account too often: "+
			"no login is tried before %s, so that the account is not locked", t.Address, until.UTC().Format(time.RFC3339))}
	}
	client, err := logIn(ctx, t, l)
	if said := new(Error); errors.As(err, &said) && said.Kind == Unauthorized {
		logins.Refused(t.Account, logins.Console, t.Password, time.Now())
	}
	if err == nil {
		logins.Accepted(t.Account)
		defer func() { _ = client.Close() }() // the session has ended
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return client.readConsole(ctx, t.Entry, read)
}

// ReadFingerprints gives the fingerprints of all host keys of a server, as OpenSSH writes them. No login is tried.
func ReadFingerprints(ctx context.Context, address string, l Limits) ([]string, error) {
	_, err := logIn(ctx, Target{Address: address}, l.withDefaults())
	if said := new(Error); errors.As(err, &said) && said.Kind == WrongKey {
		return said.Seen, nil
	}
	return nil, err
}

// Reading says where the console's output goes.
type Reading struct {
	Out   io.Writer
	Begun func()
}

func (l Limits) withDefaults() Limits {
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

// client is a logged-in connection.
type client struct {
	*ssh.Client
	conn   net.Conn
	limits Limits
}

// logIn connects with one type of host key after the other until the BMC shows the pinned key, and logs in there.
func logIn(ctx context.Context, t Target, l Limits) (*client, error) {
	a := attempt{target: t, left: hostKeys}
	for {
		c, err := a.connectOnce(ctx, l)
		if err == nil {
			return c, nil
		}
		failed := a.explainFailure(err)
		if !a.tryNextKey(failed) {
			return nil, failed
		}
	}
}

// attempt is the state of connecting so far.
type attempt struct {
	target Target
	left   []keyType // not tried yet
	seen   []string  // fingerprints of wrong keys
	wrong  string    // type of the wrong key shown last
	right  bool      // the pinned key was shown
	sent   bool      // the password was sent
	doing  string
}

var errKey = errors.New("another host key")

func (a *attempt) connectOnce(ctx context.Context, l Limits) (*client, error) {
	a.wrong, a.doing = "", "connect"
	dialer := net.Dialer{Timeout: l.Connect}
	conn, err := dialer.DialContext(ctx, "tcp", a.target.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(l.Connect)) // SetDeadline fails only on a closed connection
	a.doing = "log in"
	over, channels, requests, err := ssh.NewClientConn(conn, a.target.Address, a.sshConfig())
	if err != nil {
		return nil, errors.Join(err, closeConn(conn))
	}
	return &client{Client: ssh.NewClient(over, channels, requests), conn: conn, limits: l}, nil
}

func closeConn(conn net.Conn) error {
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (a *attempt) sshConfig() *ssh.ClientConfig {
	c := &ssh.ClientConfig{User: a.target.Username, HostKeyCallback: a.checkHostKey, ClientVersion: "SSH-2.0-ingot"}
	for _, key := range a.left {
		c.HostKeyAlgorithms = append(c.HostKeyAlgorithms, key.proof...)
	}
	c.Auth = []ssh.AuthMethod{ssh.PasswordCallback(a.passwordOnce), ssh.KeyboardInteractive(a.answerQuestions)}
	return c
}

func (a *attempt) checkHostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	if subtle.ConstantTimeCompare([]byte(shown), []byte(a.target.Fingerprint)) == 1 {
		a.right = true
		return nil
	}
	a.wrong = key.Type()
	a.seen = append(a.seen, shown)
	return errKey
}

// passwordOnce gives the password once, for any method the BMC asks by: every refusal counts at the BMC towards locking
// the account.
func (a *attempt) passwordOnce() (string, error) {
	if a.sent {
		return "", errors.New("the password was refused")
	}
	a.sent = true
	return a.target.Password.Reveal(), nil
}

func (a *attempt) answerQuestions(_, _ string, questions []string, echos []bool) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	if len(questions) != 1 || echos[0] {
		return nil, errors.New("it asks for more than a password")
	}
	password, err := a.passwordOnce()
	return []string{password}, err
}

// tryNextKey reports whether the BMC may have the pinned key under another type, and drops the type that was seen.
func (a *attempt) tryNextKey(failed *Error) bool {
	if failed.Kind != WrongKey || a.wrong == "" {
		return false
	}
	before := len(a.left)
	a.left = slices.DeleteFunc(slices.Clone(a.left), func(key keyType) bool { return key.kind == a.wrong })
	return len(a.left) > 0 && len(a.left) < before
}

// explainFailure says what went wrong, and what to do.
func (a *attempt) explainFailure(err error) *Error {
	host, timeout := a.target.Address, new(net.Error)
	switch {
	case len(a.seen) > 0 && !a.right:
		return &Error{Kind: WrongKey, Seen: a.seen, err: err,
			text: fmt.Sprintf("%s shows the host key %s, pinned is %s, so no password was sent: "+
				"if the BMC's own is the new one, put it into spec.bmc.console.fingerprint",
				host, strings.Join(a.seen, " and "), a.target.Fingerprint)}
	case a.doing == "connect" || (errors.As(err, timeout) && (*timeout).Timeout()):
		return &Error{Kind: Unreachable, err: err,
			text: fmt.Sprintf("%s does not answer: see whether the BMC offers SSH there, and whether the daemon may "+
				"reach it: %s", host, printableText(err))}
	case a.sent:
		return &Error{Kind: Unauthorized, err: err,
			text: fmt.Sprintf(
				"%s refuses the credentials: see whether their account may use SSH and the serial console", host)}
	case a.right:
		return &Error{Kind: Refused, err: err,
			text: fmt.Sprintf("%s takes no password: enable password logins over SSH at the BMC: %s", host,
				printableText(err))}
	default:
		return &Error{Kind: Refused, err: err,
			text: fmt.Sprintf("%s speaks no SSH that is safe to use: update the BMC's firmware: %s", host,
				printableText(err))}
	}
}

// maxWords bounds how much of an error's text is shown, in bytes: parts of the text are the BMC's.
const maxWords = 300

// printableText gives an error's text on a single line.
func printableText(err error) string {
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

// readConsole opens the console and copies its output.
func (c *client) readConsole(ctx context.Context, entry string, reading Reading) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	out := &limitedWriter{ctx: ctx, out: reading.Out, end: c.conn,
		buckets: []*rate.Limiter{rate.NewLimiter(rate.Limit(c.limits.Rate), 8*c.limits.Rate)}}
	if c.limits.Shared != nil {
		out.buckets = append(out.buckets, c.limits.Shared)
	}
	session, err := c.openShell(entry, out)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Error{Kind: Refused, err: err,
			text: fmt.Sprintf("%s gives no console: see whether it is enabled, and whether others have all its "+
				"sessions: %s", c.RemoteAddr(), printableText(err))}
	}
	_ = c.conn.SetDeadline(time.Time{}) // from here on keepAlive ends a dead connection
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

// openShell starts a session that copies the console's output to out. A terminal is requested because some BMCs give a
// console only with a terminal.
func (c *client) openShell(entry string, out io.Writer) (*ssh.Session, error) {
	session, err := c.NewSession()
	if err != nil {
		return nil, err
	}
	enter := "\r"
	if session.RequestPty("vt100", 50, 200, ssh.TerminalModes{ssh.ECHO: 0}) != nil {
		enter = "\n"
	}
	session.Stdout, session.Stderr = out, io.Discard
	in, err := session.StdinPipe() // kept open: closing stdin would end the console
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

// keepAlive sends keepalives until done, and closes a connection that does not answer.
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
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil) // any answer is a sign of life
		late.Stop()
		if err != nil {
			return
		}
	}
}
