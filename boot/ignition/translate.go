// Package ignition turns a workload's Butane config into the Ignition config of one host, together with the host's own
// part: name, network, and the call home.
//
// Checker.Check checks a config when a commit is loaded; Render gives the config that a machine receives. Butane reads
// files only from a private directory with copies of the commit's files. Do not log a rendered config: secrets are
// filled in.
package ignition

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/coreos/butane/config"
	"github.com/coreos/butane/config/common"
	"github.com/coreos/vcontext/report"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// runButane runs Butane, strictly.
func runButane(b inventory.Butane, source []byte) ([]byte, []schemas.Finding) {
	if refused := checkVariant(b, source); len(refused) > 0 {
		return nil, refused
	}
	source = renameShared(b, source)
	dir, err := writeFiles(b)
	if err != nil {
		return nil, []schemas.Finding{{Position: schemas.Position{File: b.Path}, Severity: schemas.Error,
			Message: err.Error()}}
	}
	defer os.RemoveAll(dir)
	out, problems, err := config.TranslateBytes(source,
		common.TranslateBytesOptions{TranslateOptions: common.TranslateOptions{FilesDir: dir}})
	findings := convertReport(b.Path, dir, problems)
	if err != nil && len(findings) == 0 {
		findings = splitError(b.Path, showNames(err.Error(), dir))
	}
	return out, findings
}

// yamlLine is one problem in the text of an error of yaml/v3.
var yamlLine = regexp.MustCompile(`(?m)^\s*line (\d+): (.*)$`)

// splitError gives a finding for each line that an error speaks of.
func splitError(file, text string) (findings []schemas.Finding) {
	for _, part := range yamlLine.FindAllStringSubmatch(text, -1) {
		line, _ := strconv.Atoi(part[1])
		findings = append(findings, schemas.Finding{Position: schemas.Position{File: file, Line: line, Col: 1},
			Severity: schemas.Error, Message: "not as Butane reads it: " + part[2]})
	}
	if len(findings) == 0 {
		findings = []schemas.Finding{{Position: schemas.Position{File: file}, Severity: schemas.Error,
			Message: strings.Join(strings.Fields(text), " ")}}
	}
	return findings
}

func convertReport(file, dir string, r report.Report) []schemas.Finding {
	var findings []schemas.Finding
	for _, entry := range r.Entries {
		f := schemas.Finding{Position: schemas.Position{File: file}, Severity: schemas.Error,
			Message: showNames(entry.Message, dir)}
		if entry.Marker.StartP != nil {
			f.Line, f.Col = int(entry.Marker.StartP.Line), int(entry.Marker.StartP.Column)
		}
		if text := entry.Context.String(); text != "$" {
			f.Field = strings.TrimPrefix(text, "$.")
		}
		if strings.HasPrefix(entry.Message, "skipping validation for the merge/replace") {
			f.Message, f.Hint = "the config that is merged has another spec version than this one",
				"give both the same: "+describeSpecs()
		}
		findings = append(findings, f)
	}
	return findings
}

// writeFiles copies the config's files into a new private directory. Butane follows symbolic links out of its
// directory; the copy has no links. The owner's executable bit is kept, because Butane takes the mode of a tree's files
// from there.
func writeFiles(b inventory.Butane) (string, error) {
	dir, err := os.MkdirTemp("", "ingot-butane-")
	if err != nil {
		return "", fmt.Errorf("keep the files of the Butane config: %w", err)
	}
	for name, data := range b.Files {
		copied := nameShared(name)
		if !filepath.IsLocal(copied) {
			return "", errors.Join(fmt.Errorf("file %q leaves the directory of the Butane config", name),
				os.RemoveAll(dir))
		}
		path, mode := filepath.Join(dir, copied), os.FileMode(0o600)
		if b.Executable[name] {
			mode = 0o700
		}
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, data, mode)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("keep the files of the Butane config: %w", err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}
