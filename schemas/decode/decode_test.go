package decode_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

var update = flag.Bool("update", false, "write the findings into testdata/*.txtar")

// TestFindings decodes fleet.yaml of every archive and compares the findings, one per line.
func TestFindings(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) != 2 || archive.Files[0].Name != "fleet.yaml" || archive.Files[1].Name != "want" {
				t.Fatal("want the files fleet.yaml and want")
			}
			_, findings := decode.DecodeFile("fleet.yaml", archive.Files[0].Data)
			got := lines(findings)
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func lines(findings []schemas.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

// Syntax errors and bytes that are no text: one finding, at the line, that repeats nothing of the file.
func TestNotYAML(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, data, want string }{
		{"two colons", "a: 1\nb: c: d\n", "f.yaml:2: error: not YAML: mapping values are not allowed in this context (a value that holds a colon and a space is written in quotes; fields of one mapping stand in one column)"},
		{"two colons in the first line", "b: c: d\n", "f.yaml:1: error: not YAML: mapping values are not allowed in this context (a value that holds a colon and a space is written in quotes; fields of one mapping stand in one column)"},
		{"open bracket", "a: 1\nb: [1,2\nc: 3\n", "f.yaml:2: error: not YAML: did not find expected ',' or ']' (a bracket was not closed)"},
		{"open quote", "a: \"x\nb: 2\n", "f.yaml:3: error: not YAML: found unexpected end of stream (a quote was not closed)"},
		{"list in a mapping", "a: 1\n- b\n", "f.yaml:2: error: not YAML: did not find expected key (fields of one mapping stand in one column)"},
		{"tab", "a:\n  b: 1\n  \tc: 2\n", "f.yaml:3:3: error: a tab in the indentation (YAML takes spaces only)"},
		{"unknown alias", "a: *hunter2\n", "f.yaml: error: not YAML: a value starts with *: aliases are not read (a text that starts with * is written in quotes)"},
		{"at sign", "a: 1\nb: @hunter2\n", "f.yaml:2: error: not YAML: found character that cannot start any token (a value that starts with @, ` or % is written in quotes)"},
		{"byte order mark", "\ufeffa: 1\n", "f.yaml:1:1: error: the file starts with a byte order mark (save it as UTF-8 without BOM)"},
		{"latin 1", "a: 1\nb: é\xe9\n", "f.yaml:2:5: error: the file is not UTF-8 (save it as UTF-8)"},
		{"UTF-16", "\xff\xfea\x00", "f.yaml:1:1: error: the file is not UTF-8 (save it as UTF-8)"},
		{"UTF-16 without a mark", "a\x00:\x00 \x001\x00", "f.yaml:1:2: error: the file is not UTF-8 (save it as UTF-8)"},
		{"escape", "a: 1\nb: \x1b[31m\n", "f.yaml:2:4: error: a control character (0x1b) (take it out)"},
		{"too large", strings.Repeat("#", schemas.MaxFile+1), "f.yaml: error: the file has 262145 bytes, at most 262144 are read (split it)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			documents, findings := decode.DecodeFile("f.yaml", []byte(test.data))
			if got := lines(findings); len(documents) > 0 || got != test.want+"\n" {
				t.Errorf("Decode(%q) = %d documents, %s want %s", test.data, len(documents), got, test.want)
			}
		})
	}
}

func TestEmptyDocumentsAreNone(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "\n", "# nothing\n", "---\n---\n", "---\n# nothing\n...\n", "~\n"} {
		if documents, findings := decode.DecodeFile("f.yaml", []byte(data)); len(documents)+len(findings) > 0 {
			t.Errorf("Decode(%q) = %v, %v, want nothing", data, documents, findings)
		}
	}
}

const twoDocuments = `apiVersion: ingot.dev/v1alpha1
kind: Host
metadata: {name: web-03}
spec:
  identity:
    macs:
      - "52:54:00:00:00:0A"
  network: {ramdisk: {interfaces: [{name: a, type: ethernet, mac-address: "52:54:00:00:00:0A"}]}}
---
apiVersion: ingot.dev/v1alpha1
kind: Step
metadata: {name: burn-in}
spec: {script: steps/burn-in.sh}
`

func TestDocuments(t *testing.T) {
	t.Parallel()
	documents, findings := decode.DecodeFile("f.yaml", []byte(twoDocuments))
	if len(findings) > 0 || len(documents) != 2 {
		t.Fatalf("Decode = %d documents, %v", len(documents), findings)
	}
	host, step := documents[0], documents[1]
	if host.Kind != schemas.KindHost || host.Name != "web-03" || host.File != "f.yaml" || host.Host == nil || step.Step == nil || step.Name != "burn-in" {
		t.Errorf("documents are %+v", documents)
	}
	if mac := host.Host.Spec.Identity.MACs[0]; mac != "52:54:00:00:00:0a" {
		t.Errorf("the MAC is %s, want lower case", mac)
	}
	if mac := host.Host.Spec.Network.Ramdisk.Interfaces[0].MACAddress; mac != "52:54:00:00:00:0a" {
		t.Errorf("the interface's MAC is %s, want lower case", mac)
	}
	for field, want := range map[string]string{
		"":                         "f.yaml:1:1",
		"metadata.name":            "f.yaml:3:18",
		"spec.identity":            "f.yaml:5:3",
		"spec.identity.macs[0]":    "f.yaml:7:9",
		"spec.identity.macs[7]":    "f.yaml:6:5",
		"spec.rootDisk.serial":     "f.yaml:4:1",
		"spec.identity.serial":     "f.yaml:5:3",
		"nothing.of.this.is.there": "f.yaml:1:1",
	} {
		if got := host.PositionOf(field).String(); got != want {
			t.Errorf("PositionOf(%q) = %s, want %s", field, got, want)
		}
	}
	if got := step.PositionOf("").String(); got != "f.yaml:10:1" {
		t.Errorf("the second document stands at %s", got)
	}
}

// A document with findings is still there, with all that could be read of it.
func TestReadAsFarAsPossible(t *testing.T) {
	t.Parallel()
	const data = "apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: web}\nspec:\n  protect: true\n  vars: {a: 1, b: x}\n  identity: {macs: [0123, \"52:54:00:00:00:02\"]}\n"
	documents, findings := decode.DecodeFile("f.yaml", []byte(data))
	if len(documents) != 1 || len(findings) != 2 {
		t.Fatalf("Decode = %d documents, %v", len(documents), findings)
	}
	spec := documents[0].Host.Spec
	if diff := cmp.Diff(map[string]string{"b": "x"}, spec.Vars); diff != "" || !spec.Protect {
		t.Errorf("protect %t, vars (-want +got):\n%s", spec.Protect, diff)
	}
	if diff := cmp.Diff([]string{"", "52:54:00:00:00:02"}, spec.Identity.MACs); diff != "" {
		t.Errorf("macs keep their numbers (-want +got):\n%s", diff)
	}
}

// However a Secret is broken, no finding holds its values.
func TestSecretsAreNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"hunter2", "'hunter2", "\"hunter2", "*hunter2", "&hunter2 x", "!hunter2 x", "!!hunter2 x", "{hunter2", "[hunter2", "@hunter2", "%hunter2", "hunter2: x: y", "|hunter2",
		">\n hunter2", "- hunter2", "? hunter2", "\thunter2", "0x4711", "4711", "4_711", "ENC[hunter2]", "{a: hunter2}", "[hunter2]", "<<: *hunter2", "2026-04-711", "4711.0e4711",
	} {
		for _, kind := range []string{"Secret", "Secrte", "", "*hunter2"} {
			data := "apiVersion: ingot.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: x}\nspec:\n  data:\n    password: " + value + "\n"
			_, findings := decode.DecodeFile("f.yaml", []byte(data))
			if text := lines(findings); text == "" || strings.Contains(text, "hunter2") || strings.Contains(text, "711") {
				t.Errorf("Decode(%q) finds %q", data, text)
			}
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"0": 0, "512": 512, "512B": 512, "1K": 1000, "1KiB": 1024, "480GB": 480_000_000_000, "480 GB": 480_000_000_000, "1TiB": 1 << 40, "1T": 1_000_000_000_000, "8PiB": 8 << 50, "240G": 240_000_000_000,
	} {
		if got, err := schemas.ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1", "1.5TB", "1 0GB", " 1GB", "1GB ", "1EB", "1e9", "0x10", "999999999999999PiB", "1gb"} {
		if got, err := schemas.ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestManyFindingsAreCutShort(t *testing.T) {
	t.Parallel()
	documents, findings := decode.DecodeFile("f.yaml", []byte(strings.Repeat("---\nx\n", 150)))
	if len(documents) != 0 || len(findings) != 101 || findings[100].Message != "50 more findings in this file are not told" {
		t.Errorf("%d documents, %d findings, the last is %v", len(documents), len(findings), findings[len(findings)-1])
	}
}

// TestFilesThatAreEncryptedAsAWhole: the finding names the program, by files of the programs themselves.
func TestFilesThatAreEncryptedAsAWhole(t *testing.T) {
	t.Parallel()
	const value = "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]"
	for text, want := range map[string]string{
		"$ANSIBLE_VAULT;1.1;AES256\n36643638393733383764663538353265\n":                            "ansible-vault",
		"$ANSIBLE_VAULT;1.2;AES256;prod\n3664363839\n":                                             "ansible-vault",
		"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n":             "age",
		"age-encryption.org/v1\n-> X25519 abc\n\x00\xff":                                           "age",
		"-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n":                         "gpg",
		"\x85\x01\x0c\x03\x12\x34\x56\x78\x9a\xbc\xde\xf0\x01":                                     "gpg",
		"\x84\x5e\x03\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12":                                         "gpg",
		"\x8c\x0d\x04\x09\x03\x0a":                                                                 "gpg",
		"\x00GITCRYPT\x00abc":                                                                      "git-crypt",
		"Salted__\x01\x02":                                                                         "openssl",
		"U2FsdGVkX1+abc\n":                                                                         "openssl",
		"{\n\t\"data\": \"" + value + "\",\n\t\"sops\": {\"mac\": \"" + value + "\"}\n}\n":         "sops",
		"PASSWORD=" + value + "\nsops_version=3.13.3\nsops_mac=" + value + "\n":                    "sops",
		"[a]\npassword = " + value + "\n\n[sops]\nversion = 3.13.3\nmac         = " + value + "\n": "sops",
	} {
		_, findings := decode.DecodeFile("secrets/a.yaml", []byte(text))
		if len(findings) != 1 || findings[0].Severity != schemas.Error ||
			findings[0].Message != "the file is encrypted as a whole by "+want+", so that nobody sees what it is" {
			t.Errorf("%.30q: %v, want %s named", text, findings, want)
		}
	}
	_, findings := decode.DecodeFile("secrets/a.yaml", []byte("password: "+value+"\nsops: {mac: "+`"`+value+`"`+"}\n"))
	if len(findings) != 1 || !strings.Contains(findings[0].String(), "this is a file of sops, and no document of the fleet") {
		t.Errorf("values of sops: %v", findings)
	}
	for _, text := range []string{"", "a: 1\n", "\x85", "# $ANSIBLE_VAULT;1.1\n", "a: Salted__\n", "sops_mac: x\n", "# age-encryption.org/v1\n"} {
		if got := decode.FindEncryption([]byte(text)); got != "" {
			t.Errorf("FindEncryption(%q) = %s", text, got)
		}
	}
}
