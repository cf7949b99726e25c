package gitrepo

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"unicode"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
)

// hostile makes the objects that a server may send: no check of git's stands before them.
type hostile struct {
	*testing.T
	store *memory.Storage
}

func (h hostile) object(kind plumbing.ObjectType, content []byte) plumbing.Hash {
	h.Helper()
	o := h.store.NewEncodedObject()
	o.SetType(kind)
	w, err := o.Writer()
	if err != nil {
		h.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		h.Fatal(err)
	}
	hash, err := h.store.SetEncodedObject(o)
	if err != nil {
		h.Fatal(err)
	}
	return hash
}

// tree makes a tree object of an outline, in which the byte after an entry's name and NUL stands for the 20 bytes of one of the ids; what has no
// such end is left as it is.
func (h hostile) tree(outline []byte, ids ...plumbing.Hash) plumbing.Hash {
	h.Helper()
	var raw []byte
	for len(outline) > 0 {
		end := bytes.IndexByte(outline, 0)
		if end < 0 || end+1 == len(outline) {
			raw = append(raw, outline...)
			break
		}
		raw = append(raw, outline[:end+1]...)
		id := ids[int(outline[end+1])%len(ids)]
		raw = append(raw, id[:]...)
		outline = outline[end+2:]
	}
	return h.object(plumbing.TreeObject, raw)
}

// small are limits that a fuzzer reaches.
var small = Limits{Files: 12, Blob: 64, Total: 256, Depth: 2}

// FuzzTree: whatever a server sends for a commit and its trees, reading them ends without a panic within the limits. What is kept are plain paths,
// of which no file system takes two for one; what is refused is refused at a place. The status branch's tree is read within the same limits.
func FuzzTree(f *testing.F) {
	const header = "author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\ntitle\n"
	for _, root := range []string{
		"100644 a\x00\x00100755 b\x00\x01", "40000 dir\x00\x03100644 x\x00\x00", "120000 link\x00\x00",
		"160000 module\x00\x05", "100644 large\x00\x02",
		"40000 gone\x00\x04", "100644 gone\x00\x04", "40000 blob\x00\x00", "100644 tree\x00\x03", "100644 .git\x00\x00",
		"40000 .GIT \x00\x03", "100644 git~1\x00\x00",
		"100644 ..\x00\x00", "100644 a/b\x00\x00", "100644 a\\b\x00\x00", "100644 \x01\x00\x00", "100644 \xff\x00\x00",
		"100644 A\x00\x00100644 a\x00\x00",
		"100644 a\x00\x00100644 a\x00\x00", "100644 \u00e9\x00\x00100644 e\u0301\x00\x00", "100644 .g\u200cit\x00\x00",
		"100664 old\x00\x00", "7777777 odd\x00\x00", "x\x00\x00",
		"100644 \x00\x00", "40000 hosts\x00\x05", "",
	} {
		f.Add([]byte(root), []byte("100644 f\x00\x00"), []byte("40000 again\x00\x01"), []byte("content"),
			[]byte(header))
	}
	f.Add([]byte("40000 a\x00\x0340000 b\x00\x0340000 c\x00\x03"),
		[]byte("40000 a\x00\x0340000 b\x00\x0340000 c\x00\x03"), []byte("40000 a\x00\x0040000 b\x00\x00"),
		[]byte(strings.Repeat("x", 65)), []byte("author\n\n"))
	f.Fuzz(func(t *testing.T, root, middle, leaf, blob, commit []byte) {
		h := hostile{t, memory.NewStorage()}
		repo, err := git.Init(h.store, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := newRepo(Config{Limits: small}, repo)
		file, large, gone := h.object(plumbing.BlobObject, blob),
			h.object(plumbing.BlobObject, bytes.Repeat([]byte("x"), 65)), plumbing.NewHash("01")
		bottom := h.tree(leaf, file, large, gone)
		below := h.tree(middle, file, large, gone, bottom)
		top := h.tree(root, file, file, large, below, gone, bottom)
		id := h.object(plumbing.CommitObject, append([]byte("tree "+top.String()+"\n"), commit...))
		snapshot, err := r.readCommit(id)
		var refused Refused
		if errors.As(err, &refused) {
			checkRefused(t, refused)
		}
		files := map[string]int{}
		for name, file := range snapshot.Files {
			files[name] = len(file.Data)
		}
		checkKept(t, files)
		kept, _ := r.readPages(top)
		files = map[string]int{}
		for name, data := range kept {
			files[name] = len(data)
		}
		if len(files) > small.Files {
			t.Errorf("%d pages were read", len(files))
		}
		for name := range files {
			if !fs.ValidPath(name) {
				t.Errorf("a page is called %q", name)
			}
		}
	})
}

func checkRefused(t *testing.T, refused Refused) {
	t.Helper()
	if len(refused.Findings) == 0 || len(refused.Findings) > maxProblems {
		t.Errorf("refused with %d findings", len(refused.Findings))
	}
	for _, finding := range refused.Findings {
		if finding.Message == "" ||
			strings.ContainsFunc(finding.String(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("refused with %q", finding.String())
		}
	}
}

// checkKept checks the sizes of files that were kept.
func checkKept(t *testing.T, files map[string]int) {
	t.Helper()
	total, folded := 0, map[string]string{}
	for name, size := range files {
		total += size
		if !fs.ValidPath(name) || strings.Count(name, "/") > small.Depth || size > int(small.Blob) {
			t.Errorf("%q with %d bytes was kept", name, size)
		}
		if other, ok := folded[gittree.FoldName(name)]; ok {
			t.Errorf("%q and %q were both kept", name, other)
		}
		folded[gittree.FoldName(name)] = name
	}
	if len(files) > small.Files || total > int(small.Total) {
		t.Errorf("%d files with %d bytes were kept", len(files), total)
	}
}

// Names that are kept stay below the directory they are joined to, on any file system, and are not kept twice.
func FuzzGoodName(f *testing.F) {
	for _, name := range []string{"a", "..", ".", "", ".git", ".GIT", ".git. .", "git~1", ".git:x", ".g\u200cit", "a/b",
		"a\\b", "\x00", "\xff", "ä", "a\u0308", "A"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		rd := treeReader{folded: map[string]string{}}
		file := "dir/" + name
		if !rd.checkName(file, name) {
			if len(rd.findings) != 1 || strings.ContainsFunc(rd.findings[0].String(),
				func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q was refused with %v", name, rd.findings)
			}
			return
		}
		if path.Clean(file) != file || path.Dir(file) != "dir" || strings.EqualFold(name, ".git") ||
			strings.ContainsAny(name, "\\\n\r\x00") {
			t.Errorf("%q is taken for a name", name)
		}
		if rd.checkName("dir/"+strings.ToUpper(name), strings.ToUpper(name)) &&
			strings.EqualFold(strings.ToUpper(name), name) {
			t.Errorf("%q is taken twice, in two cases", name)
		}
	})
}
