// Package decode reads a fleet's YAML files into documents: nodes against the contract's types, then what types cannot say. Pure.
package decode

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/strict"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// File reads the documents of one YAML file, strictly: unknown and duplicate fields, anchors, tags and scalars that YAML versions read
// differently are findings. All findings of the file are returned at once, sorted; documents with findings are returned as far as they
// could be read, so that later checks can go on. An empty document is none. No finding repeats a value that could be a secret.
// It never panics and refuses more than MaxFile bytes.
func File(file string, data []byte) ([]schemas.Document, []schemas.Finding) {
	var documents []schemas.Document
	var findings []schemas.Finding
	nodes, problem := yamltext.Parse(data, schemas.MaxFile)
	if problem != nil {
		findings = append(findings, schemas.YAMLFinding(file, problem))
	}
	for _, node := range nodes {
		read, found := document(file, node)
		findings = append(findings, found...)
		if read.Kind != "" {
			documents = append(documents, read)
		}
	}
	schemas.Sort(findings)
	return documents, limited(file, findings)
}

// maxFindings is how many findings of one file are told: more do not help a person.
const maxFindings = 100

func limited(file string, findings []schemas.Finding) []schemas.Finding {
	more := len(findings) - maxFindings
	if more <= 0 {
		return findings
	}
	rest := schemas.Finding{Position: schemas.Position{File: file}, Severity: schemas.Error, Message: fmt.Sprintf("%d more findings in this file are not told", more)}
	return append(findings[:maxFindings:maxFindings], rest)
}

// document reads one document: what it is, its nodes against the contract's types, then what types cannot say. Kind is empty when
// it is no document of the contract.
func document(file string, node *yaml.Node) (schemas.Document, []schemas.Finding) {
	d := schemas.Document{File: file}
	target, problem := target(&d, node)
	if problem != nil {
		return d, []schemas.Finding{finding(d, *problem)}
	}
	var findings []schemas.Finding
	fields, problems := strict.Rules{Word: isPlainWord}.Read(node, target)
	d.Fields = fields
	for _, p := range problems {
		findings = append(findings, finding(d, p))
	}
	d.Normalise()
	return d, append(findings, check(&d)...)
}

// finding is that of what could not be read; a value of a Secret that sops did not write says so, whatever else is wrong with it.
func finding(d schemas.Document, p strict.Problem) schemas.Finding {
	if d.Kind == schemas.KindSecret && strings.HasPrefix(p.Field, "spec.data.") && p.LeftOut {
		p.Message, p.Hint = inClear, inClearHint
	}
	return schemas.Finding{Position: schemas.Position{File: d.File, Line: p.Line, Col: p.Col}, Severity: schemas.Error, Field: p.Field, Message: p.Message, Hint: p.Hint}
}

// isPlainWord lets On and Off, which YAML 1.1 reads as booleans, and numbers stand without quotes in the fields that want these words.
func isPlainWord(field, value string) bool {
	switch field {
	case "spec.power", "spec.defaults.power":
		return value == schemas.PowerOn || value == schemas.PowerOff
	case "spec.maxUnavailable":
		return countGrammar.MatchString(value)
	default:
		return false
	}
}

// target makes the empty value of the document's kind, or says why it has none.
func target(d *schemas.Document, node *yaml.Node) (any, *strict.Problem) {
	at := func(node *yaml.Node, field, message, hint string) *strict.Problem {
		return &strict.Problem{Place: strict.Place{Line: node.Line, Col: node.Column}, Field: field, Message: message, Hint: hint}
	}
	if node.Kind != yaml.MappingNode {
		return nil, at(node, "", "a document is a mapping that starts with apiVersion and kind", "")
	}
	version, kind := topField(node, "apiVersion"), topField(node, "kind")
	switch {
	case version == nil:
		return nil, at(node, "apiVersion", "the field is missing", "write apiVersion: "+schemas.APIVersion)
	case version.Kind != yaml.ScalarNode || version.Value != schemas.APIVersion:
		return nil, at(version, "apiVersion", "not a version of this contract", "write apiVersion: "+schemas.APIVersion)
	case kind == nil:
		return nil, at(node, "kind", "the field is missing", yamltext.OneOf(schemas.Kinds))
	}
	target := d.Empty(kind.Value)
	if target == nil {
		return nil, at(kind, "kind", "there is no such kind", yamltext.Suggest(kind.Value, schemas.Kinds))
	}
	d.Kind = kind.Value
	return target, nil
}

func topField(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}
