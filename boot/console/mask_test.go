package console_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/secret"
)

// write writes a stream by so many bytes at a time, and looks at what is shown after each.
func write(t *testing.T, l *console.Log, stream string, size int, look func()) {
	t.Helper()
	for rest := stream; rest != ""; {
		n := min(size, len(rest))
		if _, err := io.WriteString(l, rest[:n]); err != nil {
			t.Fatal(err)
		}
		look()
		rest = rest[n:]
	}
}

// Secrets are masked, however they come.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	const token = "hunter2-hunter2"
	for _, size := range []int{1, 7, 1 << 20} {
		dir := console.Dir(t.TempDir())
		l := keep(t, dir, secrets(token, "first line\nsecond\n", "", "abcde"))
		stream := "a " + token + token + "\r\nhunt\x1b[1mer2-hunter2 abcde\n" + strings.Repeat("y", 1020) + token + "\nsecond\nhunter3\n" + token[:8]
		write(t, l, stream, size, func() {
			if shown := kept(t, dir) + l.PartialText(time.Now()); strings.Contains(shown, "hunter2") {
				t.Fatalf("by %d bytes it shows %q", size, shown)
			}
		})
		if err := l.WriteNote(time.Unix(0, 0), "failed: "+token+"\x1b[2J"); err != nil {
			t.Fatal(err)
		}
		got := kept(t, dir)
		want := "a ***\n*** abcde\n" + strings.Repeat("y", 1020) + "***\n***\n***\nhunter3\n***\n[1970-01-01T00:00:00Z] ingot: failed: ***\n"
		if got != want {
			t.Errorf("by %d bytes: %q, want %q", size, got, want)
		}
	}
}

// The ways in which a terminal, or who prints, may break or write a secret.
func TestFormsOfSecretsAreMasked(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	for i := range 20 {
		fmt.Fprintf(&long, "part%02d/of+it?", i)
	}
	const pass = "s3cr3t join=token/with & all?"
	s := "s3cr3t-join-token-" + long.String()
	both := func(head, tail string) string { return head + s[:30] + tail + s[30:] }
	standard, web := base64.StdEncoding, base64.URLEncoding
	for name, in := range map[string]string{
		"wrapped by a terminal": s[:80] + "\r\n" + s[80:160] + "\r\n" + s[160:],
		"wrapped with a space":  s[:80] + " \r" + s[80:],
		"indented":              s[:80] + "\r\n      " + s[80:160] + "\r\n      " + s[160:],
		"returned":              both("", "\r"),
		"cursor forward":        both("", "\x1b[C"),
		"coloured":              both("", "\x1b[1m"),
		"backspaced":            both("", "x\b"),
		"positioned":            both("\x1b[1;1H", "\x1b[1;31H"),
		"in a long line":        strings.Repeat("y", 1000) + " " + s,
		"base64":                standard.EncodeToString([]byte(s)),
		"base64 without an end": base64.RawStdEncoding.EncodeToString([]byte(s)),
		"base64 for the web":    web.EncodeToString([]byte(s)),
		"base64 of a line":      standard.EncodeToString([]byte(s + "\n")),
		"base64 of an account":  standard.EncodeToString([]byte("user:" + s)),
		"base64 of another":     web.EncodeToString([]byte("x" + s + "!")),
		"base64 in lines":       standard.EncodeToString([]byte(s))[:76] + "\n" + standard.EncodeToString([]byte(s))[76:],
		"percent":               "https://x/?token=" + url.QueryEscape(s) + "&y",
		"percent in lower case": "https://x/" + strings.ToLower(url.PathEscape(pass)) + "/y",
		"another's query":       "?p=" + url.QueryEscape(pass),
		"another's base64":      standard.EncodeToString([]byte("a:" + pass)),
	} {
		for _, size := range []int{1, 13, 1 << 20} {
			dir := console.Dir(t.TempDir())
			l := keep(t, dir, secrets(s, pass))
			write(t, l, "before "+in+"\r\nafter\r\n", size, func() {
				shown := kept(t, dir) + l.PartialText(time.Now())
				for _, part := range []string{s, pass, "s3cr3t-j", "part05", standard.EncodeToString([]byte(s))[20:30]} {
					if strings.Contains(shown, part) {
						t.Fatalf("%s, by %d bytes: it shows %q", name, size, shown)
					}
				}
			})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			got := strings.NewReplacer("***", "", "y", "", "\n", "", " ", "").Replace(kept(t, dir))
			for _, around := range []string{"before", "after", "https://x/", "?token=", "&", "?p="} {
				got = strings.Replace(got, around, "", 1)
			}
			if len(got) > 10 { // characters of base64 that are a neighbour's too
				t.Errorf("%s, by %d bytes: %q is left of %q", name, size, got, kept(t, dir))
			}
		}
	}
}

// What the kernel says in the middle of a secret hides no more of it than the piece it stands in.
func TestAnInterruptedSecret(t *testing.T) {
	t.Parallel()
	s := "0123456789abcdefGHIJKLMNOPQRSTUVWXYZ-_.~ghijklmn"
	dir := console.Dir(t.TempDir())
	l := keep(t, dir, secrets(s))
	write(t, l, s[:20]+"\n[   12.3] audit\n"+s[20:]+"\n", 1<<20, func() {})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := kept(t, dir); got != "***GHIJ\n[   12.3] audit\nKLMNOPQRSTUV***\n" {
		t.Errorf("it keeps %q", got)
	}
}

// What may be the beginning of a secret is not shown for a moment. If nothing follows, it is shown when it is too short to be one.
func TestABeginningIsHeldBack(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"ok\nlogin: hunt":          {"ok\nlogin:", "ok\nlogin: hunt"},
		"ok\nlogin: hunter2":       {"ok\nlogin:", "ok\nlogin: ***"},
		"ok\nhun\nter\n":           {"ok\n", "ok\n***\n***\n"},
		"ok\nhunt\nor not\n":       {"ok\nhunt\nor not\n", "ok\nhunt\nor not\n"},
		"ok\nhunter2-hunter2\nx\n": {"ok\n***\nx\n", "ok\n***\nx\n"},
	} {
		dir := console.Dir(t.TempDir())
		l := keep(t, dir, secrets("hunter2-hunter2"))
		write(t, l, text, 1<<20, func() {})
		now := time.Now()
		if got := kept(t, dir) + l.PartialText(now.Add(-time.Hour)); got != want[0] { // however slow this test is
			t.Errorf("of %q is shown %q, want %q", text, got, want[0])
		}
		if got := kept(t, dir) + l.PartialText(now.Add(time.Hour)); got != want[1] {
			t.Errorf("later is shown of %q %q, want %q", text, got, want[1])
		}
	}
}

// A secret that becomes known while a log is open is masked from then on.
func TestALaterSecret(t *testing.T) {
	t.Parallel()
	dir := console.Dir(t.TempDir())
	masked := secrets()
	l := keep(t, dir, masked)
	write(t, l, "it is sword", 1<<20, func() {})
	masked.Add(secret.New("swordfish"))
	write(t, l, "fish\n", 1<<20, func() {})
	if got := kept(t, dir) + l.PartialText(time.Now()); got != "it is ***\n" {
		t.Errorf("it shows %q", got)
	}
}

// However much of a secret's beginning, and of nothing, comes: what is held back is bounded, and work is in proportion to what came.
func TestBeginningsWithoutEnd(t *testing.T) {
	t.Parallel()
	dir := console.Dir(t.TempDir())
	l := keep(t, dir, secrets(strings.Repeat("a", 4096), strings.Repeat("ab", 2048), "bbbbbb"))
	for range 4 {
		write(t, l, "b"+strings.Repeat(" ", 100_000)+strings.Repeat("\n \n", 10_000)+strings.Repeat("a\n", 50_000)+strings.Repeat("a", 100_000), 8<<10, func() {
			if n := len(l.PartialText(time.Time{})); n > 32<<10 {
				t.Fatalf("%d bytes are held back", n)
			}
		})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := kept(t, dir); strings.Contains(got, "aaaaaa") {
		t.Error("a secret is shown")
	}
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{0, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			masked := secrets()
			for i := range n {
				masked.Add(secret.New(fmt.Sprintf("a-secret-of-some-length-%d", i)))
			}
			l, err := console.Dir(b.TempDir()).Open("web-03", masked)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = l.Close() })
			line := []byte("[    1.234567] systemd[1]: Started a-service.service - a service of some kind, or other.\r\n")
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				_, _ = l.Write(line)
			}
		})
	}
}

// TestATextIsMasked masks what BMCs quote in their errors.
func TestATextIsMasked(t *testing.T) {
	t.Parallel()
	known := secrets("correct horse battery")
	basic := base64.StdEncoding.EncodeToString([]byte("admin:correct horse battery"))
	for said, want := range map[string]string{
		"": "", "refused (400)": "refused (400)",
		"login admin:correct horse battery failed": "login admin:" + secret.Mask + " failed",
		"got Authorization: Basic " + basic:        "got Authorization: Basic " + basic[:8] + secret.Mask,
		"cut off: correct hor":                     "cut off: " + secret.Mask,
		"two\ncorrect horse battery\nlines":        "two\n" + secret.Mask + "\nlines",
		"password=correct+horse+battery&x=1":       "password=" + secret.Mask + "&x=1",
	} {
		if got := known.Mask(said); got != want {
			t.Errorf("Mask(%q) = %q, want %q", said, got, want)
		}
	}
}
