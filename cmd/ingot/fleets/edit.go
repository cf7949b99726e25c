package fleets

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// EditHost sets a field of the document of a host in a file, and leaves everything else as it is written.
func EditHost(file, host string, field, values []string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not in this sparse work tree, git sparse-checkout adds it", file)
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	if problem != nil {
		return errors.New(problem.Message)
	}
	for _, document := range documents {
		if !isHost(document, host) {
			continue
		}
		edited, err := yamltext.SetValue(data, document, field, values...)
		if err != nil {
			return err
		}
		if bytes.Equal(edited, data) {
			return nil
		}
		return replaceFile(file, edited, info.Mode().Perm())
	}
	return fmt.Errorf("%s does not describe it any more", file)
}

// replaceFile writes a new file and renames it over the old file, so that the file is never half written.
func replaceFile(file string, data []byte, mode os.FileMode) error {
	temporary := file + ".ingot-new"
	if err := os.WriteFile(temporary, data, mode); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

func isHost(document *yaml.Node, name string) bool {
	var head struct {
		Kind     string
		Metadata struct{ Name string }
	}
	return document.Decode(&head) == nil && head.Kind == "Host" && head.Metadata.Name == name
}
