// Package decode reads a fleet's YAML files into documents. Call DecodeFile for each file, and schemas.Fatal on the
// findings. Do not check references here: one file does not know the others; package inventory/load does. The package
// is pure.
package decode

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/strict"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// DecodeFile reads the documents of one YAML file, strictly: unknown and duplicate fields, anchors, tags, and scalars
// that YAML versions read differently are findings. All findings of the file come at once, sorted. Documents with
// findings are returned as far as they could be read, so that later checks can go on. Empty documents are dropped. No
// finding repeats a value that could be a secret. DecodeFile never panics, and refuses more than MaxFile bytes.
func DecodeFile(file string, data []byte) ([]schemas.Document, []schemas.Finding) {
	if program := FindEncryption(data); program != "" {
		return nil, []schemas.Finding{EncryptedFinding(file, program)}
	}
	var documents []schemas.Document
	var findings []schemas.Finding
	nodes, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	if problem != nil {
		findings = append(findings, schemas.YAMLFinding(file, problem))
	}
	for _, node := range nodes {
		document, found := decodeDocument(file, node)
		findings = append(findings, found...)
		if document.Kind != "" {
			documents = append(documents, document)
		}
	}
	schemas.SortFindings(findings)
	return documents, limitFindings(file, findings)
}

// maxFindings is the most findings of one file: more do not help a person.
const maxFindings = 100

func limitFindings(file string, findings []schemas.Finding) []schemas.Finding {
	more := len(findings) - maxFindings
	if more <= 0 {
		return findings
	}
	rest := schemas.Finding{Position: schemas.Position{File: file}, Severity: schemas.Error,
		Message: fmt.Sprintf("%d more findings in this file are not told", more)}
	return append(findings[:maxFindings:maxFindings], rest)
}

// decodeDocument reads one document: kind, fields, and then the conditions that types cannot express. Kind is empty
// when the node is no document of the contract.
func decodeDocument(file string, node *yaml.Node) (schemas.Document, []schemas.Finding) {
	d := schemas.Document{File: file}
	target, problem := allocateTarget(&d, node)
	if problem != nil {
		findings := []schemas.Finding{problemFinding(d, *problem)}
		if version := topField(node, "apiVersion"); version != nil && version.Value == schemas.APIVersion {
			findings = reportEncrypted(d, node, findings) // kind is encrypted
		}
		return d, findings
	}
	var findings []schemas.Finding
	fields, problems := strict.Rules{AllowsWord: isPlainWord, IsArgument: isArgument}.ReadNode(node, target)
	d.Fields = fields
	for _, p := range problems {
		findings = append(findings, problemFinding(d, p))
	}
	d.NormaliseValues()
	return d, reportEncrypted(d, node, append(findings, checkDocument(&d)...))
}

// problemFinding turns a problem of package strict into a finding. An unencrypted value of a Secret is always reported
// as unencrypted, whatever else is wrong.
func problemFinding(d schemas.Document, p strict.Problem) schemas.Finding {
	if d.Kind == schemas.KindSecret && strings.HasPrefix(p.Field, "spec.data.") && p.LeftOut {
		p.Message, p.Hint = valueInClear, inClearHint
	}
	if p.Field == "spec.requests.reboot" && p.LeftOut {
		p.Hint = "such as {id: fw-bug-7, mode: Soft}"
	}
	if why := notSupported[p.Field]; d.Kind == schemas.KindWorkload && why != "" {
		p.Message, p.Hint = "not supported yet: "+why, "leave it out"
	}
	return schemas.Finding{Position: schemas.Position{File: d.File, Line: p.Line, Col: p.Col}, Severity: schemas.Error,
		Field: p.Field, Message: p.Message, Hint: p.Hint}
}

// isPlainWord allows words without quotes: On and Off in power fields, although YAML 1.1 reads booleans, numbers in
// maxUnavailable, and days.
func isPlainWord(field, value string) bool {
	if field == "spec.until" || strings.HasPrefix(field, "spec.discovery.keys[") && strings.HasSuffix(field, "].until") {
		return dayGrammar.MatchString(value)
	}
	switch field {
	case "spec.power", "spec.defaults.power":
		return value == schemas.PowerOn || value == schemas.PowerOff
	case "spec.maxUnavailable":
		return countGrammar.MatchString(value)
	default:
		return false
	}
}

// isArgument reports the fields of arguments, and of schemas of arguments.
func isArgument(field string) bool {
	return strings.HasPrefix(field, "spec.args") || strings.HasPrefix(field, "spec.run.args.") ||
		strings.HasPrefix(field, "spec.run.items.list[") ||
		strings.HasPrefix(field, "spec.steps[") ||
		strings.HasPrefix(field, "spec.bmc.bios.")
}

// allocateTarget makes the empty value of the document's kind, or says why the document has none.
func allocateTarget(d *schemas.Document, node *yaml.Node) (any, *strict.Problem) {
	at := func(node *yaml.Node, field, message, hint string) *strict.Problem {
		return &strict.Problem{Place: strict.Place{Line: node.Line, Col: node.Column}, Field: field, Message: message,
			Hint: hint}
	}
	if node.Kind != yaml.MappingNode {
		return nil, at(node, "", "a document is a mapping that starts with apiVersion and kind", "")
	}
	version, kind := topField(node, "apiVersion"), topField(node, "kind")
	switch {
	case version != nil && strings.HasPrefix(version.Value, "ENC["):
		return nil, at(version, "apiVersion", "the file is encrypted as a whole, so that nobody sees what it is",
			"encrypt it again with sops --encrypted-regex '^data$', or encrypted_regex: ^data$ in .sops.yaml")
	case version == nil && isForeignSOPS(node):
		return nil, at(node, "apiVersion", "this is a file of sops, and no document of the fleet",
			"make a Secret of its values: `ingot secret create`")
	case version == nil:
		return nil, at(node, "apiVersion", "the field is missing", "write apiVersion: "+schemas.APIVersion)
	case version.Kind != yaml.ScalarNode || version.Value != schemas.APIVersion:
		return nil, at(version, "apiVersion", "not a version of this contract", "write apiVersion: "+schemas.APIVersion)
	case kind == nil:
		return nil, at(node, "kind", "the field is missing", yamltext.ListChoices(schemas.Kinds))
	}
	target := d.AllocateKind(kind.Value)
	if target == nil {
		return nil, at(kind, "kind", "there is no such kind", yamltext.SuggestWord(kind.Value, schemas.Kinds))
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
