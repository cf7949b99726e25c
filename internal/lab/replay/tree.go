// Package replay serves a recorded Redfish tree as the BMC that it was recorded from: over HTTPS, with sessions, and
// with writes applied. Load reads a tree from a directory that a user gives, New makes a Server of it. Recorded trees
// belong to others: none is kept in this repository. The trees of our own tests are written by us, for a shape.
//
// Writes are merged into the resource that they name. A write to a settings object goes into that object, and into the
// resource that it belongs to at the next reset, or at once where the tree offers the apply time Immediate. A value is
// refused where the tree declares the allowable values and the value is not one of them. Actions are known by their
// targets: Reset, InsertMedia, EjectMedia, SimpleUpdate. Collections and their counts follow. Everything else is served
// as recorded; how a BMC lies is told with rules (package rules).
package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/rules"
)

// root is the path of the service root.
const root = "/redfish/v1"

// maxFile limits the files of a tree that are read, in bytes: larger files are registries and schemas.
const maxFile = 4 << 20

// Tree is a service's resources by their paths, without a slash at the end.
type Tree map[string]map[string]any

// Load reads a tree from a directory: files named index.json in directories as DMTF's mockups have them, or files of
// any name with the resource's path in @odata.id. A tree without a service root gets a plain one.
func Load(dir string) (Tree, error) {
	tree := Tree{}
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".json" {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Size() > maxFile {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		var document map[string]any
		if json.Unmarshal(text, &document) != nil {
			return nil // recordings hold files that are no resource
		}
		if at := addressOf(name, document); at != "" {
			tree[at] = document
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load a Redfish tree: %w", err)
	}
	if len(tree) == 0 {
		return nil, errors.New("load a Redfish tree: " + dir + " holds no resource: want index.json files, or JSON " +
			"files with @odata.id")
	}
	tree.completeRoot()
	return tree, nil
}

// addressOf is the path of the resource in a file, or empty.
func addressOf(name string, document map[string]any) string {
	if path.Base(name) == "index.json" {
		if _, below, found := strings.Cut("/"+path.Dir(name), root); found {
			return root + below
		}
	}
	said, _ := document["@odata.id"].(string)
	said, _, _ = strings.Cut(said, "#")
	if !strings.HasPrefix(said, root) {
		return ""
	}
	return strings.TrimSuffix(said, "/")
}

// completeRoot adds a service root to a recording that begins below the root.
func (t Tree) completeRoot() {
	if t[root] == nil {
		t[root] = map[string]any{"@odata.id": root + "/", "Id": "RootService", "RedfishVersion": "1.0.0"}
	}
	for _, name := range []string{"Systems", "Managers"} {
		at := root + "/" + name
		if t[at] == nil {
			t[at] = t.collectMembers(at)
		}
		if t[root][name] == nil {
			t[root][name] = newLink(at)
		}
	}
}

// setPower has every System show a power state.
func (t Tree) setPower(state string) {
	for at, resource := range t {
		if path.Dir(at) == root+"/Systems" && resource["PowerState"] != nil {
			resource["PowerState"] = state
		}
	}
}

// collectMembers makes a collection of the resources right below a path.
func (t Tree) collectMembers(at string) map[string]any {
	members := []any{}
	for member := range t {
		if path.Dir(member) == at {
			members = append(members, newLink(member))
		}
	}
	return map[string]any{"@odata.id": at, "Members": members, "Members@odata.count": len(members)}
}

// Merge returns a tree with JSON merge patches by path applied; a path that is not in the tree is added.
func (t Tree) Merge(patches map[string]map[string]any) Tree {
	merged := Tree{}
	for at, document := range t {
		merged[at] = copyDocument(document)
	}
	for at, patch := range patches {
		merged.applyPatch(strings.TrimSuffix(at, "/"), patch)
	}
	return merged
}

// applyPatch merges a patch into a resource of the tree.
func (t Tree) applyPatch(at string, patch map[string]any) {
	var before any
	if t[at] != nil {
		before = t[at]
	}
	after, _ := rules.Merge(before, patch).(map[string]any)
	if after["@odata.id"] == nil {
		after["@odata.id"] = at
	}
	t[at] = after
}

func copyDocument(document map[string]any) map[string]any {
	text, err := json.Marshal(document)
	if err != nil {
		panic("replay: a document that is no JSON: " + err.Error()) // it was read from JSON
	}
	var copied map[string]any
	if err := json.Unmarshal(text, &copied); err != nil {
		panic("replay: a document that is no JSON: " + err.Error())
	}
	return copied
}

func newLink(at string) map[string]any { return map[string]any{"@odata.id": at} }

// followLink gives the path that a document links to under nested members, or empty.
func followLink(document map[string]any, names ...string) string {
	for _, name := range names {
		document, _ = document[name].(map[string]any)
	}
	at, _ := document["@odata.id"].(string)
	return strings.TrimSuffix(at, "/")
}

// readTexts gives a list of texts of a document.
func readTexts(value any) []string {
	list, _ := value.([]any)
	found := []string{}
	for _, item := range list {
		if text, is := item.(string); is {
			found = append(found, text)
		}
	}
	return found
}
