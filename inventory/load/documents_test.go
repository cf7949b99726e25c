package load_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gitmetal/ingot/inventory/load"
)

// TestDocumentsInOtherSpellings writes a Host outside of the folders of documents, in ways that YAML knows and people use:
// the host is read, or the file has a finding. It is never left out without a word.
func TestDocumentsInOtherSpellings(t *testing.T) {
	t.Parallel()
	const plain = "apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: a}\nspec: {}\n"
	const asJSON = `{"apiVersion": "ingot.dev/v1alpha1", "kind": "Host", "metadata": {"name": "a"}, "spec": {}}`
	inUTF16 := func(text string) string {
		var data strings.Builder
		data.WriteString("\xff\xfe")
		for _, unit := range utf16.Encode([]rune(text)) {
			data.WriteString(string([]byte{byte(unit), byte(unit >> 8)}))
		}
		return data.String()
	}
	spread := func(text, between string) string { return strings.Join(strings.Split(text, ""), between) + between }
	for name, test := range map[string]struct {
		file, data string
		read       bool
	}{
		"as usual":                      {"racks/a.yaml", plain, true},
		"a quoted key":                  {"racks/a.yaml", strings.Replace(plain, "apiVersion", `"apiVersion"`, 1), true},
		"JSON":                          {"racks/a.yaml", asJSON, true},
		"JSON over several lines":       {"racks/a.yml", strings.ReplaceAll(asJSON, ", ", ",\n"), true},
		"a flow mapping":                {"racks/a.yaml", "--- {apiVersion: ingot.dev/v1alpha1, kind: Host, metadata: {name: a}, spec: {}}\n", true},
		"indented":                      {"racks/a.yaml", "  " + strings.ReplaceAll(strings.TrimSpace(plain), "\n", "\n  ") + "\n", true},
		"a byte order mark":             {"racks/a.yaml", "\xef\xbb\xbf" + plain, false},
		"a byte order mark before JSON": {"racks/a.yaml", "\xef\xbb\xbf" + asJSON, false},
		"UTF-16":                        {"racks/a.yaml", inUTF16(plain), false},
		"UTF-16 without a mark":         {"racks/a.yaml", strings.TrimPrefix(inUTF16(plain), "\xff\xfe"), false},
		"UTF-32":                        {"racks/a.yaml", "\xff\xfe\x00\x00" + spread(plain, "\x00\x00\x00"), false},
		"UTF-16 with high bytes first":  {"racks/a.yaml", "\x00" + spread(strings.TrimSuffix(plain, "\n"), "\x00") + "\n", false},
		"no apiVersion":                 {"racks/a.yaml", strings.TrimPrefix(plain, "apiVersion: ingot.dev/v1alpha1\n"), false},
		"apiVersion in small letters":   {"racks/a.yaml", strings.Replace(plain, "apiVersion", "apiversion", 1), false},
		"another apiVersion of ingot":   {"racks/a.yaml", strings.Replace(plain, "ingot.dev/", "ingot.dev.io/", 1), false},
		"apiVersion in capitals":        {"racks/a.yaml", strings.Replace(plain, "ingot.dev/", "Ingot.dev/", 1), false},
		"another group of ingot":        {"racks/a.yaml", strings.Replace(plain, "ingot.dev/", "ingot.io/", 1), false},
		"a group with two letters off":  {"racks/a.yaml", strings.Replace(plain, "ingot.dev/", "ignot.dev/", 1), false},
		"apiVersion without a group":    {"racks/a.yaml", strings.Replace(plain, "ingot.dev/", "", 1), false},
		"both misspelt":                 {"racks/a.yaml", strings.NewReplacer("ingot.dev/", "Ingot/", "kind: Host", "kind: host").Replace(plain), false},
		"misspelt, and no YAML":         {"racks/a.yaml", strings.NewReplacer("ingot.dev/", "ingot.io/", "{}", "{").Replace(plain), false},
		"a group of others":             {"racks/a.yaml", strings.NewReplacer("ingot.dev/", "metal.example/", "{}", "{power: Off}").Replace(plain), false},
		"a version of Kubernetes":       {"racks/a.yaml", strings.NewReplacer("ingot.dev/v1alpha1", "v1", "{}", "{power: Off}").Replace(plain), false},
		"a group of others, later":      {"racks/a.yaml", "a: 1\n---\n" + strings.NewReplacer("ingot.dev/", "metal.example/", "{}", "{power: Off}").Replace(plain), false},
		"a misspelt item":               {"racks/a.yaml", strings.Replace("["+asJSON+"]", "ingot.dev/", "ingot.io/", 1), false},
		"a template":                    {"racks/a.yaml.j2", plain, false},
		"a template of hosts":           {"racks/web.tmpl", strings.Replace(plain, "name: a", "name: '{{ n }}'", 1), false},
		"a text":                        {"racks/a.yaml.txt", strings.Replace(plain, "ingot.dev/", "ingot.io/", 1), false},
		"a list":                        {"racks/a.yaml", "- {apiVersion: ingot.dev/v1alpha1, kind: Host, metadata: {name: a}, spec: {}}\n", false},
		"a list of Kubernetes":          {"racks/a.yaml", "apiVersion: v1\nkind: List\nitems: [" + asJSON + "]\n", false},
		"JSON that does not end":        {"racks/a.yaml", strings.TrimSuffix(asJSON, "}"), false},
		"a .json file":                  {"racks/a.json", asJSON, false},
		"an ending in capitals":         {"racks/a.YAML", plain, false},
	} {
		fleet, findings := load.Fleet(snapshot(map[string]string{test.file: test.data}), nil)
		_, read := fleet.Hosts["a"]
		if !read && len(findings) == 0 || read && len(findings) > 0 || read != test.read {
			t.Errorf("%s: read: %t, findings %v; want read: %t, or else a finding", name, read, findings, test.read)
		}
	}
	// What a fleet's hosts were made of is no host: outside of the folders of documents the template says nothing.
	template := strings.Replace(plain, "name: a", "name: '{{ n }}'", 1)
	for file, want := range map[string]int{"templates/host.yaml.j2": 0, "hosts/all.yaml.j2": 1} {
		_, findings := load.Fleet(snapshot(map[string]string{file: template, "hosts/a.yaml": plain}), nil)
		if len(findings) != want || want > 0 && !strings.Contains(findings[0].String(), file+":1:1: warning: a template of a Host is not read, and ingot renders none") {
			t.Errorf("%s: findings %v, want %d", file, findings, want)
		}
	}
	// Files of others are not the fleet's, whatever words they have.
	for name, data := range map[string]string{
		"another kind of file":    "apiVersion: v1\nkind: ConfigMap\ndata:\n  host.yaml: |\n    apiVersion: ingot.dev/v1alpha1\n    kind: Host\n",
		"a Secret of Kubernetes":  "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nspec: {}\n",
		"a kind without the rest": "kind: Host\nname: a\n",
		"a Host of others":        "apiVersion: getambassador.io/v3alpha1\nkind: Host\nmetadata: {name: a}\nspec: {}\n",
		"another product":         "apiVersion: ingots.example/v1\nkind: Host\nmetadata: {name: a}\nspec: {}\n",
		"a Workload of others":    "apiVersion: kueue.x-k8s.io/v1beta1\nkind: Workload\nmetadata: {name: a}\nspec: {queueName: q, active: true}\n",
		"a Rule of others":        "apiVersion: oathkeeper.ory.sh/v1alpha1\nkind: Rule\nmetadata: {name: a}\nspec: {match: {url: x}, mutators: []}\n",
		"a Fleet of others":       "apiVersion: agones.dev/v1\nkind: Fleet\nmetadata: {name: a, namespace: b}\nspec: {replicas: 2}\n",
		"a compose file":          "version: '3'\nservices:\n  web:\n    image: nginx\n",
		"a Helm chart's file":     "{{- if .Values.x }}\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\nspec: {}\n{{- end }}\n",
		"words in a text":         "text: 'write apiVersion: ingot.dev/v1alpha1'\n",
		"another file in UTF-16":  inUTF16("text: 1\n"),
	} {
		if fleet, findings := load.Fleet(snapshot(map[string]string{"ci/x.yaml": data}), nil); len(findings)+len(fleet.Hosts) > 0 {
			t.Errorf("%s: hosts %v, findings %v, want nothing", name, fleet.Hosts, findings)
		}
	}
}

// TestPointersOfDocuments has the pointer of a store in place of a document: the finding names the store.
func TestPointersOfDocuments(t *testing.T) {
	t.Parallel()
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("4d", 32) + "\nsize 12345\n"
	_, findings := load.Fleet(snapshot(map[string]string{"hosts/a.yaml": pointer}), nil)
	if len(findings) != 1 || !strings.Contains(findings[0].String(), "hosts/a.yaml:1: error: this is a pointer of Git LFS, not the file itself: the document is not read") {
		t.Errorf("findings %v, want one that names Git LFS", findings)
	}
}
