package fleets

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Named names a document of a fleet.
type Named struct{ Kind, Name string }

// Value is a field of a document, as a path, with what it shall be: a text, or several for a list.
type Value struct{ Field, Values []string }

// EditHost sets a field of the document of a host in a file, and leaves everything else as it is written.
func EditHost(file, host string, field, values []string) error {
	return EditDocument(file, Named{schemas.KindHost, host}, Value{field, values})
}

// EditDocument sets fields of a document in a file, all or none, and leaves everything else as it is written.
func EditDocument(file string, named Named, values ...Value) error {
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
	edited := data
	for _, value := range values {
		document, err := named.findIn(edited)
		if err != nil {
			return err
		}
		if document == nil {
			return fmt.Errorf("%s does not describe it any more", file)
		}
		if edited, err = yamltext.SetValue(edited, document, value.Field, value.Values...); err != nil {
			return err
		}
	}
	if bytes.Equal(edited, data) {
		return nil
	}
	return replaceFile(file, edited, info.Mode().Perm())
}

// FindDocument gives a document, with its file. What validate finds in the document is not told.
func FindDocument(snapshot inventory.Snapshot, named Named) (schemas.Document, error) {
	var names []string
	for _, file := range slices.Sorted(maps.Keys(snapshot.Files)) {
		if ext := path.Ext(file); ext != ".yaml" && ext != ".yml" {
			continue
		}
		documents, _ := decode.DecodeFile(file, snapshot.Files[file].Data)
		for _, d := range documents {
			if d.Kind == named.Kind && d.Name == named.Name {
				return d, nil
			}
			if d.Kind == named.Kind {
				names = append(names, d.Name)
			}
		}
	}
	return schemas.Document{}, fmt.Errorf("there is no %s %q in this fleet (%s)", named.Kind, named.Name,
		cmp.Or(yamltext.SuggestWord(named.Name, names), "it has none"))
}

// replaceFile writes a new file and renames it over the old file, so that the file is never half written.
func replaceFile(file string, data []byte, mode os.FileMode) error {
	temporary := file + ".ingot-new"
	if err := os.WriteFile(temporary, data, mode); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// findIn gives the document in a file's text; nil without one.
func (n Named) findIn(data []byte) (*yaml.Node, error) {
	documents, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	if problem != nil {
		return nil, errors.New(problem.Message)
	}
	for _, document := range documents {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if document.Decode(&head) == nil && head.Kind == n.Kind && head.Metadata.Name == n.Name {
			return document, nil
		}
	}
	return nil, nil
}
