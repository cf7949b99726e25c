package refs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

func ExampleExpandReferences() {
	source := "path: /etc/site\ncontents:\n  inline: |\n    ${vars.site}\n    $${HOME} ${HOME}\n"
	out, findings := refs.ExpandReferences("web.bu", []byte(source), func(refs.Ref) (string, error) { return "fra1: \"x\"", nil })
	var value map[string]any
	err := yaml.Unmarshal(out, &value)
	fmt.Println(value, findings, err)
	// Output:
	// map[contents:map[inline:fra1: "x"
	// ${HOME} ${HOME}
	// ] path:/etc/site] [] <nil>
}

func TestExpandWithoutReferencesIsTheSource(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"", "# nothing\n", "a: 0644 # octal\nb: ${HOME} ${} $$ ${var} ${vars} ${vars:-x} ${secret_name}\n"} {
		out, findings := refs.ExpandReferences("f.bu", []byte(source), nil)
		if string(out) != source || len(findings) > 0 {
			t.Errorf("ExpandReferences(%q) = %q, %v", source, out, findings)
		}
	}
}

// Every value stays what it was, in its line; a replaced one is a text, whatever it contains.
func TestExpandKeepsValuesAndLines(t *testing.T) {
	t.Parallel()
	const source = "# comment\nvariant: fcos\nversion: 1.5.0\nmode: 0644\nempty:\nnothing: ~\nyes: true\nf: 1.5\nlist:\n- a\n-   - b\n    - ${vars.x}\n\nflow: {a: [1, 'it''s'], \"${vars.x}\": 2}\nblock: |-\n  one\n\n  two ${vars.x}\nfolded: >\n  a\n  b\nwhen: 2026-01-01\nbinary: !!binary aGk=\nlast: é\U0001F600\n"
	for _, value := range []string{"plain", "", "0644", "true", "null", "a: b", "- x\n- y", "\"'\\", "#", " lead", "trail \n\n", "tab\there", "nul\x00\x7f\u0085\u2028\ufeff\ufffd", "é😀", "${vars.x}", "*a", "!!int 3", strings.Repeat("long ", 2000)} {
		t.Run(value[:min(len(value), 8)], func(t *testing.T) {
			t.Parallel()
			out, findings := refs.ExpandReferences("f.bu", []byte(source), func(refs.Ref) (string, error) { return value, nil })
			if len(findings) > 0 {
				t.Fatal(findings)
			}
			if len(value) > 1000 {
				return // as a field's name too long for YAML; the translator says so
			}
			var before, after yaml.Node
			if err := yaml.Unmarshal([]byte(source), &before); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(out, &after); err != nil {
				t.Fatalf("%v in\n%s", err, out)
			}
			if diff := cmp.Diff(flat(&before, strings.NewReplacer("${vars.x}", value)), flat(&after, strings.NewReplacer())); diff != "" {
				t.Errorf("(-source +expanded):\n%s\n%s", diff, out)
			}
		})
	}
}

// flat lists nodes with line, type and value, after replacing.
func flat(node *yaml.Node, replace *strings.Replacer) []string {
	var all []string
	if node.Kind != yaml.DocumentNode {
		text := fmt.Sprintf("%d %s %q", node.Line, node.ShortTag(), replace.Replace(node.Value))
		if node.ShortTag() == "!!null" {
			text = fmt.Sprintf("%d !!null", node.Line)
		}
		all = append(all, text)
	}
	for _, child := range node.Content {
		all = append(all, flat(child, replace)...)
	}
	return all
}

func TestExpandKeepsAnyTree(t *testing.T) {
	t.Parallel()
	scalar := rapid.OneOf(rapid.StringMatching(`[ -~\n]{0,12}`).AsAny(), rapid.Int().AsAny(), rapid.Bool().AsAny(), rapid.Just("${vars.x}").AsAny(), rapid.Just[any](nil))
	var tree func(depth int) *rapid.Generator[any]
	tree = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return scalar
		}
		return rapid.OneOf(scalar, rapid.SliceOfN(tree(depth-1), 0, 3).AsAny(), rapid.MapOfN(rapid.StringMatching(`[a-z]{1,4}`), tree(depth-1), 0, 3).AsAny())
	}
	rapid.Check(t, func(t *rapid.T) {
		value := map[string]any{"root": tree(3).Draw(t, "tree"), "ref": "${vars.x}"}
		source, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		replaced := strings.ReplaceAll(string(source), "${vars.x}", "X")
		if strings.Contains(replaced, "${") || yaml.Unmarshal([]byte(replaced), &before) != nil {
			return // yaml/v3 cannot read all that it writes, such as a block that starts with an empty line
		}
		out, findings := refs.ExpandReferences("f.bu", source, func(refs.Ref) (string, error) { return "X", nil })
		if len(findings) > 0 {
			t.Fatal(findings)
		}
		if err := yaml.Unmarshal(out, &after); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%s\n%s", diff, out)
		}
	})
}

func TestExpandFindings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ source, want string }{
		{"a: 1\nb:\n  - ${vars.missing}\n", "f.bu:3:5: error: no such var"},
		{"a: ${var.x} ${vars.x-y}\n", "f.bu:1:4: error: ${var.x} is not a reference: write ${vars.x}, or $${ for the two characters\nf.bu:1:4: error: ${vars.x-y} is not a reference: write ${vars.name} or ${secret.name.key}, or $${ for the two characters"},
		{"a: ${ vars.x }\n", "f.bu:1:4: error: ${ vars.x } is not a reference: write ${vars.x}, or $${ for the two characters"},
		{"a: ${Vars.x}\n", "f.bu:1:4: error: ${Vars.x} is not a reference: write ${vars.x}, or $${ for the two characters"},
		{"a: ${machine.serial}\n", "f.bu:1:4: error: ${machine.serial} is not a reference: write ${vars.name} or ${secret.name.key}, or $${ for the two characters"},
		{"a: ${secret.one}\n", "f.bu:1:4: error: ${secret.one} is not a reference: write ${vars.name} or ${secret.name.key}, or $${ for the two characters"},
		{"a: ${vars.x:-hunter2}\n", "f.bu:1:4: error: ${vars.x:…} is not a reference: write ${vars.x}, or $${ for the two characters"},
		{"a: ${secrets.Bmc.password|hunter2}\n", "f.bu:1:4: error: ${secrets.Bmc.password|…} is not a reference: write ${secret.bmc.password}, or $${ for the two characters"},
		{"a: |\n  ${vars.\n  b\n  }\n", "f.bu:1:4: error: ${vars. is not a reference: write ${vars.name} or ${secret.name.key}, or $${ for the two characters"},
		{"a: ${vars.open\n", "f.bu:1:4: error: ${vars.open is not a reference: write ${vars.open}, or $${ for the two characters"},
		{"a: &x 1\nb: *x\n", "f.bu:2:4: error: aliases are not read (write the value where it is used)"},
		{"a: ${vars.bytes}\n", "f.bu:1:4: error: the value of ${vars.bytes} is not UTF-8 text"},
		{"a: b: c\n", "f.bu:1: error: not YAML: mapping values are not allowed in this context (a value that holds a colon and a space is written in quotes; fields of one mapping stand in one column)"},
		{"a: " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "f.bu:1:68: error: nested deeper than 64 levels"},
		{"a: 1\n---\nb: 2\n", "f.bu:3: error: a second document: Butane would not read it"},
		{strings.Repeat("#", schemas.MaxFile+1), "f.bu: error: the file has 262145 bytes, at most 262144 are read (split it)"},
	} {
		out, findings := refs.ExpandReferences("f.bu", []byte(test.source), func(ref refs.Ref) (string, error) {
			switch ref.Var {
			case "missing":
				return "", errors.New("no such var")
			case "bytes":
				return "\xffhunter2", nil
			default:
				return "hunter2", nil
			}
		})
		var got []string
		for _, f := range findings {
			got = append(got, f.String())
		}
		if text := strings.Join(got, "\n"); text != test.want || out != nil {
			t.Errorf("ExpandReferences(%.40q) = %q,\n%s want\n%s", test.source, out, text, test.want)
		}
	}
}
