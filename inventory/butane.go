package inventory

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
)

// localFields are the fields of Butane that name files of the author's machine: here, files of the same commit.
var localFields = []string{"local", "contents_local", "ssh_authorized_keys_local"}

// butane gathers a workload's Butane config for one host: its source, the files it names, the vars and secrets it uses; and the blob
// ids behind it as "path blob".
func (l *loader) butane(host, workload schemas.Document, file string) (*Butane, []SecretRef, []string) {
	source, ok := l.trunk.Files[file]
	if !ok {
		l.find(workload.Finding("spec.install.butane", "", "there is no file %s in this commit", file))
		return nil, nil, nil
	}
	b := &Butane{Path: file, Source: source.Data, Files: map[string][]byte{}, Vars: map[string]string{}}
	blobs := []string{"butane " + source.Blob}
	secrets := l.references(host, b)
	for _, local := range l.locals(b) {
		f := l.trunk.Files[path.Join(path.Dir(file), local)]
		b.Files[local] = f.Data
		blobs = append(blobs, fmt.Sprintf("%s %s %t", local, f.Blob, f.Executable))
	}
	key := digest(append(slices.Clone(blobs), mustJSON(b.Vars))...)
	if l.check != nil && !l.checked[key] {
		l.checked[key] = true
		l.find(l.check.Check(*b)...)
	}
	return b, secrets, blobs
}

// references resolves the ${…} of a config: vars are kept in b, secrets are returned; what is missing is a finding.
func (l *loader) references(host schemas.Document, b *Butane) []SecretRef {
	var secrets []SecretRef
	_, findings := Expand(b.Path, b.Source, func(ref Ref) (string, error) {
		if ref.Var != "" {
			value, ok := host.Host.Spec.Vars[ref.Var]
			if !ok {
				return "", fmt.Errorf("host %s has no spec.vars.%s", host.Name, ref.Var)
			}
			b.Vars[ref.Var] = value
			return value, nil
		}
		if !slices.Contains(secrets, ref.Secret) {
			secrets = append(secrets, ref.Secret)
		}
		return "", l.usable(host, ref.Secret)
	})
	l.find(findings...)
	return secrets
}

func (l *loader) usable(host schemas.Document, ref SecretRef) error {
	sealed, ok := l.fleet.Secrets[ref.Name]
	switch {
	case !ok:
		return fmt.Errorf("there is no Secret %q", ref.Name)
	case !slices.Contains(sealed.Keys, ref.Key):
		return fmt.Errorf("the Secret %q has no key %q", ref.Name, ref.Key)
	case !InScope(sealed.Scope, host.Name, host.Host.Metadata.Labels):
		return fmt.Errorf("host %s is not in the scope of Secret %q", host.Name, ref.Name)
	default:
		return nil
	}
}

// locals lists the files a config names, relative to its directory, sorted; directories (trees) give every file below them.
func (l *loader) locals(b *Butane) []string {
	var node yaml.Node
	if yaml.Unmarshal(b.Source, &node) != nil {
		return nil // a finding already
	}
	found := map[string]bool{}
	walkLocals(&node, func(name *yaml.Node) {
		files := l.below(path.Dir(b.Path), name.Value)
		if len(files) == 0 {
			l.find(schemas.Finding{
				Position: schemas.Position{File: b.Path, Line: name.Line, Col: name.Column}, Severity: schemas.Error,
				Message: fmt.Sprintf("there is no file %s in this commit", path.Join(path.Dir(b.Path), name.Value)),
				Hint:    "paths are relative to the directory of the Butane file, and stay in it",
			})
		}
		for _, file := range files {
			found[file] = true
		}
	})
	return sortedNames(found)
}

// below lists the file name, or the files below the directory name, relative to dir. A path that leaves dir names nothing.
func (l *loader) below(dir, name string) []string {
	clean := path.Clean(name)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return nil
	}
	if _, ok := l.trunk.Files[path.Join(dir, clean)]; ok {
		return []string{clean}
	}
	prefix := path.Join(dir, clean) + "/"
	var files []string
	for file := range l.trunk.Files {
		if strings.HasPrefix(file, prefix) {
			files = append(files, strings.TrimPrefix(file, dir+"/"))
		}
	}
	sort.Strings(files)
	return files
}

func walkLocals(node *yaml.Node, visit func(*yaml.Node)) {
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !slices.Contains(localFields, node.Content[i].Value) {
				continue
			}
			switch value := node.Content[i+1]; value.Kind {
			case yaml.ScalarNode:
				visit(value)
			case yaml.SequenceNode:
				for _, item := range value.Content {
					visit(item)
				}
			}
		}
	}
	for _, child := range node.Content {
		walkLocals(child, visit)
	}
}

// parts are the digests of what a host differs by. Their names and how they are made are forever: another way to make them would
// reinstall every fleet.
func parts(w *Workload, blobs []string, disk *schemas.DiskHints) map[string]string {
	p := map[string]string{
		"image":           w.Image.SHA256,
		"kernelArguments": digest(w.KernelArguments...),
		"rootDisk":        digest(mustJSON(disk)),
		"steps":           digest(stepParts(w.Steps)...),
	}
	if w.Butane != nil {
		p["butane"] = digest(blobs...)
		p["vars"] = digest(mustJSON(w.Butane.Vars))
	}
	return p
}

func stepParts(steps []Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Name, string(s.Script))
	}
	return all
}

// inputs is the digest over all parts.
func inputs(parts map[string]string) string {
	all := []string{"ingot inputs v1"}
	for _, name := range sortedNames(parts) {
		all = append(all, name, parts[name])
	}
	return digest(all...)
}

// mustJSON encodes values that cannot fail: maps of strings and our own structs, whose keys come out sorted or in order.
func mustJSON(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(body)
}
