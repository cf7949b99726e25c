package secrets

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// Whatever a value is, it is shown in clear such that it is sealed again as the same.
func TestWhatIsRevealedIsSealedAsTheSame(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keys, recipients := Keys{[]age.Identity{identity}}, []age.Recipient{identity.Recipient()}
	rapid.Check(t, func(t *rapid.T) {
		plain := Plain{Name: "odd", Scope: schemas.Scope{Hosts: []string{"a"}}, Data: map[string]secret.Value{}}
		for _, key := range []string{"a", "b"} {
			parts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\n", "\n\n", " ", "\t", "# ", ": ", "- ", "|", ">", "'", "\"", "true", "1e3", "---", "...", "\r", "\u2028", "\u0085", "\ufeff"})), 1, 6).Draw(t, key)
			if text := strings.ToValidUTF8(strings.Join(parts, ""), ""); text != "" {
				plain.Data[key] = secret.New(text)
			}
		}
		if len(plain.Data) == 0 {
			return
		}
		document, err := SealSecret(plain, recipients, time.Unix(1e9, 0))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			clear, err := RevealText(document, keys)
			if err != nil {
				t.Fatal(err)
			}
			if document, err = SealText(clear, document, recipients, time.Unix(2e9, 0)); err != nil {
				t.Fatalf("%v in\n%s", err, clear)
			}
		}
		got, err := OpenSecret(document, keys)
		if err != nil || len(got) != len(plain.Data) {
			t.Fatalf("%d values, %v", len(got), err)
		}
		for key, want := range plain.Data {
			if !got[key].Equal(want) {
				t.Errorf("%s = %q, want %q", key, got[key].Reveal(), want.Reveal())
			}
		}
	})
}

// What stands beside the values in a file stays as a person wrote it.
func TestAFileKeepsWhatIsNotSealed(t *testing.T) {
	t.Parallel()
	document, keys := sealedFile(t)
	clear, err := RevealText(document, keys)
	if err != nil {
		t.Fatal(err)
	}
	changed := "# why it is there\n" + strings.Replace(string(clear), "metadata:\n", "metadata: # all of it\n  labels: {team: lab}\n", 1)
	identity := keys.identities[0].(*age.X25519Identity)
	sealed, err := SealText([]byte(changed), nil, []age.Recipient{identity.Recipient()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := RevealText(sealed, keys); err != nil || string(again) != changed {
		t.Errorf("%v; sealed and revealed:\n%s\nwant:\n%s", err, again, changed)
	}
	if _, findings := decode.DecodeFile("secrets/bmc.yaml", sealed); len(findings) > 0 {
		t.Errorf("Decode found %v", findings)
	}
	if who, err := ListRecipients(sealed); err != nil || !slices.Equal(who, []string{identity.Recipient().String()}) {
		t.Errorf("ListRecipients = %v, %v", who, err)
	}
	commented := strings.Replace(string(document), "    password:", "    #ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:comment]\n    password:", 1)
	if _, err := RevealText([]byte(commented), keys); err == nil || !strings.Contains(err.Error(), "encrypted comments") {
		t.Errorf("Reveal with an encrypted comment = %v", err)
	}
}

// What cannot be sealed is told by its place, and the value is in no word of it.
func TestSealTextRefuses(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipients := []age.Recipient{identity.Recipient()}
	for text, why := range map[string]string{
		"spec: {data: {a: 4711}}":                                 "spec.data.a: the value is not text",
		"spec: {data: {a: true}}":                                 "spec.data.a: the value is not text",
		"spec: {data: {a: ''}}":                                   "spec.data.a: the value is empty",
		"spec: {data: {a: {b: hunter2}}}":                         "spec.data.a.b: only values right below spec.data",
		"spec: {data: hunter2}":                                   "spec.data: only values right below spec.data",
		"metadata: {labels: {data: hunter2}}\nspec: {data: {}}":   "metadata.labels.data: only values right below spec.data",
		"spec:\n  data:\n    # hunter2\n    a: b":                 "spec.data: a comment there",
		"spec:\n  data:\n    a: b # hunter2":                      "spec.data: a comment there",
		"spec:\n  data:\n    a: b\n    # hunter2\n":               "spec.data: a comment there",
		"spec: {data: {a: *hunter2}}":                             "this is not YAML",
		"spec: {data: {a: &hunter2 b, c: *hunter2}}":              "anchors and aliases",
		"spec:\n  data:\n    a: 'hunter2\n":                       "this is not YAML, near line",
		"spec: {data: {a: b}}\nsops: {}":                          "sops: leave this field out",
		"spec: {data: {a: b}}\n---\nspec: {data: {a: hunter2}}\n": "more than one document",
		"hunter2": "no document of fields",
		"":        "this is not YAML",
		"#" + strings.Repeat("x", schemas.MaxFile): "at most",
	} {
		if sealed, err := SealText([]byte(text), nil, recipients, time.Now()); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "4711") {
			t.Errorf("SealText(%.60q) = %.20q, %v; want %q", text, sealed, err, why)
		}
	}
	if _, err := SealText([]byte("spec: {data: {a: b}}"), nil, nil, time.Now()); err == nil {
		t.Error("sealed for nobody")
	}
}

func TestRulesSayForWhom(t *testing.T) {
	t.Parallel()
	const one, two = "age1ewum2fsvmethe7ggaht77w0upjnx2ec4egrxv9eajvg56fqueajs3dvt8l", "age1gfn5nu6x6w7kma3nkxu4jm0mlspn9c6j8ccuwpuqza2ecs3lr38qsdt863"
	for name, test := range map[string]struct {
		rules string
		want  []string
		why   string
	}{
		"no rule":          {"creation_rules: []", nil, ""},
		"no match":         {"creation_rules: [{path_regex: ^other/, age: " + one + "}]", nil, ""},
		"the first counts": {"creation_rules: [{path_regex: ^secrets/, age: " + one + "}, {age: " + two + "}]", []string{one}, ""},
		"any path":         {"creation_rules: [{age: '" + one + "," + two + "'}]", []string{one, two}, ""},
		"a list":           {"creation_rules: [{age: [" + one + ", " + two + "], encrypted_regex: ^data$}]", []string{one, two}, ""},
		"a group":          {"creation_rules: [{key_groups: [{age: [" + two + "]}]}]", []string{two}, ""},
		"groups":           {"creation_rules: [{key_groups: [{age: [" + two + "]}, {age: [" + one + "]}]}]", nil, "2 key groups"},
		"others in groups": {"creation_rules: [{key_groups: [{age: [" + two + "], pgp: [A]}]}]", nil, "other keys"},
		"pgp":              {"creation_rules: [{pgp: A, age: " + one + "}]", nil, "it asks for pgp"},
		"no pgp":           {"creation_rules: [{pgp: '', age: " + one + "}]", []string{one}, ""},
		"nobody":           {"creation_rules: [{path_regex: .}]", nil, "no age recipients"},
		"no pattern":       {"creation_rules: [{path_regex: '('}]", nil, "path_regex"},
		"no YAML":          {"creation_rules: [", nil, "cannot be read"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, RulesFile), []byte(test.rules), 0o600); err != nil {
			t.Fatal(err)
		}
		rule, err := FindRule(filepath.Join(dir, "secrets", "not", "yet.yaml"))
		got := rule.Recipients
		if !slices.Equal(got, test.want) || (err == nil) != (test.why == "") || (err != nil && !strings.Contains(err.Error(), test.why)) {
			t.Errorf("%s: FindRule = %v, %v; want %v, %q", name, got, err, test.want, test.why)
		}
	}
	if got, err := ParseRecipients([]string{one + ", " + two, one, ""}); err != nil || len(got) != 2 {
		t.Errorf("ParseRecipients = %v, %v, want two", got, err)
	}
}
