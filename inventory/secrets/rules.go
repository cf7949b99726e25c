package secrets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/secrets/section"
)

// RulesFile is the file in which sops users name recipients.
const RulesFile = ".sops.yaml"

// maxRules is the largest rules file, in bytes.
const maxRules = 1 << 20

// ListRecipients gives the age recipients of a Secret's document, sorted. A document with keys of other types is an
// error.
func ListRecipients(document []byte) ([]string, error) {
	_, m, err := section.Read(document)
	if err != nil {
		return nil, err
	}
	if err := checkSupported(m); err != nil {
		return nil, err
	}
	if otherTypes := m.ListOtherKeys(); len(otherTypes) > 0 {
		return nil, fmt.Errorf("the Secret is for keys of sops.%s too, which would be lost: change it with sops",
			strings.Join(otherTypes, ", sops."))
	}
	var recipients []string
	for _, key := range m.Age {
		recipients = append(recipients, key.Recipient)
	}
	slices.Sort(recipients)
	return slices.Compact(recipients), nil
}

// rule is one of the creation_rules of a rules file.
type rule struct {
	Path      string         `yaml:"path_regex"`
	Age       yaml.Node      `yaml:"age"` // a text with commas, or a list
	KeyGroups []keyGroup     `yaml:"key_groups"`
	Others    map[string]any `yaml:",inline"`
}

type keyGroup struct {
	Age    []string       `yaml:"age"`
	Others map[string]any `yaml:",inline"`
}

// Rule is the rule by which a file is encrypted.
type Rule struct {
	File       string // the rules file; "" without a rule for the file
	Number     int    // index in creation_rules
	Recipients []string
}

// FindRule gives the recipients of a new file by the nearest rules file, in the file's directory or above. The first
// rule with a path_regex that matches the path below the rules file counts. Without a rules file or a rule the result
// is zero. A rule that asks for more than age recipients is an error: ingot could not follow the rule.
func FindRule(file string) (Rule, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return Rule{}, err
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		rules := filepath.Join(dir, RulesFile)
		if info, err := os.Stat(rules); err == nil && info.Size() <= maxRules {
			data, err := os.ReadFile(rules)
			if err != nil {
				return Rule{}, err
			}
			found, err := MatchRules(data, filepath.ToSlash(strings.TrimPrefix(file, dir+string(filepath.Separator))))
			if err != nil {
				return Rule{}, fmt.Errorf("%s: %w", rules, err)
			}
			if found.Recipients != nil {
				found.File = rules
			}
			return found, nil
		}
		if dir == filepath.Dir(dir) {
			return Rule{}, nil
		}
	}
}

// MatchRules gives the recipients of a new file by the content of a rules file; file is the path below the rules file's
// directory. See FindRule.
func MatchRules(data []byte, file string) (Rule, error) {
	var config struct {
		Rules []rule `yaml:"creation_rules"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return Rule{}, fmt.Errorf("it cannot be read: %w", err)
	}
	for number, r := range config.Rules {
		pattern, err := regexp.Compile(r.Path)
		if err != nil {
			return Rule{}, fmt.Errorf("creation_rules[%d].path_regex: %w", number, err)
		}
		if !pattern.MatchString(file) {
			continue
		}
		recipients, err := r.listRecipients()
		if err != nil {
			return Rule{}, fmt.Errorf("creation_rules[%d]: %w", number, err)
		}
		return Rule{Number: number, Recipients: recipients}, nil
	}
	return Rule{}, nil
}

// ignoredFields are fields of a rule that say nothing about keys.
var ignoredFields = []string{"encrypted_regex", "name"}

var errRule = errors.New("ingot encrypts for age recipients alone: make the file with sops, or name recipients with " +
	"--age")

func (r rule) listRecipients() ([]string, error) {
	for name, value := range r.Others {
		if text, ok := value.(string); value == nil || (ok && text == "") || slices.Contains(ignoredFields, name) {
			continue
		}
		return nil, fmt.Errorf("it asks for %s: %w", name, errRule)
	}
	var recipients []string
	switch r.Age.Kind {
	case yaml.ScalarNode:
		recipients = strings.Split(r.Age.Value, ",")
	case yaml.SequenceNode:
		if err := r.Age.Decode(&recipients); err != nil {
			return nil, fmt.Errorf("age: %w", err)
		}
	}
	switch {
	case len(r.KeyGroups) > 1:
		return nil, fmt.Errorf("it asks for %d key groups: %w", len(r.KeyGroups), errRule)
	case len(r.KeyGroups) == 1 && len(r.KeyGroups[0].Others) > 0:
		return nil, fmt.Errorf("it asks for other keys: %w", errRule)
	case len(r.KeyGroups) == 1:
		recipients = r.KeyGroups[0].Age
	}
	if len(recipients) == 0 {
		return nil, fmt.Errorf("it names no age recipients: %w", errRule)
	}
	return recipients, nil
}
