package logs

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/joblogs"
)

// fake is a daemon with logs; more adds to them at each List.
type fake struct {
	list []joblogs.Operation
	text map[string]string
	more func(f *fake)
}

func (f *fake) List(context.Context, string) ([]joblogs.Operation, error) {
	if f.more != nil {
		f.more(f)
	}
	return f.list, nil
}

func (f *fake) Read(_ context.Context, _, operation, name string, from int64) ([]byte, error) {
	text, there := f.text[operation+"/"+name]
	if !there {
		return nil, errors.New("the daemon answers 500")
	}
	return []byte(text[from:]), nil
}

func (f *fake) add(operation int, file joblogs.File, text string) {
	file.Size, file.At = int64(len(text)), time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	f.list[operation].Files = append(f.list[operation].Files, file)
	f.text[f.list[operation].ID+"/"+file.Name] = text
}

func newFake() *fake {
	f := &fake{list: []joblogs.Operation{{ID: "b1c2"}, {ID: "a0a0"}}, text: map[string]string{}}
	f.add(0, joblogs.File{Name: "check-1.log", Step: "check", Attempt: 1, Output: true}, "12:00 no link\n")
	f.add(0, joblogs.File{Name: "install-1.log", Step: "install", Attempt: 1, Output: true}, "12:01 written\n")
	f.add(0, joblogs.File{Name: "check-1.journal.log", Step: "check", Attempt: 1}, "kernel: link down\n")
	f.add(1, joblogs.File{Name: "check-1.log", Step: "check", Attempt: 1, Output: true}, "the day before\n")
	return f
}

func (f *fake) do(ctx context.Context, o options) (out, talk string, err error) {
	var data, words bytes.Buffer
	err = (&reader{client: f, out: &data, talk: &words, options: o, host: "www"}).run(ctx)
	return data.String(), words.String(), err
}

func TestPrint(t *testing.T) {
	t.Parallel()
	const check, install = "==> step check, attempt 1 of operation b1c2 <==\n12:00 no link\n", "==> step install, attempt 1 of operation b1c2 <==\n12:01 written\n"
	for what, c := range map[string]struct {
		options options
		out     string
		talk    string
		err     string
	}{
		"the newest operation": {options{}, check + install, "1 more texts were collected, as check-1.journal.log", ""},
		"one step":             {options{step: "install"}, install, "1 more", ""},
		"another operation":    {options{operation: "a0"}, "==> step check, attempt 1 of operation a0a0 <==\nthe day before\n", "", ""},
		"no such operation":    {options{operation: "ff"}, "", "", "--list"},
		"one file":             {options{file: "check-1.journal.log"}, "kernel: link down\n", "", ""},
		"no such file":         {options{file: "x.log"}, "", "", "has no file"},
		"a list":               {options{list: true}, "a0a0       check-1.log          15    2026-11-30T12:00:00Z\n", "", ""},
	} {
		out, talk, err := newFake().do(t.Context(), c.options)
		if !strings.HasSuffix(out, c.out) || !strings.Contains(talk, c.talk) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %s\n%s", what, err, talk, out)
		}
	}
	empty := &fake{}
	if _, _, err := empty.do(t.Context(), options{}); err == nil || !strings.Contains(err.Error(), "nothing is kept of host www") {
		t.Errorf("without logs: %v", err)
	}
}

// TestFollow prints what comes, once, until it is interrupted.
func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	f.more = func(f *fake) {
		switch looks++; looks {
		case 2:
			f.text["b1c2/install-1.log"] += "12:02 more\n"
			f.list[0].Files[1].Size = int64(len(f.text["b1c2/install-1.log"]))
		case 3:
			cancel()
		}
	}
	out, _, err := f.do(ctx, options{follow: true})
	if err != nil || strings.Count(out, "no link") != 1 || !strings.HasSuffix(out, "12:01 written\n12:02 more\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
