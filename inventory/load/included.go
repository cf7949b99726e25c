package load

import (
	"bytes"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
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

// Where references count, of texts that are used as they are.
var (
	includedFile = refs.Use{Counts: "in the Butane file only", Hint: "write the text there, below inline:"}
	stepFile     = refs.Use{Counts: "in the arguments of a step only",
		Hint: "write it below args: where the Step is used; a script finds it in INGOT_ARG_NAME"}
	runFile    = refs.Use{Counts: "in spec.run.boot.files only", Hint: "write the value itself; a script finds what it is given in INGOT_ARG_NAME"}
	plainField = refs.Use{Counts: "in the Butane file and in the arguments of steps only", Hint: "write the value itself"}
)

// countingFields are the fields, by kind, in which references count, or are refused.
var countingFields = map[string]*regexp.Regexp{
	schemas.KindHost:     regexp.MustCompile(`^spec\.steps\[\d+\]\.args\b`),
	schemas.KindWorkload: regexp.MustCompile(`^spec\.(steps\[\d+\]\.args|run\.boot\.files\[\d+\]\.content)\b`),
	schemas.KindStep:     regexp.MustCompile(`^spec\.bmc\.bios\b`),
	schemas.KindRule:     regexp.MustCompile(`^spec\b`),
}

// refusedField is a field of a Workload in which a reference is an error, which package work finds.
var refusedField = regexp.MustCompile(`^spec\.run\.(args|items|boot\.arguments)\b`)

// warnAboutFields warns of references in the fields of documents in which none counts.
func warnAboutFields(file string, data []byte) (findings []schemas.Finding) {
	if !bytes.Contains(data, []byte("$")) {
		return nil
	}
	roots, _ := yamltext.ParseDocuments(data, schemas.MaxFile)
	for _, root := range roots {
		kind := ""
		yamltext.WalkTexts(root, func(field string, node *yaml.Node) {
			if field == "kind" {
				kind = node.Value
			}
		})
		yamltext.WalkTexts(root, func(field string, node *yaml.Node) {
			at := schemas.Position{File: file, Line: node.Line, Col: node.Column}
			if warning, found := warnAboutField(kind, field, node.Value, at); found {
				warning.Field = field
				findings = append(findings, warning)
			}
		})
	}
	return findings
}

// warnAboutField warns of a reference in the text of a field.
func warnAboutField(kind, field, text string, at schemas.Position) (warning schemas.Finding, found bool) {
	use, counts := plainField, countingFields[kind]
	if kind == schemas.KindWorkload {
		use.Hint += ", in a Workload for each value"
	}
	written, overlooked := refs.FindWritten(text), refs.FindOverlooked(text)
	switch {
	case kind == schemas.KindSecret: // its texts may be secrets
		return warning, false
	case kind == schemas.KindWorkload && refusedField.MatchString(field) && len(refs.FindReferences(text)) > 0:
		return warning, false
	case counts != nil && counts.MatchString(field):
		if len(overlooked) > 0 {
			return refs.WarnOverlooked(overlooked[0], at), true
		}
	case len(written) > 0:
		return use.Warn(written[0], at), true
	}
	return warning, false
}

// warnAboutTexts warns of texts in a Butane config that are meant as references, and are taken for other text.
func (l *loader) warnAboutTexts(file string, root *yaml.Node) {
	yamltext.WalkNodes(root, func(node *yaml.Node) {
		if node.Kind != yaml.ScalarNode {
			return
		}
		if found := refs.FindOverlooked(node.Value); len(found) > 0 {
			l.addFindings(refs.WarnOverlooked(found[0], schemas.Position{File: file, Line: node.Line, Col: node.Column}))
		}
	})
}
