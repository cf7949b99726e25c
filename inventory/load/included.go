package load

import (
	"bytes"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// useFile gives a file that a document or a Butane config names, as far as the tree has the file, and reports content
// that no machine should get: a pointer in place of the file is an error. Every file that is named is taken here.
func (l *loader) useFile(t *tree, file string) (data []byte, usable bool) {
	t.referenced[file] = true
	data = t.Files[file].Data
	return data, l.checkPointer(file, data, installsPointer)
}

const installsPointer = "a machine would get the pointer"

// checkPointer reports a pointer in place of a file, with the consequence.
func (l *loader) checkPointer(file string, data []byte, consequence string) (usable bool) {
	if bytes.HasPrefix(data, []byte(gitCrypt)) {
		l.addFindings(schemas.Finding{Position: schemas.Position{File: file, Line: 1}, Severity: schemas.Error,
			Message: "this file is encrypted by git-crypt: " + consequence,
			Hint:    "commit the file in clear, or put what is secret into a Secret and write ${secret.name.key}"})
		return false
	}
	store := findPointer(data)
	if store != "" {
		l.addFindings(schemas.Finding{Position: schemas.Position{File: file, Line: 1}, Severity: schemas.Error,
			Message: "this is a pointer of " + store + ", not the file itself: " + consequence,
			Hint: "commit the file itself, or have the system fetch it: contents.source with " +
				"verification.hash"})
	}
	return store == ""
}

// gitCrypt is how a file that git-crypt has encrypted begins (github.com/AGWA/git-crypt, crypto.hpp).
const gitCrypt = "\x00GITCRYPT\x00"

// maxPointer is the most bytes of a pointer. Git LFS reads at most 1,024 bytes of one.
const maxPointer = 1024

// lfsPointer is a pointer of Git LFS (github.com/git-lfs/git-lfs, docs/spec.md), or of an early version of the program.
var lfsPointer = regexp.MustCompile(`\A(version https://(?:git-lfs|hawser)\.github\.com/spec/v\d|version http://git-media\.io/v/\d|` +
	`# git-media|# external)\s[^\x00]*\boid [a-z0-9]+:[0-9a-f]{40,}`)

// annexPointer is a pointer file of git-annex (git-annex.branchable.com/internals/pointer_file).
var annexPointer = regexp.MustCompile(`\A/annex/objects/[^\x00\n]+(\n|\z)`)

// findPointer names the store that holds the file in place of Git, "" for a file that is no pointer.
func findPointer(data []byte) string {
	switch start := data[:min(len(data), maxPointer)]; {
	case len(data) <= maxPointer && lfsPointer.Match(start):
		return "Git LFS"
	case annexPointer.Match(start):
		return "git-annex"
	default:
		return ""
	}
}

// Ways in which a file is used as it is: where references count instead, and what to do.
var (
	includedFile = [2]string{"in the Butane file only", "write the text there, below inline:"}
	stepFile     = [2]string{"in the arguments of a step only", "write it below args: where the Step is used; a script finds it in INGOT_ARG_NAME"}
)

// warnAboutReferences reports references in a file that is used as it is. Each line with a reference is reported once.
func (l *loader) warnAboutReferences(file string, data []byte, use [2]string) {
	if !bytes.Contains(data, []byte("${")) || bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
		return
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		found := refs.FindWritten(string(line))
		if len(found) == 0 {
			continue
		}
		at := bytes.Index(line, []byte(found[0]))
		l.addFindings(schemas.Finding{
			Position: schemas.Position{File: file, Line: number, Col: utf8.RuneCount(line[:at]) + 1},
			Severity: schemas.Warning,
			Message:  found[0] + " stays as it is: references count " + use[0],
			Hint:     use[1],
		})
	}
}

// warnAboutInstall reports references in the fields of spec.install, which are taken as they are.
func (l *loader) warnAboutInstall(d schemas.Document, install schemas.Install) {
	fields := map[string]string{"spec.install.image.url": install.Image.URL}
	for name, list := range map[string][]string{"kernelArguments": install.KernelArguments,
		"deleteKernelArguments": install.DeleteKernelArguments} {
		for i, argument := range list {
			fields[fmt.Sprintf("spec.install.%s[%d]", name, i)] = argument
		}
	}
	for field, text := range fields {
		if found := refs.FindWritten(text); len(found) > 0 {
			warning := d.ErrorAt(field, "write the value itself, in a Workload for each value",
				"%s stays as it is: references count in the Butane file and in the arguments of steps only", found[0])
			warning.Severity = schemas.Warning
			l.addFindings(warning)
		}
	}
}
