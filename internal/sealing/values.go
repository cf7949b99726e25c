package sealing

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/term"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

// Input is the source of a Secret's values.
type Input struct {
	Files []string // key=path each; with files nothing else is read
	Keys  []string // keys to ask for on a terminal; without keys the terminal asks for keys too
	In    io.Reader
	Talk  io.Writer // questions
}

// ReadValues reads the values: files to the last byte; on a terminal the typed values, without echo; otherwise the
// whole of In, as lines of key=value or as YAML.
func (i Input) ReadValues(ctx context.Context) (map[string]secret.Value, error) {
	if len(i.Files) > 0 {
		return readFiles(i.Files)
	}
	if file, ok := i.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return i.askValues(ctx, file)
	}
	data, err := io.ReadAll(io.LimitReader(i.In, schemas.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the values: %w", err)
	}
	return parseValues(data)
}

func readFiles(pairs []string) (map[string]secret.Value, error) {
	values := map[string]secret.Value{}
	for _, pair := range pairs {
		key, path, ok := strings.Cut(pair, "=")
		if !ok || key == "" || path == "" {
			return nil, errors.New("--from-file wants key=path: a value itself never stands in an argument, where " +
				"other users of the machine can read it")
		}
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		if err := addValue(values, key, string(data)); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// readFile reads a file of at most schemas.MaxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, schemas.MaxFile+1))
	if err == nil && len(data) > schemas.MaxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, schemas.MaxFile)
	}
	return data, err
}

func addValue(values map[string]secret.Value, key, value string) error {
	if _, twice := values[key]; twice {
		return fmt.Errorf("the key %q is given twice", key)
	}
	values[key] = secret.New(value)
	return nil
}

// readLine reads no byte beyond the line's end: the rest is for the next reader.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := in.Read(b)
		if n == 1 && b[0] == '\n' {
			return string(line), nil
		}
		if n == 1 {
			line = append(line, b[0])
		}
		if err != nil {
			return string(line), err
		}
	}
}

var assignment = regexp.MustCompile(`^[A-Za-z0-9._-]+=`)

// parseValues reads key=value, one a line, or YAML: a mapping of keys to texts. No error repeats a value.
func parseValues(data []byte) (map[string]secret.Value, error) {
	if len(data) > schemas.MaxFile {
		return nil, fmt.Errorf("the values have more than %d bytes", schemas.MaxFile)
	}
	values := map[string]secret.Value{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, schemas.MaxFile+1)
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !assignment.MatchString(line) {
			return parseYAML(data)
		}
		key, value, _ := strings.Cut(line, "=")
		if err := addValue(values, key, value); err != nil {
			return nil, err
		}
	}
	return values, lines.Err()
}

var errInput = errors.New("standard input is neither key=value, one a line, nor YAML with a text for each key " +
	"(numbers in quotes)")

func parseYAML(data []byte) (map[string]secret.Value, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil || len(root.Content) != 1 ||
		root.Content[0].Kind != yaml.MappingNode {
		return nil, errInput
	}
	values := map[string]secret.Value{}
	fields := root.Content[0].Content
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i].Kind != yaml.ScalarNode || fields[i+1].Kind != yaml.ScalarNode || fields[i+1].Tag != "!!str" {
			return nil, errInput
		}
		if err := addValue(values, fields[i].Value, fields[i+1].Value); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// SplitValues tells values that are text from values that are bytes, as a Secret holds them in two fields: text is
// UTF-8 without the NUL character.
func SplitValues(values map[string]secret.Value) (text, binary map[string]secret.Value) {
	text, binary = map[string]secret.Value{}, map[string]secret.Value{}
	for key, value := range values {
		if revealed := value.Reveal(); utf8.ValidString(revealed) && !strings.ContainsRune(revealed, 0) {
			text[key] = value
		} else {
			binary[key] = value
		}
	}
	return text, binary
}
