package sops_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/program"
	"github.com/gitmetal/ingot/inventory/secrets/sops"
)

const (
	pgpFile = "kind: Secret\nspec: {data: {a: 'ENC[x]'}}\nsops: {pgp: [{fp: A, enc: x}], age: [], kms: ~, mac: x, lastmodified: x, encrypted_regex: ^data$, version: 3.13.3}\n"
	clear   = "spec:\n  data:\n    username: root\n    password: \"hunter2\"\n"
)

// fake is a program that does as a script says; it stands in for sops, which the tests behind the tag e2e run.
func fake(t *testing.T, script string) sops.Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sops")
	if err := program.Write(file, "#!/bin/sh\n"+script); err != nil {
		t.Fatal(err)
	}
	return sops.Program{Path: file, Keys: []string{"pgp"}}
}

func TestTheProgramGetsTheFileAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := fake(t, `set -e
/bin/cat "$6" | /usr/bin/cmp - `+dir+`/want
echo "$0 $1 $2 $3 $4 $5 $6 $7" >`+dir+`/arguments
/usr/bin/tr '\0' '\n' </proc/self/environ >`+dir+`/environment
pwd >`+dir+`/directory
printf '`+strings.ReplaceAll(clear, "\n", `\n`)+`'
`)
	if err := os.WriteFile(filepath.Join(dir, "want"), []byte(pgpFile), 0o600); err != nil {
		t.Fatal(err)
	}
	program.Env = []string{"GNUPGHOME=/nowhere"}
	data, err := program.OpenSecret(t.Context(), []byte(pgpFile))
	if err != nil {
		t.Fatal(err)
	}
	if data["username"].Reveal() != "root" || data["password"].Reveal() != "hunter2" || len(data) != 2 {
		t.Errorf("OpenSecret gave %d values, password %q", len(data), data["password"].Reveal())
	}
	for name, want := range map[string]string{"arguments": program.Path + " decrypt --input-type yaml --output-type yaml /dev/stdin \n", "directory": "/\n"} {
		if got := read(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for line := range strings.Lines(read(t, filepath.Join(dir, "environment"))) {
		if name, _, _ := strings.Cut(line, "="); name != "GNUPGHOME" && name != "PWD" && name != "OLDPWD" && name != "_" && name != "SHLVL" { // what sh itself sets
			t.Errorf("the environment has %q", line)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWhatTheProgramGivesIsChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, why string }{
		"it fails":       {"echo 'Failed to get the data key' >&2; echo 'hunter2: x'; exit 128", "exit status 128: Failed to get the data key"},
		"many words":     {"head -c 100000 /dev/zero | tr '\\0' w >&2; exit 1", "exit status 1: www"},
		"too much":       {"head -c 300000 /dev/zero | tr '\\0' x", "gives more than 262144 bytes"},
		"endless":        {"exec cat /dev/zero", "gives more than 262144 bytes"},
		"no YAML":        {"echo 'spec: {data: {a: \"hunter2'", "not a Secret with a text"},
		"no data":        {"echo 'spec: {}'", "not a Secret with a text"},
		"nothing":        {"", "not a Secret with a text"},
		"a number":       {"echo 'spec: {data: {a: 4711}}'", "put numbers in quotes"},
		"deeper":         {"echo 'spec: {data: {a: {hunter2: b}}}'", "not a Secret with a text"},
		"odd characters": {"printf '\\033[31mred\\n\\377\\n' >&2; exit 1", "exit status 1: [31mred ?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := fake(t, test.script+"\n")
			program.Env = []string{"PATH=/usr/bin:/bin"}
			data, err := program.OpenSecret(t.Context(), []byte(pgpFile))
			if err == nil || data != nil || !strings.Contains(err.Error(), test.why) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "4711") || len(err.Error()) > 1000 {
				t.Errorf("OpenSecret = %d values, %v; want %q", len(data), err, test.why)
			}
		})
	}
}

// A program that does not end is ended, with what it has started.
func TestAProgramThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	program := fake(t, "sleep 1000 & echo $! >"+pid+".new; mv "+pid+".new "+pid+"; wait\n")
	program.Env = []string{"PATH=/usr/bin:/bin"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := program.OpenSecret(ctx, []byte(pgpFile))
		done <- err
	}()
	for _, err := os.Stat(pid); err != nil; _, err = os.Stat(pid) {
		select {
		case err := <-done:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("OpenSecret = nil, want an error")
	}
	child, err := strconv.Atoi(strings.TrimSpace(read(t, pid)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); syscall.Kill(child, 0) == nil && !zombie(child); {
		if time.Now().After(deadline) {
			t.Fatal("what the program started runs on")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// zombie reports whether a process has ended and nobody has taken note.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// A file may only use the keys, and the addresses, that the configuration names: the credentials are the daemon's.
func TestOnlyAllowedKeysAreUsed(t *testing.T) {
	t.Parallel()
	program := fake(t, "printf '"+strings.ReplaceAll(clear, "\n", `\n`)+"'\n")
	program.Keys, program.Vaults = []string{"pgp", "hc_vault"}, []string{"https://vault.example.com"}
	for section, why := range map[string]string{
		"pgp: [{fp: A}]":                                                          "",
		"pgp: [{fp: A}], age: [{enc: x}]":                                         "",
		"kms: [{arn: A}]":                                                         "sops.kms, which the daemon may not use: add kms to secrets.keys",
		"pgp: [{fp: A}], gcp_kms: [{a: b}]":                                       "sops.gcp_kms",
		"key_groups: [{pgp: [{fp: A}]}]":                                          "",
		"key_groups: [{pgp: [{fp: A}]}, {kms: [{arn: A}]}]":                       "sops.kms",
		"hc_vault: [{vault_address: 'https://vault.example.com'}]":                "",
		"hc_vault: [{vault_address: 'https://evil.example.com'}]":                 `"https://evil.example.com", to which the daemon's credentials are not sent`,
		"key_groups: [{hc_vault: [{vault_address: 'https://evil.example.com'}]}]": "are not sent",
		"hc_vault: [{}]":                                                          "are not sent",
		"hc_vault: [{vault_address: [a]}]":                                        "are not sent",
		"hc_vault: {vault_address: x}":                                            "sops.hc_vault, which is not read",
		"newkind: [{a: b}]":                                                       "sops.newkind, which is not read",
		"newkind: text":                                                           "sops.newkind, which is not read",
		"pgp: [x]":                                                                "sops.pgp, which is not read",
		"key_groups: {pgp: [{fp: A}]}":                                            "cannot be read",
		"pgp: [{fp: A}], unencrypted_regex: x":                                    "sops.unencrypted_regex, which is not read",
	} {
		_, err := program.OpenSecret(t.Context(), []byte("sops: {mac: x, "+section+"}\n"))
		if (err == nil) != (why == "") || (err != nil && !strings.Contains(err.Error(), why)) {
			t.Errorf("%s: %v, want %q", section, err, why)
		}
	}
	for _, document := range []string{"", "a: [", "sops: x", "sops: {}"} {
		if _, err := program.OpenSecret(t.Context(), []byte(document)); err == nil {
			t.Errorf("%q opens", document)
		}
	}
	if _, err := (sops.Program{}).OpenSecret(t.Context(), []byte(pgpFile)); err == nil || !strings.Contains(err.Error(), "set secrets.sops") {
		t.Errorf("without a program: %v, want what to configure", err)
	}
}
