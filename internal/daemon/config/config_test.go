package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/config"
)

// good is the least that a daemon needs.
const good = `fleet:
  url: fleet.git
  poll: 90s
stateDir: state
identityDir: identity
ramdisk: ramdisk.iso
listen:
  agents: 127.0.0.1:8443
  media: 127.0.0.1:8080
advertise:
  agents: ["https://10.0.0.2:8443"]
  media: http://10.0.0.2:8080
`

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ingot.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAGoodConfiguration(t *testing.T) {
	t.Parallel()
	file := write(t, good)
	c, err := config.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if c.Fleet.Poll.Duration != 90*time.Second || c.Fleet.Branch != "main" || c.StateDir != filepath.Join(dir, "state") || c.Results.Dir != filepath.Join(dir, "state", "results") || c.Results.Keep.Days != 30 || c.Results.Keep.Size != 50<<30 || c.Fleet.URL != filepath.Join(dir, "fleet.git") {
		t.Errorf("read as %+v", c)
	}
}

// TestProblemsStandAtTheirLines changes one thing of the good configuration, and wants what is said of it, all of it.
func TestProblemsStandAtTheirLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change [2]string // a text, and what replaces it
		want   []string
	}{
		"another case":     {[2]string{"identityDir", "identitydir"}, []string{`5:1: error: identitydir: there is no such field here (did you mean "identityDir"?)`, "1:1: error: identityDir: the field is missing (a directory for the daemon's keys"}},
		"a misspelt field": {[2]string{"  url:", "  ur1:"}, []string{`2:3: error: fleet.ur1: there is no such field here (did you mean "url"?)`, "1:1: error: fleet.url: the field is missing (https, ssh"}},
		"media over TLS without an address": {[2]string{"  media: 127.0.0.1:8080", "  media: 127.0.0.1:8080\n  mediaTLS: 127.0.0.1:8444"},
			[]string{"11:1: error: advertise.mediaTLS: the field is missing (the https URL at which BMCs reach listen.mediaTLS)"}},
		"media over TLS without a listener": {[2]string{"  media: http://10.0.0.2:8080", "  media: http://10.0.0.2:8080\n  mediaTLS: http://10.0.0.2:8444"},
			[]string{"7:1: error: listen.mediaTLS: the field is missing (host:port", "13:13: error: advertise.mediaTLS: want an https URL"}},
		"a size without unit":  {[2]string{"stateDir: state", "stateDir: state\nresults: {keep: {size: 50}}"}, []string{"5:24: error: results.keep.size: want"}},
		"a size of nothing":    {[2]string{"stateDir: state", "stateDir: state\nresults: {keep: {size: 0GiB}}"}, []string{"5:24: error: results.keep.size: want a size such as 50GiB or 500MiB"}},
		"days of another sort": {[2]string{"stateDir: state", "stateDir: state\nresults: {keep: {days: -1}}"}, []string{"5:24: error: results.keep.days: want a number of days, from 1"}},
		"a list":               {[2]string{"stateDir: state", "stateDir: [state]"}, []string{"4:11: error: stateDir: want a text, have a list"}},
		"no duration":          {[2]string{"90s", "soon"}, []string{"3:9: error: fleet.poll: want a duration such as 30s or 2m"}},
		"less than none":       {[2]string{"90s", "-1s"}, []string{"3:9: error: fleet.poll: want a duration such as 30s or 2m"}},
		"twice":                {[2]string{"ramdisk: ramdisk.iso", "ramdisk: ramdisk.iso\nramdisk: b.iso"}, []string{"7:1: error: ramdisk: the field is written twice (the first is in line 6)"}},
		"no port":              {[2]string{"127.0.0.1:8443", "127.0.0.1"}, []string{"8:11: error: listen.agents: want host:port (such as 0.0.0.0:8443)"}},
		"no metrics port":      {[2]string{"  media: 127", "  metrics: localhost\n  media: 127"}, []string{"9:12: error: listen.metrics: want host:port (such as 0.0.0.0:8443)"}},
		"no TLS":               {[2]string{`"https://10`, `"http://10`}, []string{"11:12: error: advertise.agents[0]: want an https URL (the agents' API is TLS only)"}},
		"no scheme":            {[2]string{"http://10.0.0.2:8080", "10.0.0.2"}, []string{"12:10: error: advertise.media: want an http URL"}},
		"state with keys":      {[2]string{"identityDir: identity", "identityDir: state/keys"}, []string{"5:14: error: identityDir: it lies inside stateDir (keep it apart"}},
		"nobody signs":         {[2]string{"stateDir", "trust: {signedTags: true}\nstateDir"}, []string{"4:1: error: trust: nobody is named who may sign"}},
		"open webhook":         {[2]string{"  media: 127", "  webhook: :8082\n  media: 127"}, []string{"1:1: error: webhook.secretFile: the field is missing (listen.webhook needs"}},
		"a forge of another kind": {[2]string{"stateDir", "forge: {kind: github, url: github.com, repository: fleet}\nstateDir"}, []string{
			"4:15: error: forge.kind: there is no such kind (GitHub, GitLab, Gitea (Forgejo is a Gitea))", "4:28: error: forge.url: want an https or http URL",
			"4:52: error: forge.repository: want owner/name", "4:1: error: forge.tokenFile: the field is missing"}},
		"a token in the forge's URL": {[2]string{"stateDir", "forge: {kind: GitHub, url: \"https://me:token@github.com\", repository: a/../b, tokenFile: t, targetURL: x}\nstateDir"}, []string{
			"4:28: error: forge.url: want an https or http URL without a user", "error: forge.repository: want owner/name", "error: forge.targetURL: want an https or http URL"}},
		"receivers that cannot be told apart": {[2]string{"stateDir", "notify: [{name: ops, url: \"https://a\"}, {name: ops, url: \"https://b\", urlFile: c}, {name: Ops, events: [held, healed]}]\nstateDir"}, []string{
			"error: notify[1].name: another receiver has this name", "error: notify[1].urlFile: url is written too", "error: notify[2].name: want small letters",
			"error: notify[2].url: the field is missing (where notifications", "error: notify[2].events: there is no such event"}},
		"no YAML": {[2]string{"  url: fleet.git", "  url: fleet.git\n bad"}, []string{":4: error: not YAML: "}},
		"nothing": {[2]string{good, "# all of it is to come\n"}, []string{"is empty: begin with docs/daemon.yaml"}},
		"two":     {[2]string{"fleet:", "fleet: {}\n---\nfleet:"}, []string{":3: a second document"}},
	} {
		_, err := config.LoadFile(write(t, strings.Replace(good, test.change[0], test.change[1], 1)))
		if err == nil {
			t.Errorf("%s: used", name)
			continue
		}
		lines := strings.Split(strings.TrimPrefix(err.Error(), "the configuration is not used:\n"), "\n")
		for _, want := range test.want {
			found := func(line string) bool { return strings.Contains(line, want) }
			if !slices.ContainsFunc(lines, found) {
				t.Errorf("%s: nothing says %q:\n%v", name, want, err)
			}
			lines = slices.DeleteFunc(lines, found)
		}
		if len(lines) > 0 {
			t.Errorf("%s: said beside: %q", name, lines)
		}
	}
}

// TestFleetPath wants directories whose names can be a part of a branch's name, each with a status branch of its own.
func TestFleetPath(t *testing.T) {
	t.Parallel()
	for path, branch := range map[string]string{"a": "ingot/a/status", "fleets/fra-1": "ingot/fleets/fra-1/status",
		"/a": "", "a/": "", "../a": "", "a/../b": "", "a//b": "", ".git": "", "a b": "", "a/b.lock": "", ".": "", "a~1": ""} {
		c, err := config.LoadFile(write(t, strings.Replace(good, "  poll:", "  path: "+path+"\n  poll:", 1)))
		if (err == nil) != (branch != "") || err == nil && c.Fleet.StatusBranch != branch {
			t.Errorf("path %q: status branch %q (%v), want %q", path, c.Fleet.StatusBranch, err, branch)
		}
	}
}

// TestMetricsListenOnLoopback wants a port alone to be open to this machine alone.
func TestMetricsListenOnLoopback(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{":8083": "127.0.0.1:8083", "0.0.0.0:8083": "0.0.0.0:8083", "": ""} {
		file := write(t, strings.Replace(good, "advertise:", "  metrics: \""+written+"\"\nadvertise:", 1))
		if c, err := config.LoadFile(file); err != nil || c.Listen.Metrics != want {
			t.Errorf("metrics: %q listens on %q (%v), want %q", written, c.Listen.Metrics, err, want)
		}
	}
}

func TestALargeFileIsNotRead(t *testing.T) {
	t.Parallel()
	if _, err := config.LoadFile(write(t, good+"# "+strings.Repeat("x", 1<<20))); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a file of over 1 MiB: %v", err)
	}
}

func TestTheConfigurationOfSops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ secrets, why string }{
		"none":         {"{}", ""},
		"pgp":          {"{sops: /usr/bin/sops, keys: [pgp]}", ""},
		"no keys":      {"{sops: /usr/bin/sops}", "secrets.keys: the field is missing"},
		"no program":   {"{keys: [pgp]}", "secrets.sops: the field is missing"},
		"no such keys": {"{sops: /usr/bin/sops, keys: [gpg]}", "secrets.keys: there is no such type of keys"},
		"a bare name":  {"{sops: sops, keys: [pgp]}", "secrets.sops: want a whole path"},
	} {
		if _, err := config.LoadFile(write(t, good+"secrets: "+test.secrets+"\n")); (err == nil) != (test.why == "") || (err != nil && !strings.Contains(err.Error(), ":13:") || err != nil && !strings.Contains(err.Error(), test.why)) {
			t.Errorf("%s: %v, want %q", name, err, test.why)
		}
	}
	own := func(name string) (string, bool) { return "ours", name == "VAULT_TOKEN" }
	program := config.Secrets{Env: []string{"A=b=c", "VAULT_TOKEN", "MISSING"}}.NewProgram(own)
	if want := []string{"A=b=c", "VAULT_TOKEN=ours"}; !slices.Equal(program.Env, want) {
		t.Errorf("the environment is %q, want %q", program.Env, want)
	}
}

func TestTheDocumentedConfigurationOfSops(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/secrets.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```yaml\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended {
		t.Fatal("docs/secrets.md has no configuration")
	}
	c, err := config.LoadFile(write(t, good+block))
	if err != nil || c.Secrets.Sops == "" {
		t.Errorf("docs/secrets.md has no configuration of sops: %v in\n%s", err, block)
	}
}

// TestNoticesAreRelativeToTheFile wants the files of forge and receivers beside the configuration.
func TestNoticesAreRelativeToTheFile(t *testing.T) {
	t.Parallel()
	file := write(t, good+"forge: {kind: Gitea, url: \"https://git.example.com\", repository: infra/fleet, tokenFile: forge.token}\n"+
		"notify: [{name: ops, urlFile: ops.url, secretFile: ops.secret, events: [held]}]\n")
	c, err := config.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if c.Forge.TokenFile != filepath.Join(dir, "forge.token") || c.Notify[0].URLFile != filepath.Join(dir, "ops.url") ||
		c.Notify[0].SecretFile != filepath.Join(dir, "ops.secret") || c.Notify[0].CA != "" {
		t.Errorf("read as %+v, %+v", c.Forge, c.Notify)
	}
}
