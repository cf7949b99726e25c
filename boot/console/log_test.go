package console_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/lab/serial"
	"github.com/gitmetal/ingot/internal/secret"
)

// secrets are those to mask.
func secrets(texts ...string) *console.Secrets {
	s := new(console.Secrets)
	for _, text := range texts {
		s.Add(secret.New(text))
	}
	return s
}

func keep(t *testing.T, dir console.Dir, masked *console.Secrets) *console.Log {
	t.Helper()
	l, err := dir.Open("web-03", masked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func kept(t *testing.T, dir console.Dir) string {
	t.Helper()
	text, err := dir.Read("web-03")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is made of a stream, whether it comes at once or byte by byte.
func TestWhatIsKeptIsText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, stream, want string }{
		{"lines", "a\nb\r\nc\n", "a\nb\nc\n"},
		{"no end", "login: ", "login:\n"},
		{"empty lines", "a\n\n \n\t\n\r\n\nb\n", "a\n\nb\n"},
		{"written again", "10%\r20%\r\nend\n", "10%\n20%\nend\n"},
		{"back", "-\b\\\b|\bdone\n\b\b", "done\n"},
		{"colours", "\x1b[1;32m  OK  \x1b[0m Started\x1b[K\n", "  OK   Started\n"},
		{"the cursor goes elsewhere", "\x1b[2J\x1b[1;1HGNU GRUB\x1b[3;5Hfirst\x1b[4;5Hsecond\x1b[10;1H\n", "GNU GRUB\nfirst\nsecond\n\n"},
		{"a title", "\x1b]0;owned\aa\x1b]2;x\x1b\\b\n", "ab\n"},
		{"a title without an end", "\x1b]0;owned\nb\n", "\nb\n"},
		{"a device string", "\x1bPq#0;2;0\x1b\\x\x1b_apc\x1b\\y\x1b^pm\x1b\\z\n", "xyz\n"},
		{"answers asked for", "\x1b[6n\x1b[c\x1bZ\x05a\n", "a\n"},
		{"another character set", "\x1b(0a\x1b(B\x0eb\x0f\n", "ab\n"},
		{"a command cut short", "\x1b[31\nb\x1b", "\nb\n"},
		{"controls", "a\x00\x01\x07\x0b\x0c\x7fb\n", "ab\n"},
		{"C1", "a\u009b31mb\u0085c\n", "ab\ufffdc\n"},
		{"no UTF-8", "\xff\xfea\xc3\n\xe2\x82", "\ufffd\ufffda\ufffd\n"},
		{"other letters", "größe 大 \u00a0x\n", "größe 大 \ufffdx\n"},
		{"direction", "a\u202eb\u2066c\u200b\u2028d\n", "a\ufffdb\ufffdc\ufffd\ufffdd\n"},
	} {
		for _, size := range []int{1, 1 << 20} {
			dir := console.Dir(t.TempDir())
			l := keep(t, dir, secrets())
			for rest := []byte(test.stream); len(rest) > 0; {
				n := min(size, len(rest))
				if _, err := l.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got := kept(t, dir); got != test.want {
				t.Errorf("%s, by %d bytes: %q, want %q", test.name, size, got, test.want)
			}
		}
	}
}

// A line that is being written is shown, as a prompt must be, and is in the file once it ends.
func TestAPromptIsShown(t *testing.T) {
	t.Parallel()
	dir := console.Dir(t.TempDir())
	l := keep(t, dir, secrets())
	_, _ = io.WriteString(l, "Debian\nlogin: ")
	if got := kept(t, dir) + l.PartialText(time.Now()); got != "Debian\nlogin:" {
		t.Errorf("it shows %q", got)
	}
}

// What is kept outlives the process, and is continued by the next.
func TestTheLogIsContinued(t *testing.T) {
	t.Parallel()
	dir := console.Dir(filepath.Join(t.TempDir(), "consoles"))
	if got := kept(t, dir); got != "" {
		t.Errorf("before anything came: %q", got)
	}
	var want strings.Builder
	for i := range 3 {
		l := keep(t, dir, secrets())
		for j := range 5000 {
			line := fmt.Sprintf("run %d line %d of a console\n", i, j)
			want.WriteString(line)
			_, _ = io.WriteString(l, line)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := kept(t, dir)
	if !strings.HasSuffix(want.String(), got) || !strings.HasSuffix(want.String()[:want.Len()-len(got)], "\n") {
		t.Errorf("it keeps %q… to …%q, not whole lines from the end", got[:60], got[len(got)-60:])
	}
	if len(got) > console.KeptBytes || len(got) < console.KeptBytes/2 {
		t.Errorf("it keeps %d bytes, want between %d and %d", len(got), console.KeptBytes/2, console.KeptBytes)
	}
	info, err := os.Stat(filepath.Join(string(dir), "web-03.log"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
}

func TestAHostThatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := console.Dir(t.TempDir())
	for _, host := range []string{"", "..", "../x", "a/b", ".hidden"} {
		if _, err := dir.Open(host, secrets()); err == nil {
			t.Errorf("%q is taken for a name", host)
		}
		if text, err := dir.Read(host); text != "" || err != nil {
			t.Errorf("Read(%q) = %q, %v", host, text, err)
		}
	}
}

// A machine that floods its console with 100 MB, without a line's end, with what is no text: memory and files are bounded, and it is read to its end.
func TestAFlood(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	b := serve(t, serial.Config{Stream: func(_ context.Context, out io.Writer) error {
		piece := bytes.Repeat([]byte("x\xff\x1b[31m\x1b]0;"), 4<<10)
		long := bytes.Repeat([]byte("z"), len(piece))
		for sent := 0; sent < size; sent += len(piece) {
			part := piece
			if sent < 10<<20 {
				part = long
			}
			if _, err := out.Write(part); err != nil {
				return err
			}
		}
		_, err := io.WriteString(out, "\nthe end\n")
		return err
	}})
	dir := console.Dir(t.TempDir())
	l := keep(t, dir, secrets())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	err := console.Read(ctx, b.target, console.Limits{Rate: 1 << 30, Quiet: time.Hour}, console.Reading{Out: l, Begun: func() {}})
	if kind(err) != console.Ended {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Errorf("%d MiB more are held", grown>>20)
	}
	onDisk := int64(0)
	for _, name := range []string{"web-03.log", "web-03.log.old"} {
		info, err := os.Stat(filepath.Join(string(dir), name))
		if err != nil {
			t.Fatal(err)
		}
		onDisk += info.Size()
	}
	got := kept(t, dir)
	if !strings.HasSuffix(got, "\nthe end\n") || onDisk > console.KeptBytes || len(got) > console.KeptBytes {
		t.Errorf("it keeps %d bytes, %d on disk, to …%q", len(got), onDisk, got[len(got)-20:])
	}
}

// Whatever comes: what is kept is lines of text of bounded length.
func FuzzLog(f *testing.F) {
	for _, seed := range []string{"a\r\nb", "\x1b[31mred\x1b[0m", "\x1b]0;t\a", "\xff\xc3\x28", "\u202e\u009b1m", strings.Repeat("x", 3000), "\b\b\r\r\x1b\x1b[["} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		dir := console.Dir(t.TempDir())
		l, err := dir.Open("web-03", secrets("s3cr3t", "a-longer-secret-of-36-bytes-or-more-x"))
		if err != nil {
			t.Fatal(err)
		}
		size = max(1, size)
		for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := l.Write(rest[:min(size, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		partial := l.PartialText(time.Now())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := dir.Read("web-03")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(text+partial, "\n") {
			if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) && r != utf8.RuneError }) || len(line) > 2<<10 || strings.Contains(line, "s3cr3t") {
				t.Errorf("%q of %q", line, stream)
			}
		}
	})
}
