// Package profiles holds shapes of BMCs that are known from the field, as small Redfish trees and rules made by us,
// each with what must come of a check and of an install. All gives the profiles; Profile.NewServer serves one as a BMC,
// in front of a machine. A report from the field becomes a file in shapes, and no code. Recorded trees belong to
// others: do not put a recorded tree here; package replay loads them from a directory.
package profiles

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/rules"
)

//go:embed base.json shapes
var files embed.FS

// Profile is a shape: how a BMC differs from base.json, and what must come of it.
type Profile struct {
	// Name is the name of the file.
	Name  string `json:"-"`
	About string `json:"about"`
	// Tree holds JSON merge patches of the base tree, by path.
	Tree map[string]map[string]any `json:"tree"`
	// Ejected, SecondNames and SettingsOf are replay.Options.
	Ejected     map[string]any    `json:"ejected"`
	SecondNames map[string]string `json:"secondNames"`
	SettingsOf  map[string]string `json:"settingsOf"`
	Rules       json.RawMessage   `json:"rules"`
	// Never are requests that must not be sent.
	Never []rules.Match `json:"never"`

	// Declares is the serial that the fleet declares; default: the machine's own.
	Declares string `json:"declares"`
	// Boots is how often the machine is started from the medium; default once.
	Boots int `json:"boots"`
	// Story is the BMC's log of an install of a machine that was on, with MEDIUM for the medium; default: UsualStory.
	Story []string `json:"story"`
	// Findings are beginnings of findings of the check, as "verdict topic: text"; Unusable: something is missing.
	Findings []string `json:"findings"`
	Unusable bool     `json:"unusable"`
	// HTTPS says that an install needs media over HTTPS; Error is what an install without them says.
	HTTPS bool `json:"https"`
	// Error is a part of the error that ends the install; Passing is a part of an error that passes by itself.
	Error   string `json:"error"`
	Passing string `json:"passing"`
	// Requests is the most that an install may need; default MostRequests.
	Requests int `json:"requests"`
	// Reads is the most that a path may be read in an install.
	Reads map[string]int `json:"reads"`
}

// UsualStory is the log of a well-behaved BMC.
func UsualStory() []string {
	return []string{
		"power-off force", "insert MEDIUM", "override Cd/Continuous", "power-on", "start cd",
		"power-off force", "eject MEDIUM", "override None/Disabled", "power-on", "start disk",
	}
}

// MostRequests is how many requests an install may need at a BMC that does at once what it accepts, beside the reads
// while the machine is on.
const MostRequests = 40

// All gives the profiles by name.
func All() ([]Profile, error) {
	entries, err := files.ReadDir("shapes")
	if err != nil {
		return nil, err
	}
	all := make([]Profile, 0, len(entries))
	for _, entry := range entries {
		p := Profile{Name: strings.TrimSuffix(entry.Name(), ".json")}
		if err := readStrict(path.Join("shapes", entry.Name()), &p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Base is the tree that the profiles change.
func Base() (replay.Tree, error) {
	tree := replay.Tree{}
	return tree, readStrict("base.json", &tree)
}

func readStrict(file string, into any) error {
	text, err := files.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("profile %s: %w", file, err)
	}
	return nil
}

// Identity is what a machine shows of itself. Empty members stay as the tree has them.
type Identity struct{ Serial, UUID, MAC string }

// What the trees have in place of an identity.
const (
	baseSerial = "SER0001"
	baseUUID   = "00000000-0000-4000-8000-0000000000a1"
	baseMAC    = "52:54:00:00:00:A1"
)

// NewServer makes the BMC of a machine. The members of options that a profile has are replaced.
func (p Profile) NewServer(machine Identity, options replay.Options) (*replay.Server, error) {
	tree, err := Base()
	if err != nil {
		return nil, err
	}
	if tree, err = machine.replaceIn(tree.Merge(p.Tree)); err != nil {
		return nil, err
	}
	options.Ejected, options.SecondNames, options.SettingsOf = p.Ejected, p.SecondNames, p.SettingsOf
	server, err := replay.New(tree, options)
	if err != nil {
		return nil, err
	}
	list := make([]rules.Rule, 0, len(p.Never))
	for _, never := range p.Never {
		list = append(list, rules.Rule{Match: never, Then: rules.Then{Status: 418}})
	}
	if p.Rules != nil {
		given, err := rules.Read(p.Rules)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		list = append(list, given...)
	}
	server.Rules().Put(list)
	return server, nil
}

// replaceIn puts the identity into a tree.
func (i Identity) replaceIn(tree replay.Tree) (replay.Tree, error) {
	var pairs []string
	for of, by := range map[string]string{baseSerial: i.Serial, baseUUID: i.UUID, baseMAC: i.MAC} {
		if by != "" {
			pairs = append(pairs, `"`+of+`"`, `"`+by+`"`)
		}
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	replaced := replay.Tree{}
	return replaced, json.Unmarshal([]byte(strings.NewReplacer(pairs...).Replace(string(text))), &replaced)
}

// CheckRules says which rules were never met, and which requests were sent that must not be sent. Without a line the
// profile was as its rules say.
func (p Profile) CheckRules(server *replay.Server) (wrong []string) {
	for i, state := range server.Rules().List() {
		if never := i < len(p.Never); never == (state.Met > 0) {
			wrong = append(wrong, fmt.Sprintf("the rule %+v was met %d times", state.Match, state.Met))
		}
	}
	return wrong
}
