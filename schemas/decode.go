package schemas

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"

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

	places   map[string]Position // of every field that is written
	spoiled  map[string]bool     // fields whose value could not be read
	misspelt map[string]bool     // mappings with a field that does not exist: what is missing there may be that one
}

// Pos is where a field stands: spec.bmc.address, spec.identity.macs[0]. It is the place of the value for texts, numbers and booleans, of the
// field's name otherwise. For a field that is not written it is the place of the nearest one above it.
func (d Document) Pos(field string) Position {
	for {
		if p, ok := d.places[field]; ok {
			return p
		}
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			return d.places[""]
		}
		field = field[:cut]
	}
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
	d := Document{File: file, places: map[string]Position{}, spoiled: map[string]bool{}, misspelt: map[string]bool{}}
	reader := nodeReader{document: &d}
	target := reader.target(node)
	if target == nil {
		return d, reader.findings
	}
	value := reader.contract(node, target)
	if err := fill(value, target); err != nil {
		reader.find(node, "", "cannot be read: "+err.Error(), "")
		return Document{}, reader.findings
	}
	d.normalise()
	return d, append(reader.findings, d.check()...)
}

// target makes the empty value of the document's kind, or finds that it has none.
func (r *nodeReader) target(node *yaml.Node) any {
	if node.Kind != yaml.MappingNode {
		r.find(node, "", "a document is a mapping that starts with apiVersion and kind", "")
		return nil
	}
	d := r.document
	d.places[""] = r.at(node)
	version, kind := topField(node, "apiVersion"), topField(node, "kind")
	switch {
	case version == nil:
		r.find(node, "apiVersion", "the field is missing", "write apiVersion: "+APIVersion)
		return nil
	case version.Kind != yaml.ScalarNode || version.Value != APIVersion:
		r.find(version, "apiVersion", "not a version of this contract", "write apiVersion: "+APIVersion)
		return nil
	case kind == nil:
		r.find(node, "kind", "the field is missing", yamltext.OneOf(kinds))
		return nil
	}
	target := d.empty(kind.Value)
	if target == nil {
		r.find(kind, "kind", "there is no such kind", yamltext.Suggest(kind.Value, kinds))
		return nil
	}
	d.Kind = kind.Value
	return target
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

// fill puts the read values into the struct. The reader left out what does not fit, so that nothing is left to refuse: an error here means
// that reader and types disagree.
func fill(value, target any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(body, target, kjson.DisallowUnknownFields)
	if err != nil {
		return err
	}
	if len(strict) > 0 {
		return strict[0]
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
