package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
)

// maxDepth is how deep a document may nest.
const maxDepth = 32

// Document is one decoded document of a file. Exactly one of the kind pointers is set.
type Document struct {
	File string
	Kind string
	Name string

	Host     *Host
	Workload *Workload
	Step     *Step
	Secret   *Secret

	places map[string]Position
}

// Pos is where a field stands: spec.bmc.address, spec.identity.macs[0]. For a field that is not written it is the place of the nearest
// one above it.
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
// could be read, so that later checks can go on. Decode never panics and reads at most MaxFile bytes.
func Decode(file string, data []byte) ([]Document, []Finding) {
	if finding, ok := checkBytes(file, data); !ok {
		return nil, []Finding{finding}
	}
	var documents []Document
	var findings []Finding
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			findings = append(findings, syntaxFinding(file, err))
			break
		}
		document, found, ok := decodeDocument(file, &node)
		findings = append(findings, found...)
		if ok {
			documents = append(documents, document)
		}
	}
	Sort(findings)
	return documents, findings
}

func checkBytes(file string, data []byte) (Finding, bool) {
	bad := func(line int, hint, format string, args ...any) (Finding, bool) {
		return Finding{Position: Position{File: file, Line: line}, Severity: Error, Message: fmt.Sprintf(format, args...), Hint: hint}, false
	}
	if len(data) > MaxFile {
		return bad(0, "split it", "the file has %d bytes, at most %d are read", len(data), MaxFile)
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return bad(1, "save it as UTF-8 without BOM", "the file starts with a byte order mark")
	}
	if !utf8.Valid(data) {
		line := 1
		for rest := data; len(rest) > 0; {
			r, size := utf8.DecodeRune(rest)
			if r == utf8.RuneError && size == 1 {
				break
			}
			if r == '\n' {
				line++
			}
			rest = rest[size:]
		}
		return bad(line, "save it as UTF-8", "the file is not UTF-8")
	}
	for i, line := range strings.Split(string(data), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		if strings.HasPrefix(trimmed, "\t") {
			finding, _ := bad(i+1, "YAML takes spaces only", "a tab in the indentation")
			finding.Col = len(line) - len(trimmed) + 1
			return finding, false
		}
	}
	return Finding{}, true
}

// syntaxFinding takes the line out of the parser's message "yaml: line 3: …".
func syntaxFinding(file string, err error) Finding {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if n, scanErr := fmt.Sscanf(message, "line %d:", &line); scanErr == nil && n == 1 {
		if _, rest, ok := strings.Cut(message, ": "); ok {
			message = rest
		}
	}
	return Finding{Position: Position{File: file, Line: line}, Severity: Error, Message: "not YAML: " + message}
}

func decodeDocument(file string, node *yaml.Node) (Document, []Finding, bool) {
	if node.Kind == yaml.DocumentNode {
		if len(node.Content) == 0 {
			return Document{}, nil, false
		}
		node = node.Content[0]
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return Document{}, nil, false // an empty document, or one of comments only
	}
	reader := nodeReader{file: file, places: map[string]Position{}}
	if node.Kind != yaml.MappingNode {
		reader.find(node, "", "", "a document is a mapping that starts with apiVersion and kind")
		return Document{}, reader.findings, false
	}
	value := reader.value(node, "", 0)
	document := Document{File: file, places: reader.places}
	body, err := json.Marshal(value)
	if err != nil {
		reader.find(node, "", "", "cannot be read: %v", err)
		return Document{}, reader.findings, false
	}
	findings := append(reader.findings, document.decode(body)...)
	if document.Kind == "" {
		return Document{}, findings, false
	}
	if len(findings) == 0 {
		findings = append(findings, document.check()...)
	}
	return document, findings, true
}

// decode finds the kind and fills its struct.
func (d *Document) decode(body []byte) []Finding {
	var head struct {
		APIVersion string
		Kind       string
		Metadata   struct{ Name string }
	}
	_ = json.Unmarshal(body, &head) // a wrong type is found again, with its place, below
	if head.APIVersion != APIVersion {
		return []Finding{d.Finding("apiVersion", "write apiVersion: "+APIVersion, "%q is not a version of this contract", head.APIVersion)}
	}
	var target any
	switch head.Kind {
	case KindHost:
		d.Host = &Host{}
		target = d.Host
	case KindWorkload:
		d.Workload = &Workload{}
		target = d.Workload
	case KindStep:
		d.Step = &Step{}
		target = d.Step
	case KindSecret:
		d.Secret = &Secret{}
		target = d.Secret
	default:
		return []Finding{d.Finding("kind", suggest(head.Kind, []string{KindHost, KindWorkload, KindStep, KindSecret}), "there is no kind %q", head.Kind)}
	}
	d.Kind, d.Name = head.Kind, head.Metadata.Name
	return d.fill(body, target)
}

func (d *Document) fill(body []byte, target any) []Finding {
	strict, err := kjson.UnmarshalStrict(body, target, kjson.DisallowUnknownFields)
	var findings []Finding
	for _, problem := range strict {
		var field kjson.FieldError
		if errors.As(problem, &field) {
			path := field.FieldPath()
			findings = append(findings, d.Finding(path, suggestField(path, target), "there is no field %q here", lastField(path)))
			continue
		}
		findings = append(findings, d.Finding("", "", "%v", problem))
	}
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch):
		findings = append(findings, d.Finding(mismatch.Field, "", "want %s, have %s", typeName(mismatch.Type), jsonName(mismatch.Value)))
	case err != nil:
		findings = append(findings, d.Finding("", "", "%v", err))
	}
	return findings
}
