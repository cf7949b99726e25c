// Package starter writes a new fleet: small, valid, with comments that say what to change. Call WriteFleet for a new
// fleet, WriteSchemas after an upgrade. Do not write into a directory with other files.
package starter

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

//go:embed all:fleet
var templates embed.FS

// SchemasDir is the directory of a fleet's JSON Schemas. Files of the fleet name their schema in the first line.
const SchemasDir = ".ingot/schemas"

// Options are the choices for a new fleet.
type Options struct {
	// Recipients are the age recipients of the fleet's Secret. Without a recipient the Secret is sealed for a key that
	// is thrown away: a placeholder.
	Recipients []string
	Now        time.Time
}

// WriteFleet makes a fleet in a directory that is missing, empty, or holds only .git, and gives the paths of its files,
// sorted. In any other directory nothing is written.
func WriteFleet(dir string, o Options) ([]string, error) {
	if err := checkVacant(dir); err != nil {
		return nil, err
	}
	files, err := renderFleet(o)
	if err != nil {
		return nil, err
	}
	return writeFiles(dir, files, os.O_EXCL)
}

// WriteSchemas writes the JSON Schemas of this version into a fleet, and replaces existing ones.
func WriteSchemas(dir string) ([]string, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory: name the fleet's", dir)
	}
	files := map[string][]byte{}
	if err := addSchemas(files); err != nil {
		return nil, err
	}
	return writeFiles(dir, files, os.O_TRUNC)
}

// checkVacant refuses a directory with files.
func checkVacant(dir string) error {
	if dir == "" { // an unset variable of a script would mean the working directory
		return errors.New("no directory is named: name one that is empty or missing")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: name a directory that is empty or missing", err)
	}
	for _, entry := range entries {
		if entry.Name() != ".git" {
			return fmt.Errorf("%s is not empty, it has %s: name a directory that is empty or missing; "+
				"nothing was written", dir, entry.Name())
		}
	}
	return nil
}

// renderFleet renders every file, by its path.
func renderFleet(o Options) (map[string][]byte, error) {
	recipients, err := secrets.ParseRecipients(o.Recipients)
	if err != nil {
		return nil, err
	}
	view := struct {
		Placeholder bool
		Recipients  string
	}{len(recipients) == 0, strings.Join(o.Recipients, ",")}
	if view.Placeholder {
		thrownAway, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, err
		}
		recipients, view.Recipients = []age.Recipient{thrownAway.Recipient()}, thrownAway.Recipient().String()
	}
	files := map[string][]byte{}
	if err := addSchemas(files); err != nil {
		return nil, err
	}
	if err := addTemplates(files, view); err != nil {
		return nil, err
	}
	files["secrets/bmc.yaml"], err = sealCredentials(recipients, o.Now)
	return files, err
}

// addTemplates adds the files of the embedded fleet.
func addTemplates(files map[string][]byte, view any) error {
	return fs.WalkDir(templates, "fleet", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := templates.ReadFile(name)
		if err != nil {
			return err
		}
		target, rendered := strings.CutSuffix(strings.TrimPrefix(name, "fleet/"), ".tmpl")
		if rendered {
			t, err := template.New(target).Parse(string(data))
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := t.Execute(&b, view); err != nil {
				return err
			}
			data = b.Bytes()
		}
		files[target] = data
		return nil
	})
}

func addSchemas(files map[string][]byte) error {
	names, err := fs.Glob(schemas.JSON, "json/*.json")
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := schemas.JSON.ReadFile(name)
		if err != nil {
			return err
		}
		files[path.Join(SchemasDir, path.Base(name))] = data
	}
	return nil
}

// sealCredentials makes the Secret of the example's host.
func sealCredentials(recipients []age.Recipient, now time.Time) ([]byte, error) {
	sealed, err := secrets.SealSecret(secrets.Plain{
		Name: "bmc", Scope: schemas.Scope{MatchLabels: map[string]string{"rack": "r1"}},
		Data: map[string]secret.Value{"username": secret.New("change-me"), "password": secret.New("change-me")},
	}, recipients, now)
	return append([]byte("# yaml-language-server: $schema=../"+SchemasDir+"/secret.json\n"), sealed...), err
}

// writeFiles writes files below a directory. Mode os.O_EXCL refuses existing files, os.O_TRUNC replaces existing files.
func writeFiles(dir string, files map[string][]byte, mode int) ([]string, error) {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := writeFile(file, files[name], mode); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func writeFile(file string, data []byte, mode int) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|mode, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
