package schemas

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas/strict"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Document is one decoded document of a file. Exactly one of the kind pointers is set.
type Document struct {
	File string
	Kind string
	Name string

	Host     *Host
	Workload *Workload
	Step     *Step
	Secret   *Secret

	fields strict.Fields
}

// Pos is where a field stands: spec.bmc.address, spec.identity.macs[0]. It is the place of the value for texts, numbers and booleans, of the
// field's name otherwise. For a field that is not written it is the place of the nearest one above it.
func (d Document) Pos(field string) Position {
	at := d.fields.At(field)
	return Position{File: d.File, Line: at.Line, Col: at.Col}
}

// Written reports whether a field is written in the document, and could be read.
func (d Document) Written(field string) bool {
	_, ok := d.fields.Places[field]
	return ok && !d.fields.Spoiled(field)
}

// Finding makes an error finding at a field.
func (d Document) Finding(field, hint, format string, args ...any) Finding {
	return Finding{Position: d.Pos(field), Severity: Error, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Decode reads the documents of one YAML file, strictly: unknown and duplicate fields, anchors, tags and scalars that YAML versions read
// differently are findings. All findings of the file are returned at once, sorted; documents with findings are returned as far as they
// could be read, so that later checks can go on. An empty document is none. No finding repeats a value that could be a secret.
// Decode never panics and refuses more than MaxFile bytes.
func Decode(file string, data []byte) ([]Document, []Finding) {
	var documents []Document
	var findings []Finding
	nodes, problem := yamltext.Parse(data, MaxFile)
	if problem != nil {
		findings = append(findings, YAMLFinding(file, problem))
	}
	for _, node := range nodes {
		document, found := decodeDocument(file, node)
		findings = append(findings, found...)
		if document.Kind != "" {
			documents = append(documents, document)
		}
	}
	Sort(findings)
	return documents, limited(file, findings)
}

// YAMLFinding is a finding about a file as YAML, whatever it is about.
func YAMLFinding(file string, p *yamltext.Problem) Finding {
	return Finding{Position: Position{File: file, Line: p.Line, Col: p.Col}, Severity: Error, Message: p.Message, Hint: p.Hint}
}

// maxFindings is how many findings of one file are told: more do not help a person.
const maxFindings = 100

func limited(file string, findings []Finding) []Finding {
	more := len(findings) - maxFindings
	if more <= 0 {
		return findings
	}
	rest := Finding{Position: Position{File: file}, Severity: Error, Message: fmt.Sprintf("%d more findings in this file are not told", more)}
	return append(findings[:maxFindings:maxFindings], rest)
}

// decodeDocument reads one document: what it is, its nodes against the contract's types, then what types cannot say. Kind is empty when
// it is no document of the contract.
func decodeDocument(file string, node *yaml.Node) (Document, []Finding) {
	d := Document{File: file}
	target, problem := d.target(node)
	if problem != nil {
		return d, []Finding{d.problem(*problem)}
	}
	var findings []Finding
	fields, problems := strict.Rules{Word: isPowerWord}.Read(node, target)
	d.fields = fields
	for _, p := range problems {
		findings = append(findings, d.problem(p))
	}
	d.normalise()
	return d, append(findings, d.check()...)
}

// problem is the finding of what could not be read; a value of a Secret that sops did not write says so, whatever else is wrong with it.
func (d *Document) problem(p strict.Problem) Finding {
	if d.Kind == KindSecret && strings.HasPrefix(p.Field, "spec.data.") && p.LeftOut {
		p.Message, p.Hint = inClear, inClearHint
	}
	return Finding{Position: Position{File: d.File, Line: p.Line, Col: p.Col}, Severity: Error, Field: p.Field, Message: p.Message, Hint: p.Hint}
}

// isPowerWord lets On and Off, which YAML 1.1 reads as booleans, stand without quotes in the one field that wants these words.
func isPowerWord(field, value string) bool {
	return field == "spec.power" && (value == PowerOn || value == PowerOff)
}

// target makes the empty value of the document's kind, or says why it has none.
func (d *Document) target(node *yaml.Node) (any, *strict.Problem) {
	at := func(node *yaml.Node, field, message, hint string) *strict.Problem {
		return &strict.Problem{Place: strict.Place{Line: node.Line, Col: node.Column}, Field: field, Message: message, Hint: hint}
	}
	if node.Kind != yaml.MappingNode {
		return nil, at(node, "", "a document is a mapping that starts with apiVersion and kind", "")
	}
	version, kind := topField(node, "apiVersion"), topField(node, "kind")
	switch {
	case version == nil:
		return nil, at(node, "apiVersion", "the field is missing", "write apiVersion: "+APIVersion)
	case version.Kind != yaml.ScalarNode || version.Value != APIVersion:
		return nil, at(version, "apiVersion", "not a version of this contract", "write apiVersion: "+APIVersion)
	case kind == nil:
		return nil, at(node, "kind", "the field is missing", yamltext.OneOf(kinds))
	}
	target := d.empty(kind.Value)
	if target == nil {
		return nil, at(kind, "kind", "there is no such kind", yamltext.Suggest(kind.Value, kinds))
	}
	d.Kind = kind.Value
	return target, nil
}

// empty gives the document the value of its kind, to be filled; nil when there is no such kind.
func (d *Document) empty(kind string) any {
	switch kind {
	case KindHost:
		d.Host = &Host{}
		return d.Host
	case KindWorkload:
		d.Workload = &Workload{}
		return d.Workload
	case KindStep:
		d.Step = &Step{}
		return d.Step
	case KindSecret:
		d.Secret = &Secret{}
		return d.Secret
	default:
		return nil
	}
}

var kinds = []string{KindHost, KindWorkload, KindStep, KindSecret}

func topField(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// normalise writes what has several spellings in the one we compare.
func (d *Document) normalise() {
	switch d.Kind {
	case KindHost:
		d.Name = d.Host.Metadata.Name
		d.Host.Spec.normalise()
	case KindWorkload:
		d.Name = d.Workload.Metadata.Name
	case KindStep:
		d.Name = d.Step.Metadata.Name
	case KindSecret:
		d.Name = d.Secret.Metadata.Name
	}
}

func (s *HostSpec) normalise() {
	for i, mac := range s.Identity.MACs {
		s.Identity.MACs[i] = strings.ToLower(mac)
	}
	if s.Network == nil {
		return
	}
	for _, n := range []*Network{s.Network.Ramdisk, s.Network.Host} {
		if n == nil {
			continue
		}
		for i := range n.Interfaces {
			n.Interfaces[i].MACAddress = strings.ToLower(n.Interfaces[i].MACAddress)
		}
	}
}
