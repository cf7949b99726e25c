package steps

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Defaults of a file of inject-files.
const (
	defaultMode    = 0o644
	defaultDirMode = 0o755
)

// Values of overwrite of a file of inject-files; they are wire.OverwriteReplace…
var overwrites = []any{"Replace", "Keep", "Refuse"}

// File is a file that inject-files writes into the installed system.
type File struct {
	Path      string
	Partition string // "": the first partition that has the directory which begins the path
	Content   []byte
	Template  bool // ${machine.…} is replaced in Content, on the machine
	SHA256    string
	Delete    bool
	Mode      uint32
	DirMode   uint32
	Owner     int
	Group     int
	Overwrite string
}

// injectSchema is the schema of inject-files. from is replaced by base64 when a fleet is read.
func injectSchema() map[string]any {
	mode := map[string]any{"type": "string", "pattern": "^[0-7]{3,4}$"}
	id := map[string]any{"type": "integer", "minimum": 0, "maximum": 1<<31 - 1}
	file := map[string]any{"type": "object", "required": []any{"path"}, "additionalProperties": false, "properties": map[string]any{
		"path":      map[string]any{"type": "string", "minLength": 2, "maxLength": 4096},
		"partition": map[string]any{"type": "string", "pattern": "^([1-9][0-9]{0,3}|(label|uuid|partlabel|partuuid):.+)$"},
		"content":   map[string]any{"type": "string", secretsKeyword: secretsAllowed},
		"base64":    map[string]any{"type": "string"},
		"url":       map[string]any{"type": "string", "minLength": 1},
		"sha256":    map[string]any{"type": "string", "pattern": "^[0-9a-f]{64}$"},
		"deleted":   map[string]any{"type": "boolean"},
		"mode":      mode, "dirMode": mode, "owner": id, "group": id,
		"overwrite": map[string]any{"type": "string", "enum": overwrites},
	}}
	return map[string]any{"type": "object", "required": []any{"files"}, "properties": map[string]any{
		"files": map[string]any{"type": "array", "minItems": 1, "maxItems": 256, "items": file},
	}}
}

// machineName matches what is replaced in a content on the machine.
var machineName = regexp.MustCompile(`(\$?)\$\{machine\.([^}]*)\}?`)

// machineNames are the names of ${machine.NAME}.
var machineNames = []string{"id", "name", "serial", "uuid"}

// listItems lists the files in the arguments of inject-files.
func listItems(args map[string]any) (items []map[string]any) {
	list, _ := args["files"].([]any)
	for _, item := range list {
		file, _ := item.(map[string]any)
		items = append(items, file)
	}
	return items
}

// CheckFiles finds mistakes in the files of inject-files that its schema does not find.
func CheckFiles(s Step) (mistakes []Mistake) {
	if s.Name != schemas.StepInjectFiles {
		return nil
	}
	seen := map[string]bool{}
	for i, file := range listItems(s.Args) {
		add := func(field, hint, format string, args ...any) {
			mistakes = append(mistakes, Mistake{fmt.Sprintf(".files[%d]%s", i, field), fmt.Sprintf(format, args...), hint})
		}
		name, _ := file["path"].(string)
		partition, _ := file["partition"].(string)
		switch {
		case !strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || path.Clean(name) != name || strings.ContainsRune(name, 0):
			add(".path", "such as /etc/site.conf, without . and ..", "%q is not the path of a file", name)
		case path.Dir(name) == "/" && partition == "":
			add(".partition", "such as label:root, or 2", "a file directly in / needs its partition")
		case seen[partition+" "+name]:
			add(".path", "leave one out", "the file is in the list twice")
		}
		seen[partition+" "+name] = true
		checkSource(file, add)
	}
	return mistakes
}

// checkSource finds a file with several contents, and mistakes in the content.
func checkSource(file map[string]any, add func(field, hint, format string, args ...any)) {
	var sources []string
	for _, name := range []string{"content", "base64", "sha256", "deleted"} {
		if value, has := file[name]; has && value != false {
			sources = append(sources, name)
		}
	}
	if len(sources) > 1 {
		add("", "keep one of them", "the file has %s at once", strings.Join(sources, " and "))
	}
	if _, has := file["url"]; has && file["sha256"] == nil {
		add(".sha256", "sha256sum of the file at the URL", "the digest is missing")
	}
	if text, ok := file["base64"].(string); ok {
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			add(".base64", "", "it is no base64")
		}
	}
	text, _ := file["content"].(string)
	for _, found := range machineName.FindAllStringSubmatch(text, -1) {
		if found[1] == "" && !slices.Contains(machineNames, found[2]) {
			add(".content", "there are ${machine.id}, .name, .serial and .uuid", "there is no ${machine.%s}", found[2])
		}
	}
}

// takeFiles moves the URLs of files out of the arguments: they are no part of a workload's inputs.
func takeFiles(s Step) Step {
	items := listItems(s.Args)
	list := make([]any, 0, len(items))
	for _, item := range items {
		if address, has := item["url"].(string); has {
			sum, _ := item["sha256"].(string)
			s.Files = append(s.Files, schemas.Image{URL: address, SHA256: sum})
			item = maps.Clone(item)
			delete(item, "url")
		}
		list = append(list, item)
	}
	s.Args = map[string]any{"files": list}
	return s
}

// ReadFiles reads the files in opened arguments of inject-files, which schema and CheckFiles have checked. A secret is used as
// it is: nothing is replaced in it.
func (s Step) ReadFiles(args map[string]any) (files []File, err error) {
	for i, item := range listItems(args) {
		f := File{Mode: readMode(item["mode"], defaultMode), DirMode: readMode(item["dirMode"], defaultDirMode), Overwrite: "Replace"}
		f.Path, _ = item["path"].(string)
		f.Partition, _ = item["partition"].(string)
		f.SHA256, _ = item["sha256"].(string)
		f.Delete, _ = item["deleted"].(bool)
		f.Owner, f.Group = readID(item["owner"]), readID(item["group"])
		if overwrite, ok := item["overwrite"].(string); ok {
			f.Overwrite = overwrite
		}
		if text, ok := item["content"].(string); ok {
			_, secret := s.Secrets[fmt.Sprintf("/files/%d/content", i)]
			f.Content, f.Template = []byte(text), !secret && strings.Contains(text, "${machine.")
		}
		if text, ok := item["base64"].(string); ok {
			if f.Content, err = base64.StdEncoding.DecodeString(text); err != nil {
				return nil, fmt.Errorf("file %s: %w", f.Path, err)
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// readMode reads an octal mode that the schema has checked.
func readMode(value any, otherwise uint32) uint32 {
	text, _ := value.(string)
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return otherwise
	}
	return uint32(mode)
}

// readID reads a number that the schema has checked.
func readID(value any) int {
	id, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil {
		return 0
	}
	return id
}

// FindEarlyFiles gives a step that works in the installed system in front of the step that writes the system.
func FindEarlyFiles(list []Step) (Step, bool) {
	install := slices.IndexFunc(list, func(s Step) bool { return schemas.InstallsSystem(s.Name) })
	at := slices.IndexFunc(list, Step.WorksInSystem)
	if at < 0 || at > install {
		return Step{}, false
	}
	return list[at], true
}

// WorksInSystem reports whether a step works in the file systems of the installed system.
func (s Step) WorksInSystem() bool { return s.Name == schemas.StepInjectFiles || s.Mounts }
