package ignition

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Butane refuses names that leave its directory of files. A shared file ../../x is copied to .git/2/x there: no file of
// a fleet has such a path.
const sharedCopies = ".git/"

var sharedCopy = regexp.MustCompile(`/?\.git/([0-9]+)/`)

// nameShared gives the name of a file's copy. Every other name stays, also one that no copy may have.
func nameShared(name string) string {
	rest := path.Clean(name)
	ups := 0
	for strings.HasPrefix(rest, "../") {
		ups, rest = ups+1, rest[len("../"):]
	}
	if ups == 0 || rest == ".." {
		return name
	}
	return sharedCopies + strconv.Itoa(ups) + "/" + rest
}

// showNames gives a message of Butane with the names as the config has them.
func showNames(message, dir string) string {
	return sharedCopy.ReplaceAllStringFunc(strings.ReplaceAll(message, dir, ""), func(copied string) string {
		ups, _ := strconv.Atoi(sharedCopy.FindStringSubmatch(copied)[1]) // digits alone
		return strings.Repeat("../", min(ups, len(message)))
	})
}

// renameShared gives a config that names the copies of its shared files. Every value keeps its line.
func renameShared(b inventory.Butane, source []byte) []byte {
	shared := false
	for name := range b.Files {
		shared = shared || strings.HasPrefix(name, "../")
	}
	if !shared {
		return source
	}
	root, findings := refs.ParseFile(b.Path, source)
	if root == nil || len(findings) > 0 {
		return source
	}
	for _, name := range refs.FindLocalNames(root) {
		if copied := nameShared(name.Value); copied != name.Value {
			name.Value, name.Tag, name.Style = copied, "!!str", yaml.DoubleQuotedStyle
		}
	}
	return yamltext.PrintNodes(root)
}
