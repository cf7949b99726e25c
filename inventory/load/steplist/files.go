package steplist

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// cloudConfig begins a file of user data that is an object of cloud-init's modules: references in its values are replaced.
const cloudConfig = "#cloud-config"

// Where references count, of files of the commit that are used as they are.
var (
	injectedFile = refs.Use{Counts: "in content only", Hint: "write the text there, in place of from"}
	userData     = refs.Use{Counts: "in a cloud-config only", Hint: "write the file as #cloud-config, or the text below userData:"}
)

// inlineFiles puts the files of the commit that the arguments of a use name into the arguments: their content counts as an
// argument, and their names do not.
func (r *Reader) inlineFiles(t Tree, d schemas.Document, field string, use schemas.StepUse) schemas.StepUse {
	if drive, ok := use.Args["configDrive"].(map[string]any); ok && use.Step == schemas.StepWriteImage {
		if from, named := drive["userDataFrom"]; named {
			drive = maps.Clone(drive)
			delete(drive, "userDataFrom")
			if data := r.readUserData(t, d, field+".args.configDrive.userDataFrom", from); data != nil {
				if _, twice := drive["userData"]; twice {
					r.Report(d.ErrorAt(field+".args.configDrive", "keep one of them", "userData and userDataFrom are both set"))
				}
				drive["userData"] = data
			}
			use.Args = maps.Clone(use.Args)
			use.Args["configDrive"] = drive
		}
	}
	if use.Step == schemas.StepInjectFiles {
		use.Args = r.inlineInjected(t, d, field, use.Args)
	}
	return use
}

// inlineInjected gives the arguments of inject-files with the bytes of the commit's files, and with ${machine.…} kept for the
// machine.
func (r *Reader) inlineInjected(t Tree, d schemas.Document, field string, args map[string]any) map[string]any {
	given, isList := args["files"].([]any)
	if !isList {
		return args
	}
	list := make([]any, 0, len(given))
	for i, item := range given {
		if file, ok := item.(map[string]any); ok {
			file = maps.Clone(file)
			if text, ok := file["content"].(string); ok {
				file["content"] = strings.ReplaceAll(text, "${machine.", "$${machine.")
			}
			if from, named := file["from"]; named {
				delete(file, "from")
				at := fmt.Sprintf("%s.args.files[%d].from", field, i)
				if data, ok := r.readNamed(t, d, at, from); ok {
					r.Report(refs.WarnInFile(fmt.Sprint(from), data, injectedFile)...)
					if _, twice := file["base64"]; twice {
						r.Report(d.ErrorAt(at, "keep one of them", "from and base64 are both set"))
					}
					file["base64"] = base64.StdEncoding.EncodeToString(data)
				}
			}
			item = file
		}
		list = append(list, item)
	}
	args = maps.Clone(args)
	args["files"] = list
	return args
}

// readUserData reads a file of user data: an object where the file is a cloud-config, else the text, in which nothing is
// replaced; nil where there is a mistake.
func (r *Reader) readUserData(t Tree, d schemas.Document, field string, from any) any {
	data, ok := r.readNamed(t, d, field, from)
	switch {
	case !ok:
		return nil
	case !isCloudConfig(data):
		r.Report(refs.WarnInFile(fmt.Sprint(from), data, userData)...)
		return strings.ReplaceAll(string(data), "${", "$${")
	}
	roots, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	var object map[string]any
	switch {
	case problem != nil:
		r.Report(schemas.YAMLFinding(fmt.Sprint(from), problem))
		return nil
	case len(roots) != 1 || roots[0].Kind != yaml.MappingNode || roots[0].Decode(&object) != nil:
		r.Report(d.ErrorAt(field, "write the names of cloud-init's modules, such as packages: [curl]", "%v is no object of cloud-init's modules", from))
		return nil
	}
	return object
}

// isCloudConfig reports whether the first line of user data says that an object follows.
func isCloudConfig(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSpace(line)) == cloudConfig
}

// readNamed reads a file of the commit that an argument names.
func (r *Reader) readNamed(t Tree, d schemas.Document, field string, name any) (data []byte, ok bool) {
	file, isText := name.(string)
	if !isText || file == "" || strings.Contains(file, "${") {
		r.Report(d.ErrorAt(field, "a path from the fleet's root, without references", "want the name of a file in this commit"))
		return nil, false
	}
	data, has, usable := t.readFile(file)
	switch {
	case !has:
		r.Report(d.ErrorAt(field, "", "there is no file %s in this commit", file))
		return nil, false
	case !usable:
		return nil, false // reported already
	case len(data) > maxArguments:
		r.Report(d.ErrorAt(field, "have the system fetch what is large", "%s has %d bytes, at most %d can be delivered", file, len(data), maxArguments))
		return nil, false
	}
	return data, true
}
