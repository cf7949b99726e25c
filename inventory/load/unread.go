package load

import (
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// unreadDocument is a document that stands in a file and is not read.
type unreadDocument struct {
	decode.Unread
	file string
}

// listUnread lists the documents of a tree that are not read: commented out, with an apiVersion of others, or in a file
// with an ending that is not read. A file that holds nothing counts in folders of documents that nothing else names: a
// Workload or a Secret that is missing is an error where its name is.
func (l *loader) listUnread(t *tree) (list []unreadDocument) {
	for _, file := range slices.Sorted(maps.Keys(t.Files)) {
		folder, _, _ := strings.Cut(file, "/")
		decoded, isRead := l.after.files[fileKey{file, t.Files[file].Blob}]
		var found []decode.Unread
		switch {
		case t.referenced[file], isMisnamed(file):
			continue
		case isRead:
			found = decoded.commented
		case isYAML(file):
			found = append(decode.ListCommented(t.Files[file].Data), decode.ListForeign(t.Files[file].Data)...)
		default:
			found = decode.ListUnread(file, t.Files[file].Data)
		}
		for _, document := range found {
			if isHidden(file) && !slices.Contains(schemas.Kinds, document.Kind) {
				continue // programs keep files of their own there
			}
			if document.Kind != "" || slices.Contains([]string{"hosts", "rings", "defaults", "rules"}, folder) {
				list = append(list, unreadDocument{document, file})
			}
		}
	}
	return list
}

// warnAboutUnread warns of the documents that are not read, and notes the Hosts among them, unless the fleet has a document
// of that name. A template outside of the folders of documents is passed over where the fleet has documents of its kind:
// they were made of the template.
func (l *loader) warnAboutUnread() {
	names := map[string]bool{}
	for _, d := range l.trunk.hosts() {
		names[d.Name] = true
	}
	for _, u := range l.trunk.unread {
		_, known := l.trunk.kinds[u.Kind][u.Name]
		folder, _, _ := strings.Cut(u.file, "/")
		if u.Template && len(l.trunk.kinds[u.Kind]) > 0 && !slices.Contains(folders, folder) {
			continue
		}
		if u.Name != "" && (known || u.Kind == schemas.KindHost && names[u.Name]) {
			continue
		}
		l.addFindings(unreadFinding(u))
		if u.Kind == schemas.KindHost && u.Name != "" {
			if l.fleet.Unread == nil {
				l.fleet.Unread = map[string]string{}
			}
			what, _ := describeUnread(u)
			l.fleet.Unread[u.Name] = u.file + ": " + what
		}
	}
}

// unreadFinding says what becomes of a document that is not read.
func unreadFinding(u unreadDocument) schemas.Finding {
	f := schemas.Finding{Position: schemas.Position{File: u.file, Line: u.Line, Col: 1}, Severity: schemas.Warning,
		Hint: "restore the document, or delete the file"}
	what := strings.TrimSpace(u.Kind + " " + u.Name)
	switch {
	case what == "" && strings.HasPrefix(u.file, hostFolder):
		f.Message = "the file holds no document: a host that stood here is orphaned, and its machine is left as it is"
		return f
	case what == "":
		f.Message = "the file holds no document: what stood here is not in the fleet any more"
		return f
	}
	f.Message, f.Hint = describeUnread(u)
	switch {
	case u.Template:
	case u.Kind == schemas.KindHost:
		f.Message += ": its machine is orphaned, and left as it is"
		f.Hint += "; to keep ingot's hands off, write protect: true or lifecycle: Unmanaged"
	case u.Kind == schemas.KindRing:
		f.Message += ": its tag, windows and limits do not hold"
	}
	return f
}

// describeUnread says why a document is not read, and what to do.
func describeUnread(u unreadDocument) (message, hint string) {
	what := strings.TrimSpace(u.Kind + " " + u.Name)
	switch {
	case u.Template:
		return "a template of a " + u.Kind + " is not read, and ingot renders none",
			"commit what it renders; of an example, let the name end in .example"
	case u.Commented:
		return what + " is commented out, so it is not in the fleet", "restore the document, or delete the file"
	case isHidden(u.file):
		return what + " is not read: a name in its path begins with a dot", "move the file, or delete it"
	case isYAML(u.file):
		return what + " is not read: its apiVersion is " + yamltext.ShortenText(u.Version),
			"if it is meant for ingot, write apiVersion: " + schemas.APIVersion
	default:
		return what + " is not read: a document stands in a file that ends in .yaml or .yml",
			"rename the file, or delete it"
	}
}
