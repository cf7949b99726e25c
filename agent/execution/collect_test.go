package execution

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
)

// shelf is a session that keeps files in memory.
type shelf struct {
	stored map[string]string
	said   []string
	refuse string // name of a file that the daemon does not keep
	ended  *wire.Executed
}

func (s *shelf) Report(p wire.Progress)       { s.said = append(s.said, p.Lines...) }
func (s *shelf) Facts() wire.Facts            { return wire.Facts{Memory: 4 << 30} }
func (s *shelf) NoteExecuted(e wire.Executed) { s.ended = &e }
func (s *shelf) Blob(context.Context, string, int64) (io.ReadCloser, error) {
	return nil, errors.New("no blobs")
}

func (s *shelf) Upload(_ context.Context, file wire.ResultFile, content io.ReaderAt) error {
	body := make([]byte, file.Size)
	if _, err := content.ReadAt(body, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if file.Name == s.refuse {
		return errors.New("the daemon does not keep it")
	}
	s.stored[file.Name] = string(body)
	return nil
}

func TestCollect(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		files  map[string]string // a body that begins with -> is a link
		limits wire.ResultLimits
		refuse string
		want   []string
		says   string
	}{
		"patterns": {files: map[string]string{"out/a": "1", "out/b/c": "2", "log": "3"}, limits: wire.ResultLimits{Files: []string{"out/**"}},
			want: []string{"out/a", "out/b/c"}},
		"no pattern keeps nothing": {files: map[string]string{"a": "1"}},
		"links out, up and in": {files: map[string]string{"a": "1", "b": "->" + outside, "c": "->../../secret", "d": "->a", "e": "->" + filepath.Dir(outside)},
			limits: wire.ResultLimits{Files: []string{"**"}}, want: []string{"a"}},
		"a bad name": {files: map[string]string{"a b": "1", "c": "2"}, limits: wire.ResultLimits{Files: []string{"**"}}, want: []string{"c"},
			says: "the character ' '"},
		"too many": {files: map[string]string{"a": "1", "b": "2", "c": "3"}, limits: wire.ResultLimits{Files: []string{"**"}, MaxFiles: 2},
			want: []string{"a", "b"}, says: "results.maxFiles is 2"},
		"too large": {files: map[string]string{"a": "1", "b": strings.Repeat("2", 100)}, limits: wire.ResultLimits{Files: []string{"**"}, MaxSize: 100},
			want: []string{"a"}, says: "not kept from b on"},
		"required": {files: map[string]string{"a": "1"}, limits: wire.ResultLimits{Files: []string{"a", "*.csv"}, Required: true}, want: []string{"a"},
			says: "no file that matches *.csv"},
		"refused": {files: map[string]string{"a": "1", "b": "2"}, limits: wire.ResultLimits{Files: []string{"**"}}, refuse: "b", want: []string{"a"},
			says: "upload b: the daemon does not keep it"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, body := range c.files {
				file := filepath.Join(dir, name)
				err := os.MkdirAll(filepath.Dir(file), 0o755)
				if to, link := strings.CutPrefix(body, "->"); link {
					err = errors.Join(err, os.Symlink(to, file))
				} else {
					err = errors.Join(err, os.WriteFile(file, []byte(body), 0o600))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if c.limits.MaxSize == 0 {
				c.limits.MaxSize = 1 << 20
			}
			if c.limits.MaxFiles == 0 {
				c.limits.MaxFiles = 10
			}
			s := &shelf{stored: map[string]string{}, refuse: c.refuse}
			stored, err := Tools{Session: s}.upload(t.Context(), c.limits, dir)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("upload = %v, want %q", err, c.says)
			}
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(s.stored))); diff != "" || len(stored) != len(c.want) {
				t.Errorf("stored, -want +got:\n%s\nand said %+v", diff, stored)
			}
		})
	}
}

// TestCollectEnds when the time for uploads is over, however large the tree of a run is.
func TestCollectEnds(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), &shelf{stored: map[string]string{}}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	limits := wire.ResultLimits{Files: []string{"**"}, MaxSize: 1 << 20, MaxFiles: 10}
	if stored, err := (Tools{Session: s}).upload(ctx, limits, dir); !errors.Is(err, context.Canceled) || len(stored) != 0 {
		t.Errorf("upload = %v, %v after the end of its time", stored, err)
	}
}
