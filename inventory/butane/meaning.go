package butane

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/digest"
)

// Fields of Butane by the type of their values, in every variant and version (Butane 0.29.0); a test of package ignition
// compares them with Butane's own. Each other field is text.
var (
	numbers  = []string{"dir_mode", "file_mode", "gid", "http_response_headers", "http_total", "id", "mode", "number", "size_mib", "spares", "start_mib", "threshold", "uid"}
	booleans = []string{"discard", "enabled", "hard", "mask", "needs_network", "no_create_home", "no_log_init", "no_user_group", "overwrite", "resize",
		"should_exist", "system", "tpm2", "wipe_filesystem", "wipe_partition_entry", "wipe_table", "wipe_volume", "with_mount_unit"}
	// an empty map is another value than none
	optional = []string{"clevis", "custom"}
)

// FieldKind says how the value of a Butane field is read, wherever the field is: "number", "boolean", "optional" for a map
// that may be empty, or "text".
func FieldKind(field string) string {
	switch {
	case slices.Contains(numbers, field):
		return "number"
	case slices.Contains(booleans, field):
		return "boolean"
	case slices.Contains(optional, field):
		return "optional"
	default:
		return "text"
	}
}

// digestMeaning gives Digests.Meaning.
func digestMeaning(root *yaml.Node, files Files) string {
	m := meaning{files: files, trees: map[*yaml.Node]bool{}}
	for _, tree := range SelectNodes([]*yaml.Node{root}, "storage", "trees", "") {
		m.trees[tree] = true
	}
	return digest.Texts("butane meaning v1", m.describe("", root))
}

// nullTag is the tag of null.
const nullTag = "!!null"

type meaning struct {
	files Files
	trees map[*yaml.Node]bool // the items of storage.trees
}

// describe writes what the value of a field means; "" for what Butane takes for no value.
func (m meaning) describe(field string, node *yaml.Node) string {
	switch node.Kind {
	case yaml.DocumentNode, yaml.SequenceNode:
		return m.describeList(node)
	case yaml.MappingNode:
		return m.describeMap(field, node)
	case yaml.ScalarNode:
		return m.describeScalar(field, node)
	default:
		return digest.Texts("alias", node.Value) // refs.ReplaceReferences refuses aliases
	}
}

// describeList writes a list. Its items are maps or texts: kernel_arguments.should_exist lists texts.
func (m meaning) describeList(list *yaml.Node) string {
	if len(list.Content) == 0 {
		return ""
	}
	var items []string
	for _, child := range list.Content {
		text := m.describe("", child) // an empty item stays: Butane counts it
		if child.ShortTag() == nullTag {
			text = digest.Texts("null") // Butane leaves it out
		}
		items = append(items, text)
	}
	return digest.Texts(append([]string{"list"}, items...)...)
}

// describeMap writes a map without the order of the fields, and without those that have no value.
func (m meaning) describeMap(field string, node *yaml.Node) string {
	var fields []string
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		text := m.describe(name, value)
		switch {
		case text == "":
			continue
		case m.trees[node] && name == "local":
			text = m.describeTree(value.Value)
		default:
			name, text = m.describeBytes(name, text, value)
		}
		fields = append(fields, digest.Texts(name, text))
	}
	if len(fields) == 0 && FieldKind(field) != "optional" {
		return ""
	}
	slices.Sort(fields)
	return digest.Texts(append([]string{"map"}, fields...)...)
}

// describeScalar reads a value as Butane reads the field: a number, a boolean, or text, whatever its quotes.
func (m meaning) describeScalar(field string, node *yaml.Node) string {
	var number int64
	var boolean bool
	var text string
	kind := FieldKind(field)
	switch {
	case node.ShortTag() == nullTag:
		return ""
	case kind == "number" && node.Decode(&number) == nil:
		return digest.Texts("number", strconv.FormatInt(number, 10))
	case kind == "boolean" && node.Decode(&boolean) == nil:
		return digest.Texts("boolean", strconv.FormatBool(boolean))
	case kind == "text" && node.Decode(&text) == nil:
		return digest.Texts("text", text)
	default:
		return digest.Texts("value", node.ShortTag(), node.Value) // Butane refuses the value
	}
}

// localNames are fields that name a file, and the fields that hold the bytes of such a file instead.
var localNames = map[string]string{"local": "inline", "contents_local": "contents"}

// describeBytes gives a field that holds bytes one name and one text, whether the bytes are in the document or in a file. A
// text with references is no bytes yet. Two fields of one map do not meet: Butane refuses a file beside a text.
func (m meaning) describeBytes(field, text string, value *yaml.Node) (name, described string) {
	inline, isLocal := localNames[field]
	isText := value.Kind == yaml.ScalarNode && (field == "inline" || field == "contents")
	var written string
	switch {
	case isLocal && value.Kind == yaml.ScalarNode:
		return inline, digest.Texts("bytes", string(m.files.Data[path.Clean(value.Value)]))
	case field == "ssh_authorized_keys_local":
		return field, m.describeFiles(value)
	case isText && !strings.Contains(value.Value, "${") && value.Decode(&written) == nil:
		return field, digest.Texts("bytes", written)
	default:
		return field, text
	}
}

// describeFiles writes the bytes of the files that a list names.
func (m meaning) describeFiles(list *yaml.Node) string {
	texts := []string{"files"}
	for _, item := range list.Content {
		texts = append(texts, string(m.files.Data[path.Clean(item.Value)]))
	}
	return digest.Texts(texts...)
}

// describeTree writes the files below a directory, by their names in the directory.
func (m meaning) describeTree(dir string) string {
	texts := []string{"tree"}
	for _, name := range slices.Sorted(maps.Keys(m.files.Data)) {
		if inside, is := PathInside(path.Clean(dir), name); is {
			texts = append(texts, inside, string(m.files.Data[name]), strconv.FormatBool(m.files.Executable[name]))
		}
	}
	return digest.Texts(texts...)
}
