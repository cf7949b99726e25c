// Package leaks looks for secrets where none may be: Find says in which encoding data holds a text, ReadFiles and
// ReadProcesses collect places to search.
package leaks

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf16"
)

// Find says in which encoding data holds a text of at least 8 bytes; "" in none. A text in base32 or base64 is found
// wherever it stands in what was encoded.
func Find(data []byte, text string) (encoding string) {
	digits, letters := hex.EncodeToString([]byte(text)), []byte(text)
	slices.Reverse(letters)
	encodings := map[string]string{"plain": text, "hex": digits, "HEX": strings.ToUpper(digits), "in a URL": url.QueryEscape(text),
		"backwards": string(letters), "UTF-16": encodeUTF16(text)}
	for shift := range 3 { // three bytes are four digits of base64
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			whole := encoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + text))
			encodings[fmt.Sprint(name, shift)] = whole[(shift*8+5)/6 : len(whole)-2]
		}
	}
	for shift := range 5 { // five bytes are eight digits of base32
		whole := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(strings.Repeat("\x00", shift) + text))
		encodings[fmt.Sprint("base32 ", shift)] = whole[(shift*8+4)/5 : len(whole)-2]
	}
	for how, encoded := range encodings {
		if bytes.Contains(data, []byte(encoded)) {
			return how
		}
	}
	return ""
}

// encodeUTF16 is a text in UTF-16 with the lower byte first, without a mark.
func encodeUTF16(text string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		b.WriteByte(byte(unit))
		b.WriteByte(byte(unit >> 8))
	}
	return b.String()
}

// ReadFiles gives all regular files below a directory by their paths.
func ReadFiles(dir string) (map[string][]byte, error) {
	places := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		places[path] = data
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is below %s: %w", dir, err)
	}
	return places, nil
}

// ReadProcesses gives the arguments and the environment of all processes that can be read, by their files in /proc.
func ReadProcesses() (map[string][]byte, error) {
	places := map[string][]byte{}
	for _, name := range []string{"cmdline", "environ"} {
		files, err := filepath.Glob("/proc/[0-9]*/" + name)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		for _, file := range files {
			switch data, err := os.ReadFile(file); {
			case err == nil:
				places[file] = data
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ESRCH): // it ended, or is another user's
			default:
				return nil, fmt.Errorf("read a process: %w", err)
			}
		}
	}
	return places, nil
}
