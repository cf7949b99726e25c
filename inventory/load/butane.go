package load

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// config is a Butane config with the files it names, before it is known whose vars go in.
type config struct {
	butane inventory.Butane // without Vars
	uses   []use            // the references in it, each once, in order
	blobs  []string
	shapes map[string]bool // the vars that come into more than the text of a file
	texts  map[string]int  // how often a var comes into the text of a file
	whole  bool            // nothing is missing
}

// use is a reference and where it was first seen.
type use struct {
	refs.Ref
	at schemas.Position
}

// secrets are the secrets a config uses, each once.
func (c *config) secrets() []refs.Secret {
	var secrets []refs.Secret
	for _, u := range c.uses {
		if u.Var == "" {
			secrets = append(secrets, u.Secret)
		}
	}
	return secrets
}

// config reads a Workload's Butane file from the tree; nil when there is none.
func (l *loader) config(t *tree, workload schemas.Document, file string) *config {
	source, ok := t.Files[file]
	if !ok {
		l.find(workload.Finding("spec.install.butane", "", "there is no file %s in this commit", file))
		return nil
	}
	t.named[file] = true
	c := &config{
		butane: inventory.Butane{Path: file, Source: source.Data, Files: map[string][]byte{}, Executable: map[string]bool{}, Sealed: map[refs.Secret]int{}},
		blobs:  []string{"butane " + source.Blob}, shapes: map[string]bool{}, texts: map[string]int{},
	}
	root, findings := refs.Parse(file, source.Data)
	if root != nil {
		findings = append(l.locals(t, c, root), l.uses(c, root)...)
	}
	c.whole = len(findings) == 0
	l.find(findings...)
	return c
}

// uses notes the references of a config and finds secrets that are not there. It changes the nodes.
func (l *loader) uses(c *config, root *yaml.Node) []schemas.Finding {
	texts := fileTexts(root)
	_, findings := refs.Replace(c.butane.Path, root, func(ref refs.Ref, at schemas.Position) (string, error) {
		if !slices.ContainsFunc(c.uses, func(u use) bool { return u.Ref == ref }) {
			c.uses = append(c.uses, use{ref, at})
		}
		if ref.Var != "" {
			if texts[[2]int{at.Line, at.Col}] {
				c.texts[ref.Var]++
			} else {
				c.shapes[ref.Var] = true
			}
			return "", nil
		}
		sealed, ok := l.fleet.Secrets[ref.Secret.Name]
		switch {
		case !ok:
			return "", fmt.Errorf("there is no Secret %q", ref.Secret.Name)
		case !slices.Contains(sealed.Keys, ref.Secret.Key):
			return "", fmt.Errorf("there is no key %q in Secret %q", ref.Secret.Key, ref.Secret.Name)
		default:
			c.butane.Sealed[ref.Secret] = len(l.trunk.secrets()[ref.Secret.Name].Secret.Spec.Data[ref.Secret.Key]) // sealed, it is longer than in clear
			return "", nil
		}
	})
	return findings
}

// maxLocal is how many bytes the local files of a config may have before Butane compresses them. It holds each in memory as often as it is named.
const maxLocal = 256 << 20

// locals gathers the files a config names, relative to its directory; directories (trees) give every file below them.
func (l *loader) locals(t *tree, c *config, root *yaml.Node) []schemas.Finding {
	var findings []schemas.Finding
	dir, bytes := path.Dir(c.butane.Path), 0
	for _, name := range localNames(root) {
		files, err := t.below(dir, name.Value)
		if err != nil {
			findings = append(findings, schemas.Finding{
				Position: schemas.Position{File: c.butane.Path, Line: name.Line, Col: name.Column}, Severity: schemas.Error,
				Message: err.Error(), Hint: "paths are relative to the directory of the Butane file, and stay in it",
			})
		}
		for _, file := range files {
			f := t.Files[path.Join(dir, file)]
			t.named[path.Join(dir, file)] = true
			c.butane.Files[file] = f.Data
			if f.Executable {
				c.butane.Executable[file] = true
			}
			bytes += len(f.Data)
		}
		if bytes > maxLocal {
			return append(findings, schemas.Finding{
				Position: schemas.Position{File: c.butane.Path, Line: name.Line, Col: name.Column}, Severity: schemas.Error,
				Message: fmt.Sprintf("the local files up to here have more than %d MiB, counted as often as they are named", maxLocal>>20),
				Hint:    "put large files into the image, or have the system fetch them: contents.source with verification.hash",
			})
		}
	}
	for _, file := range slices.Sorted(maps.Keys(c.butane.Files)) {
		f := t.Files[path.Join(dir, file)]
		c.blobs = append(c.blobs, fmt.Sprintf("%s %s %t", file, f.Blob, f.Executable))
	}
	return findings
}

// below lists the file name, or the files below the directory name, relative to dir, sorted.
func (t *tree) below(dir, name string) ([]string, error) {
	clean := path.Clean(name)
	if name == "" || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(name, "\\\x00") {
		return nil, fmt.Errorf("%q leaves the directory %s", name, dir)
	}
	if _, ok := t.Files[path.Join(dir, clean)]; ok {
		return []string{clean}, nil
	}
	var files []string
	for file := range t.Files {
		if rest, ok := inside(dir, file); ok {
			if _, ok := inside(clean, rest); ok {
				files = append(files, rest)
			}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no file %s in this commit", path.Join(dir, clean))
	}
	sort.Strings(files)
	return files, nil
}

// inside gives a file's path relative to a directory it is in.
func inside(dir, file string) (string, bool) {
	if dir == "." {
		return file, true
	}
	return strings.CutPrefix(file, dir+"/")
}

// localFields are the fields of Butane that name files of the author's machine: here, files of the same commit.
var localFields = []string{"local", "contents_local", "ssh_authorized_keys_local"}

// localNames are the scalars of a config that name files.
func localNames(root *yaml.Node) []*yaml.Node {
	var names []*yaml.Node
	yamltext.Walk(root, func(node *yaml.Node) { // what it refuses is found with the references
		if node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !slices.Contains(localFields, node.Content[i].Value) {
				continue
			}
			for _, value := range append([]*yaml.Node{node.Content[i+1]}, node.Content[i+1].Content...) {
				if value.Kind == yaml.ScalarNode {
					names = append(names, value)
				}
			}
		}
	})
	return names
}

// fileTexts are the places of the texts that a config has written into files: storage.files[].contents.inline and append[].inline. Nobody reads what
// is in them before the file is there.
func fileTexts(root *yaml.Node) map[[2]int]bool {
	texts := map[[2]int]bool{}
	for _, file := range below([]*yaml.Node{root}, "storage", "files", "") {
		for _, text := range append(below([]*yaml.Node{file}, "contents", "inline"), below([]*yaml.Node{file}, "append", "", "inline")...) {
			texts[[2]int{text.Line, text.Column}] = true
		}
	}
	return texts
}

// below gives the nodes that a path leads to; "" stands for every item of a list.
func below(nodes []*yaml.Node, path ...string) []*yaml.Node {
	for _, field := range path {
		var next []*yaml.Node
		for _, node := range nodes {
			switch {
			case node.Kind == yaml.SequenceNode && field == "":
				next = append(next, node.Content...)
			case node.Kind == yaml.MappingNode && field != "":
				for i := 0; i+1 < len(node.Content); i += 2 {
					if node.Content[i].Value == field {
						next = append(next, node.Content[i+1])
					}
				}
			}
		}
		nodes = next
	}
	return nodes
}
