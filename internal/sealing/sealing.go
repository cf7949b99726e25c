// Package sealing makes, edits and rotates the files of a fleet's Secrets, for a person at the command line. Call
// Input.ReadValues and SealSecret for a new Secret, Editor.EditSecret, RotateSecrets or ChangeScope for an existing
// one. Do not take values from arguments: other users can read them. Values in clear are written only for an editor, in
// a private directory that is removed.
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

// SealSecret makes the file of a new Secret.
func SealSecret(file string, plain secrets.Plain, recipients []age.Recipient) ([]byte, error) {
	if len(plain.Data)+len(plain.Binary) == 0 {
		return nil, errors.New("there is no value: give some with --from-file key=path, or on standard input as " +
			"key=value")
	}
	sealed, err := secrets.SealSecret(plain, recipients, time.Now())
	if err != nil {
		return nil, err
	}
	return sealed, checkFile(file, sealed)
}

// SealReviewedSecret is SealSecret with a scope that can be changed without a key: secrets.SealReviewed.
func SealReviewedSecret(file string, plain secrets.Plain, recipients []age.Recipient) ([]byte, error) {
	if _, err := SealSecret(file, plain, recipients); err != nil {
		return nil, err
	}
	clear, err := plain.EncodeText()
	if err != nil {
		return nil, err
	}
	sealed, err := secrets.SealReviewed(clear, recipients, time.Now())
	if err != nil {
		return nil, err
	}
	return sealed, checkFile(file, sealed)
}

// WriteNew writes a new file, with its directories. An existing file stays.
func WriteNew(file string, sealed []byte) error {
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

// RotateSecrets encrypts files again, with new keys, for exactly these recipients. The values stay. After an error with
// one file no file is written.
func RotateSecrets(files []string, keys secrets.Keys, recipients []age.Recipient) error {
	rotated := map[string][]byte{}
	for _, file := range files {
		document, err := readFile(file)
		if err != nil {
			return err
		}
		clear, err := secrets.RevealText(document, keys)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if rotated[file], err = sealText(file, clear, document, recipients); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for file, sealed := range rotated {
		if err := replaceFile(file, sealed); err != nil {
			return err
		}
	}
	return nil
}

func sealText(file string, clear, before []byte, recipients []age.Recipient) ([]byte, error) {
	sealed, err := secrets.SealText(clear, before, recipients, time.Now())
	if err != nil {
		return nil, err
	}
	return sealed, checkFile(file, sealed)
}

// checkFile finds what the fleet would refuse of a file. Findings repeat no value of a Secret.
func checkFile(file string, sealed []byte) error {
	documents, findings := decode.DecodeFile(file, sealed)
	var problems []string
	for _, finding := range findings {
		if finding.Severity == schemas.Error {
			finding.Position = schemas.Position{} // a line of the sealed text, unknown to the person
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

// replaceFile writes beside a file and renames: a file is never half written.
func replaceFile(file string, data []byte) error {
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
