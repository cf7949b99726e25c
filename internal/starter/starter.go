// Package starter writes a new fleet: small, valid, with comments that say what to change.
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

// SchemasDir is where a fleet keeps the JSON Schemas that its files name in their first lines.
const SchemasDir = ".ingot/schemas"

// Options are what a new fleet begins with.
type Options struct {
	// Recipients are the age recipients of its Secret. Without any it is sealed for a key that is thrown away: a placeholder.
	Recipients []string
	Now        time.Time
}

// Write makes a fleet in a directory that is missing, empty, or holds nothing but .git, and gives the paths of its files, sorted. In any other
// directory nothing is written.
func Write(dir string, o Options) ([]string, error) {
	if err := vacant(dir); err != nil {
		return nil, err
	}
	files, err := fleet(o)
	if err != nil {
		return nil, err
	}
	return put(dir, files, os.O_EXCL)
}

// WriteSchemas writes the JSON Schemas of this version into a fleet, over those that are there.
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
	return put(dir, files, os.O_TRUNC)
}

// vacant refuses a directory in which something is.
func vacant(dir string) error {
	if dir == "" { // an unset variable of a script: the files would land in the working directory, whatever is there
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
			return fmt.Errorf("%s is not empty, it has %s: name a directory that is empty or missing; nothing was written", dir, entry.Name())
		}
	}
	return nil
}

// fleet renders every file, by its path.
func fleet(o Options) (map[string][]byte, error) {
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
	files["secrets/bmc.yaml"], err = credentials(recipients, o.Now)
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

// credentials is the Secret that the example's host names.
func credentials(recipients []age.Recipient, now time.Time) ([]byte, error) {
	sealed, err := secrets.Seal(secrets.Plain{
		Name: "bmc", Scope: schemas.Scope{MatchLabels: map[string]string{"rack": "r1"}},
		Data: map[string]secret.Value{"username": secret.New("change-me"), "password": secret.New("change-me")},
	}, recipients, now)
	return append([]byte("# yaml-language-server: $schema=../"+SchemasDir+"/secret.json\n"), sealed...), err
}

// put writes files below a directory; mode is os.O_EXCL to refuse files that are there, os.O_TRUNC to replace them.
func put(dir string, files map[string][]byte, mode int) ([]string, error) {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := write(file, files[name], mode); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func write(file string, data []byte, mode int) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|mode, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
