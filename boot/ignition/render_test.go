package ignition_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/ignition/v2/config/v3_5"
	"github.com/coreos/ignition/v2/config/v3_5/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const webConfig = `variant: fcos
version: 1.6.0
passwd:
  users:
    - name: core
      password_hash: ${secret.web.hash}
storage:
  files:
    - path: /etc/motd
      mode: 0640
      contents:
        inline: "site ${vars.site}, $${kept}, ${HOME}"
    - path: /etc/web.conf
      contents:
        local: web.conf
  trees:
    - local: tree
      path: /opt/web
systemd:
  units:
    - name: web.service
      enabled: true
      contents: |
        [Service]
        ExecStart=/opt/web/run.sh
        [Install]
        WantedBy=multi-user.target
`

func web() ignition.Request {
	return ignition.Request{
		Host: "web-03",
		Butane: &inventory.Butane{
			Path: "workloads/web.bu", Source: []byte(webConfig), Vars: map[string]string{"site": "fra1"},
			Files:      map[string][]byte{"web.conf": []byte("listen 80\n"), "tree/run.sh": []byte("#!/bin/sh\n"), "tree/etc/data": []byte("data\n")},
			Executable: map[string]bool{"tree/run.sh": true},
		},
		Secrets: func(ref refs.Secret) (secret.Value, error) {
			return secret.New("the " + ref.Name + " " + ref.Key), nil
		},
		Network:   &schemas.Network{Interfaces: []schemas.Interface{{Name: "mgmt", Type: "ethernet", MACAddress: "52:54:00:00:00:03", IPv4: &schemas.IPConfig{DHCP: true}}}},
		PhoneHome: &ignition.PhoneHome{Host: "web-03", URLs: []string{"https://10.0.2.2:7443", "https://ingot.example:7443"}, Pin: "cGlu", Install: "op1", Epoch: 4, Attempt: 2, Commit: "abc", Token: secret.New("token-canary")},
	}
}

func render(t *testing.T, r ignition.Request) []byte {
	t.Helper()
	body, err := ignition.Render(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func parse(t rapid.TB, body []byte) types.Config {
	t.Helper()
	config, problems, err := v3_5.Parse(body)
	if err != nil || len(problems.Entries) > 0 {
		t.Fatalf("Ignition says %v %v", err, problems)
	}
	return config
}

// content is what Ignition would write, and the mode; ok is false when there is no such file.
func content(t rapid.TB, config types.Config, path string) (data string, mode int, ok bool) {
	t.Helper()
	for _, f := range config.Storage.Files {
		if f.Path != path {
			continue
		}
		raw := dataURL(t, *f.Contents.Source)
		if f.Contents.Compression != nil && *f.Contents.Compression == "gzip" {
			unzip, err := gzip.NewReader(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			raw, err = io.ReadAll(unzip)
			if err != nil {
				t.Fatal(err)
			}
		}
		if f.Mode != nil {
			mode = *f.Mode
		}
		return string(raw), mode, true
	}
	return "", 0, false
}

// dataURL decodes the two forms that occur (RFC 2397).
func dataURL(t rapid.TB, source string) []byte {
	t.Helper()
	head, body, ok := strings.Cut(source, ",")
	if !ok || !strings.HasPrefix(head, "data:") {
		t.Fatalf("no data URL: %q", source)
	}
	text, err := url.PathUnescape(body)
	data := []byte(text)
	if strings.HasSuffix(head, ";base64") {
		data, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRenderedConfig(t *testing.T) {
	t.Parallel()
	body := render(t, web())
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	golden := filepath.Join("testdata", "web.ign.golden")
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("Render (-want +got), -update accepts:\n%s", diff)
	}
	config := parse(t, body)
	for path, want := range map[string]struct {
		data string
		mode int
	}{
		"/etc/hostname":              {"web-03\n", 0o644},
		"/etc/motd":                  {"site fra1, ${kept}, ${HOME}", 0o640},
		"/etc/web.conf":              {"listen 80\n", 0},
		"/opt/web/run.sh":            {"#!/bin/sh\n", 0o755},
		"/opt/web/etc/data":          {"data\n", 0o644},
		"/etc/ingot/phone-home.urls": {"https://10.0.2.2:7443/v1/phonehome\nhttps://ingot.example:7443/v1/phonehome\n", 0o644},
		"/etc/ingot/phone-home.json": {`{"host":"web-03","install":"op1","epoch":4,"attempt":2,"token":"token-canary","commit":"abc"}`, 0o600},
	} {
		if data, mode, ok := content(t, config, path); !ok || data != want.data || mode != want.mode {
			t.Errorf("%s = %q, %#o, %t, want %q, %#o", path, data, mode, ok, want.data, want.mode)
		}
	}
	if _, mode, ok := content(t, config, "/etc/NetworkManager/system-connections/mgmt.nmconnection"); !ok || mode != 0o600 {
		t.Errorf("the keyfile: there %t, mode %#o, want 0600: NetworkManager reads no other", ok, mode)
	}
	if hash := *config.Passwd.Users[0].PasswordHash; hash != "the web hash" {
		t.Errorf("password hash = %q", hash)
	}
}

func TestTheTokenIsInOneFileThatOnlyRootReads(t *testing.T) {
	t.Parallel()
	config := parse(t, render(t, web()))
	for _, f := range config.Storage.Files {
		if data, mode, _ := content(t, config, f.Path); strings.Contains(data, "token-canary") && (mode != 0o600 || f.Path != "/etc/ingot/phone-home.json") {
			t.Errorf("%s, mode %#o, holds the token", f.Path, mode)
		}
	}
	for _, unit := range config.Systemd.Units {
		if unit.Contents != nil && strings.Contains(*unit.Contents, "token-canary") {
			t.Errorf("%s holds the token", unit.Name)
		}
		if unit.Name == "ingot-phone-home.service" && strings.Contains(*unit.Contents, "After=multi-user.target") {
			t.Error("a unit that multi-user.target wants and that waits for it is a cycle: systemd drops it without a word")
		}
	}
}

func TestTheSameRequestGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	first := render(t, web())
	for range 30 {
		if !bytes.Equal(first, render(t, web())) {
			t.Fatal("two renderings differ")
		}
	}
}

func TestTheBareMinimum(t *testing.T) {
	t.Parallel()
	config := parse(t, render(t, ignition.Request{Host: "a"}))
	if name, _, _ := content(t, config, "/etc/hostname"); name != "a\n" || len(config.Storage.Files) != 1 || len(config.Systemd.Units) != 0 {
		t.Errorf("config = %+v", config)
	}
}

func TestAWorkloadsOwnHostnameWins(t *testing.T) {
	t.Parallel()
	r := ignition.Request{Host: "a", Butane: butane("storage:\n  files:\n    - {path: /etc/hostname, contents: {inline: theirs}}\n")}
	if name, _, _ := content(t, parse(t, render(t, r)), "/etc/hostname"); name != "theirs" {
		t.Errorf("hostname = %q", name)
	}
	r.Butane = butane("storage:\n  links:\n    - {path: /etc/hostname, target: /etc/theirs}\n")
	config := parse(t, render(t, r))
	if _, _, ok := content(t, config, "/etc/hostname"); ok || len(config.Storage.Links) != 1 {
		t.Errorf("a link of theirs gave %+v", config.Storage)
	}
}

func butane(body string) *inventory.Butane {
	return &inventory.Butane{Path: "w/x.bu", Source: []byte("variant: fcos\nversion: 1.6.0\n" + body)}
}

// Whatever a value holds, it stays one value, and comes through as it is.
func TestValuesComeThroughIntact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"a\"b", "a\nb", "${vars.v}", "$${x", "a: b\n  - c", "# c", "'", "\\", "%s{{.}}", "\t", " x ", "true", "0123", "- a", "&a *b", "\u2028", "---\n",
		})).Draw(t, "value")
		b := butane("storage:\n  files:\n    - {path: /v, contents: {inline: '[${vars.v}]'}}\n    - {path: /s, contents: {inline: '${secret.a.b}${vars.v}'}}\n")
		b.Vars = map[string]string{"v": value}
		body, err := ignition.Render(ignition.Request{Host: "a", Butane: b, Secrets: func(refs.Secret) (secret.Value, error) { return secret.New(value), nil }})
		if err != nil {
			t.Fatal(err)
		}
		config := parse(t, body)
		if got, _, _ := content(t, config, "/v"); got != "["+value+"]" {
			t.Fatalf("/v = %q, want %q in brackets", got, value)
		}
		if got, _, _ := content(t, config, "/s"); got != value+value {
			t.Fatalf("/s = %q, want %q twice", got, value)
		}
		if len(config.Storage.Files) != 3 {
			t.Fatalf("%d files, want 3: a value became structure", len(config.Storage.Files))
		}
	})
}

func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]ignition.Request{
		"value that does not fit":  {Butane: butane("storage:\n  files:\n    - {path: /a, contents: {source: '${secret.a.b}'}}\n")},
		"path that is none":        {Butane: butane("storage:\n  files:\n    - {path: '${secret.a.b}', contents: {inline: x}}\n")},
		"unit that does not parse": {Butane: butane("systemd:\n  units:\n    - {name: x.service, contents: \"[${secret.a.b}\"}\n")},
	} {
		r.Host = "a"
		r.Secrets = func(refs.Secret) (secret.Value, error) { return secret.New("canary://\x01%zz"), nil }
		if _, err := ignition.Render(r); err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), url.QueryEscape("canary")) {
			t.Errorf("%s: %v, want an error without the secret", name, err)
		}
	}
	r := ignition.Request{Host: "a", Butane: butane("storage:\n  files:\n    - {path: /a, contents: {inline: '${secret.a.b}'}}\n"),
		Secrets: func(refs.Secret) (secret.Value, error) { return secret.Value{}, errors.New("cannot be opened") }}
	if body, err := ignition.Render(r); err == nil {
		t.Errorf("a secret that cannot be opened gave %s", body)
	}
}
