// Package sealing makes, edits and rotates the files of a fleet's Secrets, for a person at the command line. Values come from files, from a terminal that
// does not show them, or from standard input, never from arguments; in clear they are written only for an editor, in a private directory that is removed.
package sealing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// Seal makes the file of a new Secret.
func Seal(file string, plain secrets.Plain, recipients []age.Recipient) ([]byte, error) {
	if len(plain.Data) == 0 {
		return nil, errors.New("there is no value: give some with --from-file key=path, or on standard input as key=value")
	}
	sealed, err := secrets.Seal(plain, recipients, time.Now())
	if err != nil {
		return nil, err
	}
	return sealed, check(file, sealed)
}

// Write writes a new file, with its directories; one that is there stays.
func Write(file string, sealed []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: change it with `ingot secret edit %[1]s`", file)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(sealed); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// Rotate encrypts files anew, with new keys, for exactly these recipients. What is in them stays as it is. Either all files are written or, after an
// error with one of them, none.
func Rotate(files []string, keys secrets.Keys, recipients []age.Recipient) error {
	rotated := map[string][]byte{}
	for _, file := range files {
		document, err := readFile(file)
		if err != nil {
			return err
		}
		clear, err := secrets.Reveal(document, keys)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if rotated[file], err = reseal(file, clear, recipients); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for file, sealed := range rotated {
		if err := replace(file, sealed); err != nil {
			return err
		}
	}
	return nil
}

func reseal(file string, clear []byte, recipients []age.Recipient) ([]byte, error) {
	sealed, err := secrets.SealText(clear, recipients, time.Now())
	if err != nil {
		return nil, err
	}
	return sealed, check(file, sealed)
}

// check finds what the fleet would refuse of a file. Findings repeat no value of a Secret.
func check(file string, sealed []byte) error {
	documents, findings := decode.DecodeFile(file, sealed)
	var problems []string
	for _, finding := range findings {
		if finding.Severity == schemas.Error {
			finding.Position = schemas.Position{} // a line of what is written, which nobody sees
			problems = append(problems, strings.TrimPrefix(finding.String(), ": error: "))
		}
	}
	if len(problems) == 0 && (len(documents) != 1 || documents[0].Secret == nil) {
		problems = append(problems, "kind: it is not a Secret")
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}

// replace writes beside a file and takes its place: a file is never half written.
func replace(file string, data []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	temporary := file + ".ingot-new"
	if err := os.WriteFile(temporary, data, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
