package console_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/boot/logins"
	"github.com/gitmetal/ingot/internal/lab/serial"
	"github.com/gitmetal/ingot/internal/secret"
)

// patience bounds every wait of a test.
const patience = 3 * time.Minute

var password = secret.New("correct horse")

func good(user string, given secret.Value) bool { return user == "admin" && given.Equal(password) }

// says streams a text, then ends.
func says(text string) func(context.Context, io.Writer) error {
	return func(_ context.Context, out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	}
}

// bmc is a served console.
type bmc struct {
	*serial.Server
	target console.Target
}

func serve(t *testing.T, config serial.Config) *bmc {
	t.Helper()
	if config.Check == nil {
		config.Check = good
	}
	server, err := serial.New(config)
	if err != nil {
		t.Fatal(err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ctx, listener) // it ends when it is told to
	}()
	t.Cleanup(func() { cancel(); <-done })
	return &bmc{server, console.Target{Address: listener.Addr().String(), Fingerprint: server.Fingerprint(), Username: "admin", Password: password, Entry: config.Entry,
		Account: logins.AccountAt(listener.Addr().String(), "admin")}}
}

// output keeps what was read.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

func read(t *testing.T, target console.Target, limits console.Limits) (said string, begun int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if limits.Connect == 0 {
		limits.Connect = patience
	}
	var out output
	err = console.Read(ctx, target, limits, console.Reading{Out: &out, Begun: func() { begun++ }})
	return out.String(), begun, err
}

func kind(err error) console.Kind {
	if said := new(console.Error); errors.As(err, &said) {
		return said.Kind
	}
	return ""
}

// A port that is the console: it is read to its end, and nothing is written to it.
func TestReadsARawConsole(t *testing.T) {
	t.Parallel()
	for _, interactive := range []func(*serial.Config){func(*serial.Config) {}, func(c *serial.Config) { c.Interactive = true }} {
		config := serial.Config{Stream: says("GRUB loading\r\nlogin: ")}
		interactive(&config)
		b := serve(t, config)
		said, begun, err := read(t, b.target, console.Limits{})
		if said != "GRUB loading\r\nlogin: " || begun != 1 || kind(err) != console.Ended {
			t.Errorf("Read gave %q, began %d times, %v", said, begun, err)
		}
		if got := b.Counts(); got.Logins != 1 || b.Typed() != "" {
			t.Errorf("%+v, and it was sent %q: want one login and nothing typed", got, b.Typed())
		}
	}
}

// A console behind the BMC's command line is entered by one line, and nothing else is written.
func TestEntersASharedConsole(t *testing.T) {
	t.Parallel()
	b := serve(t, serial.Config{Entry: "console com2", Stream: says("kernel\r\n")})
	said, _, err := read(t, b.target, console.Limits{})
	if said != "bmc> kernel\r\n" || b.Typed() != "console com2\r" || kind(err) != console.Ended {
		t.Errorf("Read gave %q, typed %q, %v", said, b.Typed(), err)
	}
	b.target.Entry = "console\nreboot"
	if _, _, err := read(t, b.target, console.Limits{}); kind(err) != console.Refused || b.Counts().Sessions != 1 {
		t.Errorf("an entry of two lines: %v, %+v", err, b.Counts())
	}
}

// A BMC that shows another host key gets no password, and the error names what it showed. One with several keys is asked for each type.
func TestTheHostKeyIsPinned(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, serial.Config{Stream: says("hello"), More: []ssh.Signer{other}})
	second := ssh.FingerprintSHA256(other.PublicKey())
	wrong := b.target
	wrong.Fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	_, begun, err := read(t, wrong, console.Limits{})
	if kind(err) != console.WrongKey || begun != 0 || b.Counts().Logins != 0 {
		t.Errorf("%v, %+v: want another host key, and no login tried", err, b.Counts())
	}
	for _, want := range []string{b.Fingerprint(), second, wrong.Fingerprint, "no password was sent"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if keys, err := console.ReadFingerprints(t.Context(), b.target.Address, console.Limits{}); !slices.Equal(keys, []string{b.Fingerprint(), second}) || b.Counts().Logins != 0 {
		t.Errorf("its keys are %q, %v, after %+v", keys, err, b.Counts())
	}
	wrong.Fingerprint = second
	if said, _, err := read(t, wrong, console.Limits{}); said != "hello" {
		t.Errorf("with its other key pinned: %q, %v", said, err)
	}
}

// A password that is refused is sent once, and is not in the error.
func TestARefusedPasswordIsSentOnce(t *testing.T) {
	t.Parallel()
	b := serve(t, serial.Config{Stream: says("hello")})
	b.target.Password = secret.New("battery staple")
	said, _, err := read(t, b.target, console.Limits{})
	if kind(err) != console.Unauthorized || said != "" || b.Counts().Logins != 1 || strings.Contains(err.Error(), "battery") {
		t.Errorf("%q, %v, %+v; want one login, refused", said, err, b.Counts())
	}
	if _, _, err := read(t, b.target, console.Limits{}); kind(err) != console.Unauthorized || b.Counts().Logins != 1 {
		t.Errorf("again at once: %v, %+v; want no login: the password was refused", err, b.Counts())
	}
}

// A BMC that takes connections and says nothing, one that is no SSH server, and one that is away.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, says string
		kind       console.Kind
	}{{"says nothing", "", console.Unreachable}, {"is no SSH server", "HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("x", 1<<20), console.Refused}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var listen net.ListenConfig
			listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, test.says)
					defer conn.Close()
				}
			}()
			target := console.Target{Address: listener.Addr().String(), Fingerprint: "SHA256:x", Username: "admin", Password: password}
			limits := console.Limits{Connect: patience}
			if test.says == "" {
				limits.Connect = 300 * time.Millisecond
			}
			if keys, err := console.ReadFingerprints(t.Context(), target.Address, limits); len(keys) > 0 || kind(err) != test.kind {
				t.Errorf("its keys are %q, %v, want %s", keys, err, test.kind)
			}
			if _, _, err := read(t, target, limits); kind(err) != test.kind {
				t.Errorf("%v, want %s", err, test.kind)
			}
		})
	}
}

// What a BMC says as it hangs up is a line of text, of bounded length.
func TestItsLastWordsAreText(t *testing.T) {
	t.Parallel()
	b := serve(t, serial.Config{Stream: says(""), Reject: "\x1b[2J\x1b]0;owned\a\r\n\u202e" + strings.Repeat("x", 10_000)})
	_, _, err := read(t, b.target, console.Limits{})
	if kind(err) != console.Refused || !strings.Contains(err.Error(), "xxx") || len(err.Error()) > 1000 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) && r != utf8.RuneError }) {
		t.Errorf("%q, want it refused", err)
	}
}

// A BMC that dies without a word while its console is read is noticed.
func TestASilentDeathIsNoticed(t *testing.T) {
	t.Parallel()
	var feed serial.Feed
	b := serve(t, serial.Config{Stream: feed.Stream, Deaf: true})
	_, begun, err := read(t, b.target, console.Limits{Quiet: 50 * time.Millisecond, Answer: 200 * time.Millisecond})
	if kind(err) != console.Ended || begun != 1 {
		t.Errorf("began %d times, %v; want it to have ended", begun, err)
	}
}

// A console in which nothing happens is kept as long as the BMC answers.
func TestAQuietConsoleLives(t *testing.T) {
	t.Parallel()
	quiet := make(chan struct{})
	b := serve(t, serial.Config{Stream: func(ctx context.Context, out io.Writer) error {
		select {
		case <-quiet:
		case <-ctx.Done():
		}
		return says("at last")(ctx, out)
	}})
	timer := time.AfterFunc(time.Second, func() { close(quiet) }) // twenty signs of life, on a quick machine
	defer timer.Stop()
	if said, _, err := read(t, b.target, console.Limits{Quiet: 50 * time.Millisecond}); said != "at last" {
		t.Errorf("%q, %v", said, err)
	}
}

// Reading ends with its context, whatever the BMC does, and with what cannot be kept.
func TestReadingEnds(t *testing.T) {
	t.Parallel()
	flood := func(ctx context.Context, out io.Writer) error {
		for piece := bytes.Repeat([]byte("x"), 32<<10); ctx.Err() == nil; {
			if _, err := out.Write(piece); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	b := serve(t, serial.Config{Stream: flood})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := console.Read(ctx, b.target, console.Limits{}, console.Reading{Out: io.Discard, Begun: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was ended", err)
	}
	full := errors.New("no space left")
	reading := console.Reading{Out: failing{full}, Begun: func() {}}
	if err := console.Read(t.Context(), b.target, console.Limits{}, reading); !errors.Is(err, full) {
		t.Errorf("%v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// However much a BMC says, no more is read than its session may, and all sessions together.
func TestTheRateIsBounded(t *testing.T) {
	t.Parallel()
	b := serve(t, serial.Config{Stream: says(strings.Repeat("x", 100_000))})
	for name, test := range map[string]struct {
		limits console.Limits
		want   int
	}{
		"of the session":  {console.Limits{Rate: 1}, 8},
		"of all together": {console.Limits{Shared: rate.NewLimiter(0, 100)}, 100},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out := &ending{cancel: cancel}
		test.limits.Connect = patience
		if err := console.Read(ctx, b.target, test.limits, console.Reading{Out: out, Begun: func() {}}); !errors.Is(err, context.Canceled) || out.Len() != test.want {
			t.Errorf("%s: %d bytes, then %v, want %d at once", name, out.Len(), err, test.want)
		}
		cancel()
	}
}

// ending ends reading with the first that comes.
type ending struct {
	bytes.Buffer
	cancel func()
}

func (e *ending) Write(p []byte) (int, error) {
	defer e.cancel()
	return e.Buffer.Write(p)
}
