package decode_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/schemas/decode"
)

const hostText = "apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata:\n  name: web-1 # the first\nspec:\n  # why\n  workload: web\n"

func commentOut(text, mark string) string {
	return mark + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+mark) + "\n"
}

func TestListCommented(t *testing.T) {
	t.Parallel()
	host := func(line int) []decode.Unread {
		return []decode.Unread{{Kind: "Host", Name: "web-1", Line: line, Commented: true}}
	}
	nothing := []decode.Unread{{Line: 1}}
	for name, test := range map[string]struct {
		text string
		want []decode.Unread
	}{
		"empty":                        {"", nothing},
		"white space and a separator":  {"\n---\n\n", nothing},
		"comments alone":               {"# later\n", nothing},
		"commented with a space":       {commentOut(hostText, "# "), host(1)},
		"commented without":            {commentOut(hostText, "#"), host(1)},
		"twice":                        {commentOut(hostText, "## "), host(1)},
		"indented":                     {commentOut(hostText, "  # "), host(1)},
		"line endings":                 {strings.ReplaceAll(commentOut(hostText, "# "), "\n", "\r\n"), host(1)},
		"line endings of old Macs":     {strings.ReplaceAll(commentOut(hostText, "# "), "\n", "\r"), host(1)},
		"a comment, old Macs":          {strings.ReplaceAll("# a host\n"+hostText, "\n", "\r"), nil},
		"a comment, line separators":   {strings.ReplaceAll("# a host\n"+hostText, "\n", "\u2028"), nil},
		"prose above":                  {"# in repair: do not\n# switch on\n" + commentOut(hostText, "# "), host(3)},
		"another order":                {commentOut("kind: Host\nmetadata: {name: web-1}\napiVersion: ingot.dev/v1alpha1\n", "# "), host(3)},
		"empty lines are no comments":  {strings.ReplaceAll(commentOut(hostText, "# "), "# spec", "\n# spec"), host(1)},
		"behind a document":            {strings.Replace(hostText, "web-1", "web-2", 1) + "---\n" + commentOut(hostText, "# "), host(9)},
		"two":                          {commentOut(hostText+"---\n"+strings.Replace(hostText, "web-1", "web-2", 1), "# "), append(host(1), decode.Unread{Kind: "Host", Name: "web-2", Line: 9, Commented: true})},
		"a document":                   {hostText, nil},
		"a document with comments":     {"# a host\n" + hostText + "# protect: true\n", nil},
		"prose that speaks of the API": {"# apiVersion: ingot.dev/v1alpha1 is what to write\n" + hostText, nil},
		"another apiVersion":           {commentOut(strings.Replace(hostText, "ingot.dev/", "Ingot.io/", 1), "# "), []decode.Unread{{Kind: "Host", Name: "web-1", Line: 1, Commented: true, Version: "Ingot.io/v1alpha1"}}},
		"a document of others":         {commentOut("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nspec: {}\n", "# ") + "a: 1\n", nil},
		"an unknown kind":              {commentOut(strings.Replace(hostText, "Host", "Widget", 1), "# ") + "a: 1\n", nil},
		"another YAML file":            {"a: 1\n", nil},
	} {
		if diff := cmp.Diff(test.want, decode.ListCommented([]byte(test.text))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestListUnread(t *testing.T) {
	t.Parallel()
	host := []decode.Unread{{Kind: "Host", Name: "web-1", Line: 1}}
	for _, test := range []struct {
		file, text string
		want       []decode.Unread
	}{
		{"hosts/web-1.yaml.bak", hostText, host}, {"hosts/web-1.txt", hostText, host}, {"hosts/web-1.yml.disabled", hostText, host}, {"web-1", hostText, host},
		{"hosts/web-1.yaml~", hostText, host}, {"hosts/web-1.yaml.off", "---\r\n" + strings.ReplaceAll(hostText, "\n", "\r\n"), []decode.Unread{{Kind: "Host", Name: "web-1", Line: 2}}},
		{"hosts/web-1.yaml.example", hostText, nil}, {"hosts/README.md", hostText, nil}, {"hosts/web-1.bak", "a: 1\n", nil},
		{"racks/web-1.yaml.j2", hostText, host}, {"web-1.tmpl", hostText, host}, {"racks/web-1.yaml.j2.example", hostText, nil},
		{"racks/web-1.yaml.j2", strings.Replace(hostText, "workload: web", "workload: {{ w }}\n  {% if x %}", 1), host},
		{"racks/web.yaml.j2", strings.Replace(hostText, "web-1", "{{ n }}", 1), []decode.Unread{{Kind: "Host", Line: 1, Template: true}}},
		{"racks/web.yaml.j2", "{% for n in hosts %}\n---\n" + strings.Replace(hostText, "web-1", "web-{{ n }}", 1) + "{% endfor %}\n", []decode.Unread{{Kind: "Host", Line: 3, Template: true}}},
		{"racks/make.sh.tmpl", "#!/bin/sh\n{{ x }}: y: z\ncat <<EOF\n" + hostText + "EOF\n", nil},
		{"chart/templates/secret.yaml.tpl", "{{ if .x }}\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\nspec: {}\n{{ end }}\n", nil},
		{"web-1.txt", strings.Replace(hostText, "ingot.dev", "Ingot.io", 1), []decode.Unread{{Kind: "Host", Name: "web-1", Line: 1, Version: "Ingot.io/v1alpha1"}}},
		{"web-1.txt", strings.TrimPrefix(hostText, "apiVersion: ingot.dev/v1alpha1\n"), host},
		{"web-1.txt", "apiVersion: getambassador.io/v3\nkind: Host\nmetadata: {name: a}\nspec: {hostname: a}\n", nil},
		{"steps/make.sh", "#!/bin/sh\ncat <<EOF\n" + hostText + "EOF\n", nil},
	} {
		if diff := cmp.Diff(test.want, decode.ListUnread(test.file, []byte(test.text))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.file, diff)
		}
	}
}
