package ignition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/coreos/butane/config"
	"github.com/coreos/butane/config/common"
	fcos1_0 "github.com/coreos/butane/config/fcos/v1_0"
	fcos1_1 "github.com/coreos/butane/config/fcos/v1_1"
	fcos1_2 "github.com/coreos/butane/config/fcos/v1_2"
	fcos1_3 "github.com/coreos/butane/config/fcos/v1_3"
	fcos1_4 "github.com/coreos/butane/config/fcos/v1_4"
	fcos1_5 "github.com/coreos/butane/config/fcos/v1_5"
	fcos1_6 "github.com/coreos/butane/config/fcos/v1_6"
	fcos1_7 "github.com/coreos/butane/config/fcos/v1_7"
	fiot1_0 "github.com/coreos/butane/config/fiot/v1_0"
	flatcar1_0 "github.com/coreos/butane/config/flatcar/v1_0"
	flatcar1_1 "github.com/coreos/butane/config/flatcar/v1_1"
	r4e1_0 "github.com/coreos/butane/config/r4e/v1_0"
	r4e1_1 "github.com/coreos/butane/config/r4e/v1_1"
	"pgregory.net/rapid"

	butanefile "github.com/gitmetal/ingot/inventory/butane"
	"github.com/gitmetal/ingot/inventory/refs"
)

// TestFieldsOfButane compares what package butane says of fields with Butane's own types, of every stable version.
func TestFieldsOfButane(t *testing.T) {
	t.Parallel()
	all := []any{fcos1_0.Config{}, fcos1_1.Config{}, fcos1_2.Config{}, fcos1_3.Config{}, fcos1_4.Config{}, fcos1_5.Config{}, fcos1_6.Config{},
		fcos1_7.Config{}, fiot1_0.Config{}, flatcar1_0.Config{}, flatcar1_1.Config{}, r4e1_0.Config{}, r4e1_1.Config{}}
	if len(all) != len(versions) {
		t.Fatalf("%d configs for %d versions", len(all), len(versions))
	}
	for _, c := range all {
		checkFields(t, reflect.TypeOf(c), "")
	}
}

// checkFields compares the fields of a type. Items of lists that are no maps are text.
func checkFields(t *testing.T, of reflect.Type, field string) {
	t.Helper()
	isPointer := of.Kind() == reflect.Pointer
	if isPointer {
		of = of.Elem()
	}
	want := ""
	switch of.Kind() {
	case reflect.Struct:
		if want = butanefile.FieldKind(field); isPointer || want != "optional" { // no pointer in some versions
			want = map[bool]string{true: "optional", false: "text"}[isPointer]
		}
		for i := range of.NumField() {
			name, options, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
			if name == "" && options == "inline" {
				name = field
			}
			checkFields(t, of.Field(i).Type, name)
		}
	case reflect.Slice:
		if item := of.Elem(); item.Kind() == reflect.Struct {
			checkFields(t, item, "")
		} else if item.Kind() != reflect.String {
			t.Errorf("%s: the items of the list are %v: package butane takes them for text", field, item)
		}
		return
	case reflect.String:
		want = "text"
	case reflect.Int:
		want = "number"
	case reflect.Bool:
		want = "boolean"
	default:
		t.Errorf("%s: a %v: package butane knows none", field, of)
	}
	if got := butanefile.FieldKind(field); got != want && field != "" {
		t.Errorf("FieldKind(%q) = %q, Butane has %q (%v)", field, got, want, of)
	}
}

// document is a Butane document with its files.
type document struct {
	text  string
	files map[string]string
}

const spelled = `variant: fcos
version: 1.5.0
passwd:
  users:
    - name: core
      ssh_authorized_keys: [ssh-ed25519 AAAA a]
storage:
  files:
    - path: /etc/site
      mode: 0644
      overwrite: true
      contents: {inline: "fra1\n"}
    - path: /etc/motd
      contents: {local: files/motd}
  trees:
    - {local: files/tree, path: /opt}
systemd:
  units:
    - name: web.service
      enabled: true
      contents: "[Unit]\n"
kernel_arguments:
  should_exist: ["on"]
`

func spelledFiles() map[string]string {
	return map[string]string{"files/motd": "hello\n", "files/tree/run": "#!/bin/sh\n", "moved": "hello\n", "other/tree/run": "#!/bin/sh\n", "unit": "[Unit]\n", "site": "fra1\n",
		"key": "ssh-ed25519 AAAA a\n"}
}

// meaningAndConfig gives the Meaning of a document, and the config that Butane makes of it; "" where Butane refuses it.
func meaningAndConfig(t interface{ Fatal(...any) }, d document) (meaning, rendered string) {
	root, findings := refs.ParseFile("w/x.bu", []byte(d.text))
	if len(findings) > 0 || root == nil {
		return "", ""
	}
	files := butanefile.Files{Data: map[string][]byte{}}
	for _, name := range refs.FindLocalNames(root) {
		for file, data := range d.files {
			clean := filepath.Clean(name.Value)
			if file == clean || strings.HasPrefix(file, clean+"/") {
				files.Data[file] = []byte(data)
			}
		}
	}
	dir, err := os.MkdirTemp("", "ingot-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, data := range d.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _, err := config.TranslateBytes([]byte(d.text), common.TranslateBytesOptions{TranslateOptions: common.TranslateOptions{FilesDir: dir}})
	if err != nil {
		return "", ""
	}
	return butanefile.DigestConfig(root, files).Meaning, string(out)
}

// TestMeaningOfSpellings changes a document in ways that Butane does not see, and in ways that it does.
func TestMeaningOfSpellings(t *testing.T) {
	t.Parallel()
	meaning, rendered := meaningAndConfig(t, document{spelled, spelledFiles()})
	if rendered == "" {
		t.Fatal("Butane refuses the document")
	}
	for _, test := range []struct {
		old, next string
		same      bool
	}{
		{"0644", "420", true}, {"0644", "0o644", true}, {"0644", "0x1a4", true}, {"0644", "0b110_100_100", true}, {"0644", "4_20", true}, {"0644", "+420", true},
		{"0644", "420.0", true}, {"0644", `!!int "420"`, true}, {"0644", "644", false}, {"0644", "0640", false}, {"0644", "~", false},
		{"overwrite: true", "overwrite: True", true}, {"overwrite: true", "overwrite: on", true}, {"overwrite: true", "overwrite: false", false},
		{"      overwrite: true\n", "", false},
		{"enabled: true", "enabled: yes", true}, {"enabled: true", "mask: true", false},
		{"files/motd", "./files/motd", true}, {"files/motd", "files//motd", true}, {"files/motd", "files/./tree/../motd", true},
		{"files/motd", "moved", true}, {"files/motd", "unit", false}, {"{local: files/motd}", `{inline: "hello\n"}`, true},
		{"{local: files/motd}", "\n        inline: |\n          hello\n", true}, {"{local: files/motd}", "{inline: hello}", false},
		{"{local: files/motd}", "{inline: !!binary aGVsbG8K}", true}, {`{inline: "fra1\n"}`, "{local: site}", true},
		{"files/tree,", "./files/tree/,", true}, {"files/tree,", "other/tree,", true}, {"files/tree,", "files,", false},
		{`contents: "[Unit]\n"`, "contents_local: unit", true}, {`contents: "[Unit]\n"`, "contents_local: site", false},
		{`["on"]`, "[on]", true}, {`["on"]`, "[true]", false}, {`["on"]`, "[yes]", false}, {`["on"]`, "\n    - 'on' # why", true},
		{"[ssh-ed25519 AAAA a]", "[ssh-ed25519 AAAA b]", false},
		{"passwd:", "ignition: {}\npasswd:", true}, {"passwd:", "ignition: ~\npasswd:", true}, {"passwd:", "ignition: {timeouts: {http_total: ~}, config: {merge: []}}\npasswd:", true},
		{"passwd:", "ignition: {timeouts: {http_total: 0}}\npasswd:", false},
		{"- name: core", "- gecos: ''\n      name: core", false}, {"- name: core", "- gecos: ~\n      name: \"core\"", true},
		{"- name: core", "- uid: 0x3e8\n      name: core", false}, {"version: 1.5.0", "version: 1.6.0", false},
		{"/etc/site", "&anchor /etc/site", true}, {"variant: fcos\nversion: 1.5.0", "version: '1.5.0'\n\"variant\": fcos\r", true},
	} {
		text := strings.Replace(spelled, test.old, test.next, 1)
		got, config := meaningAndConfig(t, document{text, spelledFiles()})
		if text == spelled || config == "" {
			t.Errorf("%q → %q: the document is the same, or Butane refuses it", test.old, test.next)
		}
		if same := got == meaning; same != test.same || same && config != rendered {
			t.Errorf("%q → %q: the same meaning: %t, want %t; the same config: %t", test.old, test.next, same, test.same, config == rendered)
		}
	}
}

// TestAnItemThatIsNull: Butane leaves null out of a list, and counts an empty item.
func TestAnItemThatIsNull(t *testing.T) {
	t.Parallel()
	with := func(items string) document {
		return document{strings.Replace(spelled, "- path: /etc/motd\n", "- path: /etc/motd\n      append: "+items+"\n", 1), spelledFiles()}
	}
	for _, lists := range [][2]string{{"[~]", "[{}]"}, {"[{inline: a}, ~]", "[{inline: a}, {}]"}, {"[{inline: a}, ~]", "[{inline: a}, {local: ~}]"}} {
		null, nullConfig := meaningAndConfig(t, with(lists[0]))
		empty, emptyConfig := meaningAndConfig(t, with(lists[1]))
		if nullConfig == "" || emptyConfig == "" || nullConfig == emptyConfig {
			t.Fatalf("%v: Butane refuses one, or makes the same config of both", lists)
		}
		if null == empty {
			t.Errorf("%v: one meaning, two configs", lists)
		}
	}
}

// TestEqualMeaningIsAnEqualConfig draws documents with spellings of a few values: where two have one Meaning, Butane makes
// one config of them.
func TestEqualMeaningIsAnEqualConfig(t *testing.T) {
	t.Parallel()
	draw := func(t *rapid.T, label string) document {
		pick := func(texts ...string) string { return rapid.SampledFrom(texts).Draw(t, label) }
		text := fmt.Sprintf("variant: fcos\nversion: %s\nstorage:\n  files:\n    - path: %s\n      mode: %s\n      overwrite: %s\n      user: {%s}\n      contents: {%s}\n"+
			"  directories: %s\n  luks:\n    - {name: d, device: /dev/d, clevis: %s}\n  raid: [{name: r, level: raid1, devices: [/dev/a, /dev/b], spares: %s}]\n"+
			"systemd:\n  units:\n    - {name: u.service, %s}\nkernel_arguments:\n  should_exist: [%s]\n",
			pick("1.5.0", `"1.5.0"`), pick("/a", "'/a'", "/b", "!!str /a"), pick("0644", "420", "0o644", "644", "~", "0x1a4", "4.2e2", "420.5"),
			pick("true", "True", "yes", "no", "~", "false"), pick("id: 0", "id: 00", "id: 8", "id: 010", "name: \"0\"", "name: 0", "name: 00", "name: ~", ""),
			pick("local: files/motd", "local: ./files/motd", "local: moved", "local: site", `inline: "hello\n"`, "inline: hello", "inline: 0644", "inline: 420", `inline: "420"`, "inline: ~", "inline: true", "inline: yes", "inline: ''", "inline: !!binary aGVsbG8K", ""),
			pick("[]", "~", "[{path: /x}]", "[{path: /x, mode: 0755}]", "[{path: /x, mode: 493}]", "[{path: /x, user: {}}]"),
			pick("{tpm2: true}", "{tpm2: on}", "{tpm2: true, tang: []}", "{tpm2: true, threshold: 1}", "{tpm2: true, threshold: 0x1}", "{}", "~"),
			pick("0", "1", "0b1", "~"), pick("enabled: true", "enabled: y", "mask: n", `contents: "[Unit]\n"`, "contents_local: unit", "contents_local: ./unit", "contents: 1", "contents: '1'"),
			pick("on", "'on'", "true", "'true'", "yes", "1", "01", "~"))
		return document{text, spelledFiles()}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t, "a")
		b := a
		if rapid.Bool().Draw(t, "another") {
			b = draw(t, "b")
		}
		meaningA, configA := meaningAndConfig(t, a)
		meaningB, configB := meaningAndConfig(t, b)
		if configA != "" && configB != "" && meaningA == meaningB && configA != configB {
			t.Fatalf("one meaning, two configs:\n%s\n%s", a.text, b.text)
		}
	})
}
