package load

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/butane"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// butaneConfig is a Workload's Butane config with the files it names, before a host and its vars are known.
type butaneConfig struct {
	butane      inventory.Butane // without Vars
	references  []reference      // each reference once, in order
	blobs       []string
	digests     butane.Digests
	shapingVars map[string]bool // vars that are used outside the text of a file
	textVars    map[string]int  // how often each var is used inside the text of a file
	complete    bool            // no file and no secret is missing
}

// reference is a reference and the place where it was first seen.
type reference struct {
	refs.Ref
	at schemas.Position
}

// listSecrets gives each secret that a config uses once.
func (c *butaneConfig) listSecrets() []refs.Secret {
	var secrets []refs.Secret
	for _, u := range c.references {
		if u.Var == "" {
			secrets = append(secrets, u.Secret)
		}
	}
	return secrets
}

// readConfig reads a Workload's Butane file from the tree. The config is nil when the file is missing.
func (l *loader) readConfig(t *tree, workload schemas.Document, file string) *butaneConfig {
	source, ok := t.Files[file]
	if !ok {
		l.addFindings(workload.ErrorAt("spec.install.butane", "", "there is no file %s in this commit", file))
		return nil
	}
	if _, usable := l.useFile(t, file); !usable {
		return nil
	}
	if program := decode.FindEncryption(source.Data); program != "" {
		l.addFindings(decode.EncryptedFinding(file, program))
		return nil
	}
	c := &butaneConfig{
		butane: inventory.Butane{Path: file, Source: source.Data, Files: map[string][]byte{},
			Executable: map[string]bool{}, Sealed: map[refs.Secret]int{}, Ignition: workload.Workload.Spec.Install.Ignition},
		blobs: []string{"butane " + source.Blob}, shapingVars: map[string]bool{}, textVars: map[string]int{},
	}
	root, findings := refs.ParseFile(file, source.Data)
	if len(findings) == 0 {
		findings = butane.CheckDocument(file, root)
	}
	if root != nil {
		l.warnAboutTexts(file, root)
		findings = append(findings, l.readLocalFiles(t, c, root)...)
		c.digests = butane.DigestConfig(root, butane.Files{Data: c.butane.Files, Executable: c.butane.Executable})
		findings = append(findings, l.noteReferences(c, root)...)
	}
	ignition := c.butane.Ignition
	c.complete = len(findings) == 0 && (ignition == "" || slices.Contains(schemas.IgnitionVersions, ignition))
	l.addFindings(findings...)
	return c
}

// noteReferences records the references of a config and finds missing secrets. It changes the nodes.
func (l *loader) noteReferences(c *butaneConfig, root *yaml.Node) []schemas.Finding {
	texts, whole := findFileTexts(root), refs.FindWholeTexts(root)
	_, findings := refs.ReplaceReferences(c.butane.Path, root, func(ref refs.Ref, at schemas.Position) (string, error) {
		if !slices.ContainsFunc(c.references, func(u reference) bool { return u.Ref == ref }) {
			c.references = append(c.references, reference{ref, at})
		}
		if ref.Var != "" {
			if texts[[2]int{at.Line, at.Col}] {
				c.textVars[ref.Var]++
			} else {
				c.shapingVars[ref.Var] = true
			}
			return "", nil
		}
		sealed, ok := l.fleet.Secrets[ref.Secret.Name]
		binary := slices.Contains(sealed.Binary, ref.Secret.Key)
		switch {
		case !ok:
			return "", fmt.Errorf("there is no Secret %q", ref.Secret.Name)
		case binary && !whole[[2]int{at.Line, at.Col}]:
			return "", fmt.Errorf("%s is binary, and may only be the whole of inline: in a file of storage.files", ref)
		case binary:
			if c.butane.Binary == nil {
				c.butane.Binary = map[refs.Secret]bool{}
			}
			c.butane.Binary[ref.Secret] = true
			c.butane.Sealed[ref.Secret] = len(l.trunk.secrets()[ref.Secret.Name].Secret.Spec.BinaryData[ref.Secret.Key])
			return "", nil
		case !slices.Contains(sealed.Keys, ref.Secret.Key):
			return "", fmt.Errorf("there is no key %q in Secret %q", ref.Secret.Key, ref.Secret.Name)
		default:
			// a sealed value is longer than the plain one
			c.butane.Sealed[ref.Secret] = len(l.trunk.secrets()[ref.Secret.Name].Secret.Spec.Data[ref.Secret.Key])
			return "", nil
		}
	})
	return findings
}

// maxLocalBytes limits the local files of a config, counted as often as they are named: Butane holds every copy in
// memory before compressing.
const maxLocalBytes = 256 << 20

// readLocalFiles reads the files that a config names, relative to the config's directory. A directory (Butane's trees)
// gives every file below.
func (l *loader) readLocalFiles(t *tree, c *butaneConfig, root *yaml.Node) []schemas.Finding {
	var findings []schemas.Finding
	bytes, blobs := 0, map[string]string{}
	for _, name := range refs.FindLocalNames(root) {
		files, err := t.listFiles(path.Dir(c.butane.Path), name.Value)
		if err != nil {
			findings = append(findings, schemas.Finding{
				Position: schemas.Position{File: c.butane.Path, Line: name.Line, Col: name.Column},
				Severity: schemas.Error,
				Message:  err.Error(), Hint: hintLocal(name.Value),
			})
		}
		for _, file := range files {
			if !file.shared {
				t.referenced[file.shown] = true
			}
			if l.checkPointer(file.shown, file.Data, installsPointer) {
				l.addFindings(refs.WarnInFile(file.shown, file.Data, includedFile)...)
			}
			c.butane.Files[file.name] = file.Data
			blobs[file.name] = fmt.Sprintf("%s %s %t", file.name, file.Blob, file.Executable)
			if file.Executable {
				c.butane.Executable[file.name] = true
			}
			bytes += len(file.Data)
		}
		if bytes > maxLocalBytes {
			return append(findings, schemas.Finding{
				Position: schemas.Position{File: c.butane.Path, Line: name.Line, Col: name.Column},
				Severity: schemas.Error,
				Message: fmt.Sprintf("the local files up to here have more than %d MiB, counted as often as they are "+
					"named", maxLocalBytes>>20),
				Hint: "put large files into the image, or have the system fetch them: contents.source with " +
					"verification.hash",
			})
		}
	}
	for _, file := range slices.Sorted(maps.Keys(c.butane.Files)) {
		c.blobs = append(c.blobs, blobs[file])
	}
	return findings
}

// findFileTexts finds the places of texts that a config writes into files: storage.files[].contents.inline and
// append[].inline. Butane does not interpret such texts.
func findFileTexts(root *yaml.Node) map[[2]int]bool {
	texts := map[[2]int]bool{}
	for _, file := range butane.SelectNodes([]*yaml.Node{root}, "storage", "files", "") {
		for _, text := range append(butane.SelectNodes([]*yaml.Node{file}, "contents", "inline"),
			butane.SelectNodes([]*yaml.Node{file}, "append", "", "inline")...) {
			texts[[2]int{text.Line, text.Column}] = true
		}
	}
	return texts
}
