package steplist

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// cloudConfig begins a file of user data that is an object of cloud-init's modules: references in its values are replaced.
const cloudConfig = "#cloud-config"

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
	return use
}

// readUserData reads a file of user data: an object where the file is a cloud-config, else the text, in which nothing is
// replaced; nil where there is a mistake.
func (r *Reader) readUserData(t Tree, d schemas.Document, field string, from any) any {
	data, ok := r.readNamed(t, d, field, from)
	switch {
	case !ok:
		return nil
	case !isCloudConfig(data):
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
