package decode

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Unread is a document of the fleet that stands in a file and is not read. Kind and Name are empty for a file that holds
// nothing.
type Unread struct {
	Kind, Name string
	Line       int
	Commented  bool   // every line of the document is a comment
	Version    string // the apiVersion, where it is not the fleet's
	Template   bool   // the name is filled in by a program that makes documents of the file
}

// exampleEndings are endings of files that are meant to be no documents: to copy from, or to read.
var exampleEndings = []string{".dist", ".example", ".md", ".sample"}

// templateEndings are endings of files that a program makes documents of.
var templateEndings = []string{".erb", ".gotmpl", ".hbs", ".in", ".j2", ".jinja", ".jinja2", ".mustache", ".template", ".tmpl", ".tpl"}

// ListUnread lists the documents that stand in a file that is not read: a file with another ending than .yaml and .yml,
// such as .bak, .disabled or .j2. A file that does not parse holds none, except for a template.
func ListUnread(file string, data []byte) (found []Unread) {
	ending := strings.ToLower(path.Ext(file))
	if len(data) > schemas.MaxFile || slices.Contains(exampleEndings, ending) || !hasWords(data) {
		return nil
	}
	isTemplate := slices.Contains(templateEndings, ending)
	roots, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	if problem != nil {
		if isTemplate && !bytes.HasPrefix(data, []byte("#!")) { // a script may print a document
			return findByLines(data)
		}
		return nil
	}
	for _, root := range listItems(roots) {
		if !isMeant(root) && (!hasKind(root) || !fitsKind(root)) {
			continue
		}
		document := describeUnread(root)
		if isTemplate && !nameGrammar.MatchString(document.Name) {
			document.Name, document.Template = "", true
		}
		found = append(found, document)
	}
	return found
}

// Lines of a document in a text that is no YAML, such as a template before it is rendered.
var (
	documentVersion = regexp.MustCompile(`(?m)^apiVersion:[ \t]*["']?([^\s"'#]+)`)
	documentKind    = regexp.MustCompile(`(?m)^kind:[ \t]*["']?(` + strings.Join(schemas.Kinds, "|") + `)\b`)
	documentName    = regexp.MustCompile(`(?m)^(?:[ \t]+|metadata:[ \t]*\{[ \t]*)name:[ \t]*["']?([-a-z0-9]+)["']?[ \t]*(?:[#,}\r]|$)`)
)

// findByLines finds the documents in a text that is no YAML. Of a document without a plain name, a program is to fill in
// the name.
func findByLines(data []byte) (found []Unread) {
	data = []byte(lineBreaks.Replace(string(data)))
	versions := documentVersion.FindAllSubmatchIndex(data, -1)
	for i, at := range versions {
		end := len(data)
		if i+1 < len(versions) {
			end = versions[i+1][0]
		}
		version, document := strings.ToLower(string(data[at[2]:at[3]])), data[at[0]:end]
		kind := documentKind.FindSubmatch(document)
		if kind == nil || !strings.HasPrefix(version, ownGroup) && !isMisspelt(version) {
			continue
		}
		u := Unread{Kind: string(kind[1]), Line: 1 + bytes.Count(data[:at[0]], []byte("\n")), Template: true}
		if name := documentName.FindSubmatch(document); name != nil {
			u.Name, u.Template = string(name[1]), false
		}
		found = append(found, u)
	}
	return found
}

// ListCommented lists the documents of a YAML file that are commented out as a whole. A file that holds nothing gives one
// Unread without a Kind.
func ListCommented(data []byte) (found []Unread) {
	data = []byte(lineBreaks.Replace(string(data)))
	switch {
	case len(data) > schemas.MaxFile:
		return nil
	case commentedLine.Match(data):
		found = findCommented(data)
	}
	if len(found) == 0 && !contentLine.Match(data) {
		return []Unread{{Line: 1}}
	}
	return found
}

// lineBreaks makes every line break of YAML 1.1 a line feed.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// contentLine is a line that is neither empty, a comment, nor a marker of YAML's. commentedLine is commentedVersion in a
// text of many lines.
var (
	contentLine   = regexp.MustCompile(`(?m)^[ \t]*(?:[^#\s.-]|-[^-]|--[^-]|\.[^.]|---+[ \t]*[^\s#-])`)
	commentedLine = regexp.MustCompile(`(?im)^[ \t]*#+[ \t]*["']?apiVersion["']?[ \t]*:[ \t]*["']?(?:ingot|v[0-9])`)
)

// commentedVersion is a line of a document that is commented out.
var commentedVersion = regexp.MustCompile(`(?i)^\s*#+\s*["']?apiVersion["']?\s*:\s*["']?(?:ingot|v[0-9])`)

// maxBefore is how many lines a commented document may have above apiVersion.
const maxBefore = 10

// findCommented looks for documents in comments. A document reaches to the end of its comment, over empty lines.
func findCommented(data []byte) (found []Unread) {
	lines := strings.Split(string(data), "\n")
	end := 0
	for at := range lines {
		if at < end || !commentedVersion.MatchString(lines[at]) {
			continue
		}
		first := max(end, at-maxBefore)
		for end = at + 1; end < len(lines) && isComment(lines[end]) && !commentedVersion.MatchString(lines[end]); end++ {
		}
		for ; first <= at; first++ { // prose may stand above the document
			document, is := readCommented(lines[first:end], commentMark(lines[at]))
			if is {
				document.Line, document.Commented = at+1, true
				found = append(found, document)
				break
			}
		}
	}
	return found
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// commentMark is what stands before the first word of a comment.
func commentMark(line string) string {
	line = strings.TrimLeft(line, " \t")
	return line[:len(line)-len(strings.TrimLeft(line, "# \t"))]
}

// readCommented reads a document from lines that are comments.
func readCommented(lines []string, mark string) (document Unread, is bool) {
	if !strings.HasPrefix(strings.TrimLeft(lines[0], " \t"), "#") {
		return Unread{}, false
	}
	var text strings.Builder
	for _, line := range lines {
		line = strings.TrimLeft(line, " \t")
		rest, marked := strings.CutPrefix(line, mark)
		if !marked {
			rest = strings.TrimLeft(line, "#")
		}
		text.WriteString(rest + "\n")
	}
	roots, problem := yamltext.ParseDocuments([]byte(text.String()), schemas.MaxFile)
	if problem != nil || len(roots) == 0 || !isMeant(roots[0]) {
		return Unread{}, false
	}
	document = describeUnread(roots[0])
	return document, slices.Contains(schemas.Kinds, document.Kind)
}

// describeUnread gives a document's kind and name.
func describeUnread(root *yaml.Node) Unread {
	text := func(node *yaml.Node, field string) string {
		if node == nil || fieldOf(node, field) == nil {
			return ""
		}
		return fieldOf(node, field).Value
	}
	kind := text(root, "kind")
	for _, known := range schemas.Kinds {
		if strings.EqualFold(kind, known) {
			kind = known
		}
	}
	u := Unread{Kind: kind, Name: text(fieldOf(root, "metadata"), "name"), Line: root.Line}
	if version := fieldOf(root, versionField); version != nil && version.Value != schemas.APIVersion {
		u.Version = version.Value
	}
	return u
}
